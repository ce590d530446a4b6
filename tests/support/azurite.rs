//! Azurite: Microsoft's own stand-in for Azure Blob Storage, with one container that anybody may read.
//!
//! Tests read it as anybody does, without a key; only the product shows one.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use aws_lc_rs::hmac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;
use tempfile::TempDir;

use super::http::Message;
use super::process::{Process, command, free_address};
use super::server::installed;

/// The account it knows.
pub const ACCOUNT: &str = "stations";
/// The container it starts with.
pub const CONTAINER: &str = "rows";
const KEY: &[u8] = b"livecosmos-tests-of-azure-by-key";
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// What a path cannot hold as it is.
const UNPLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const VERSION: &str = "2023-11-03";

/// A running Azurite.
pub struct Azurite {
    address: SocketAddr,
    process: Option<Process>,
    /// Dropped after the process.
    folder: TempDir,
}

/// Starts a server with an empty container.
pub fn start() -> Azurite {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Azurite { address: free_address(), process: None, folder };
    server.start_again();
    server.create_container();
    server
}

impl Azurite {
    /// Starts the server again where it was, after [`Azurite::stop`].
    pub fn start_again(&mut self) {
        let mut command = command(&installed("azurite", "azurite-blob"));
        command
            .args(["--blobHost", &self.address.ip().to_string()])
            .args(["--blobPort", &self.address.port().to_string()])
            .arg("--location")
            .arg(self.folder.path())
            .args(["--silent", "--disableTelemetry"])
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{}", key()));
        let mut process = Process::spawn("azurite", &mut command, &self.folder.path().join("server.log"));
        process.wait_ready(STARTS_WITHIN, || TcpStream::connect(self.address).is_ok());
        self.process = Some(process);
    }

    /// Ends the server in order. Its address then refuses connections, and its data stays; killed, it would forget
    /// what it acknowledged in its last seconds.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::TERM);
            process.wait(STARTS_WITHIN);
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL to give as `endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}/{ACCOUNT}", self.address)
    }

    /// The head and bytes of a blob; `None` where there is none.
    pub fn get(&self, key: &str) -> Option<Message> {
        let reply = self.ask("GET", &format!("/{CONTAINER}/{}", encoded(key)), &[]);
        match reply.status() {
            200 => Some(reply),
            404 => None,
            status => panic!("azurite answered {status} for {key}: {}", reply.text()),
        }
    }

    /// The blobs whose names begin with `prefix`: name to bytes.
    pub fn objects(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let target = format!("/{CONTAINER}?restype=container&comp=list&prefix={}", encoded(prefix));
        let page = self.ask("GET", &target, &[]);
        assert_eq!(page.status(), 200, "{}", page.text());
        let text = page.text();
        assert!(!text.contains("<NextMarker>"), "more than a page of blobs");
        let names =
            text.split("<Name>").skip(1).filter_map(|rest| Some(rest.split_once("</Name>")?.0.to_owned()));
        let blob = |name: String| (name.clone(), self.get(&name).expect("it is listed").body);
        names.map(blob).collect()
    }

    fn create_container(&self) {
        let date = date();
        let headers = [
            ("x-ms-blob-public-access", "container"),
            ("x-ms-date", date.as_str()),
            ("x-ms-version", VERSION),
        ];
        let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let lines = lines.concat();
        let resource = format!("/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container");
        // <https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key>
        let text = format!("PUT\n\n\n\n\n\n\n\n\n\n\n\n{lines}{resource}");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), text.as_bytes());
        let signature = format!("SharedKey {ACCOUNT}:{}", base64(tag.as_ref()));
        let mut all = headers.to_vec();
        all.push(("authorization", &signature));
        let reply = self.ask("PUT", &format!("/{CONTAINER}?restype=container"), &all);
        assert_eq!(reply.status(), 201, "{}", reply.text());
    }

    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Message {
        let mut sent: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (name, value) in [("host", self.address.to_string().as_str()), ("connection", "close")] {
            sent.push((name.to_owned(), value.to_owned()));
        }
        sent.push(("content-length".to_owned(), "0".to_owned()));
        if method == "GET" {
            sent.push(("x-ms-version".to_owned(), VERSION.to_owned()));
        }
        let start = format!("{method} /{ACCOUNT}{target} HTTP/1.1");
        let request = Message { start, headers: sent, body: Vec::new() };
        let mut stream = TcpStream::connect(self.address).expect("azurite listens");
        request.write(&mut stream).expect("azurite reads");
        Message::read_response(&mut BufReader::new(stream), method).expect("azurite answers")
    }
}

/// The account's key, as Azure shows it.
pub fn key() -> String {
    base64(KEY)
}

#[expect(
    clippy::disallowed_methods,
    reason = "servers refuse requests that are not signed with their own time"
)]
fn date() -> String {
    jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNPLAIN).to_string()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]);
            text.push(if at <= group.len() { letter } else { '=' });
        }
    }
    text
}
