//! A small S3 client for tests: signature version 4 over plain HTTP, one connection per request.
//!
//! It is written from the protocol, not from the product's sink, so the two cannot share a mistake.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use aws_lc_rs::{digest, hmac};

use super::http::Message;

/// A server that takes longer than this for one request is broken.
const REPLY_WITHIN: Duration = Duration::from_secs(30);

/// One bucket of one server, reached with one pair of keys.
#[derive(Clone, Debug)]
pub struct S3Client {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The access key id.
    pub access_key: String,
    /// The secret that signs the requests.
    pub secret_key: String,
    /// The region that stands in the signature.
    pub region: String,
    /// The bucket all keys are in.
    pub bucket: String,
}

/// An object as the server holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// The stored bytes.
    pub body: Vec<u8>,
    /// User metadata, names without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
}

impl S3Client {
    /// Creates the bucket; panics if the server refuses.
    pub fn create_bucket(&self) {
        let reply = self.request("PUT", "", "", &[], b"");
        assert_eq!(reply.status(), 200, "cannot create bucket {}: {}", self.bucket, reply.text());
    }

    /// Stores `body` under `key`, over whatever is there. Returns the HTTP status.
    pub fn put(&self, key: &str, body: &[u8]) -> u16 {
        self.request("PUT", key, "", &[], body).status()
    }

    /// Stores `body` under `key` with `If-None-Match: *`. Returns the HTTP status.
    pub fn put_if_absent(&self, key: &str, body: &[u8], metadata: &[(&str, &str)]) -> u16 {
        let mut headers = vec![("if-none-match".to_owned(), "*".to_owned())];
        headers
            .extend(metadata.iter().map(|(name, value)| (format!("x-amz-meta-{name}"), (*value).to_owned())));
        self.request("PUT", key, "", &headers, body).status()
    }

    /// Reads an object, or `None` if there is none.
    pub fn get(&self, key: &str) -> Option<StoredObject> {
        let reply = self.found(self.request("GET", key, "", &[], b""), key)?;
        Some(StoredObject { metadata: metadata_of(&reply), body: reply.body })
    }

    /// Reads the user metadata of an object, or `None` if there is no such object.
    pub fn head(&self, key: &str) -> Option<BTreeMap<String, String>> {
        self.found(self.request("HEAD", key, "", &[], b""), key).map(|reply| metadata_of(&reply))
    }

    /// Removes an object.
    pub fn delete(&self, key: &str) {
        let reply = self.request("DELETE", key, "", &[], b"");
        assert!(matches!(reply.status(), 200 | 204), "cannot delete {key}: {}", reply.text());
    }

    /// All keys that begin with `prefix`, sorted.
    pub fn list(&self, prefix: &str) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            // The canonical query is sorted by name.
            let mut query = format!("list-type=2&prefix={}", percent_encoded(prefix, false));
            if let Some(last) = keys.last() {
                query = format!("{query}&start-after={}", percent_encoded(last, false));
            }
            let reply = self.request("GET", "", &query, &[], b"");
            assert_eq!(reply.status(), 200, "cannot list {}: {}", self.bucket, reply.text());
            let page = reply.text();
            keys.extend(elements(&page, "Key"));
            if elements(&page, "IsTruncated").next().as_deref() != Some("true") {
                return keys;
            }
        }
    }

    /// Sends one signed request; `key` is empty for the bucket itself, `query` is in canonical form.
    pub fn request(
        &self,
        method: &str,
        key: &str,
        query: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Message {
        self.try_request(method, key, query, headers, body)
            .unwrap_or_else(|error| panic!("{method} {key:?} at {} failed: {error}", self.address))
    }

    /// As [`S3Client::request`], for servers that may be down.
    pub fn try_request(
        &self,
        method: &str,
        key: &str,
        query: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> std::io::Result<Message> {
        let stream = self.send(method, key, query, headers, body)?;
        Message::read_response(&mut BufReader::new(stream), method)
    }

    /// Sends a signed request and leaves the reply unread in the connection it returns.
    pub fn send(
        &self,
        method: &str,
        key: &str,
        query: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(REPLY_WITHIN))?;
        self.signed(method, key, query, headers, body).write(&mut stream)?;
        Ok(stream)
    }

    fn found(&self, reply: Message, key: &str) -> Option<Message> {
        match reply.status() {
            200 => Some(reply),
            404 => None,
            status => panic!("{} answered {status} for {key}: {}", self.address, reply.text()),
        }
    }

    fn signed(
        &self,
        method: &str,
        key: &str,
        query: &str,
        extra: &[(String, String)],
        body: &[u8],
    ) -> Message {
        let time = now_basic();
        let digest = hex(digest::digest(&digest::SHA256, body).as_ref());
        let mut headers = vec![
            ("host".to_owned(), self.address.to_string()),
            ("x-amz-content-sha256".to_owned(), digest.clone()),
            ("x-amz-date".to_owned(), time.clone()),
        ];
        headers.extend_from_slice(extra);
        headers.sort();
        let path = match key {
            "" => format!("/{}", self.bucket),
            key => format!("/{}/{}", self.bucket, percent_encoded(key, true)),
        };
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        let lines = lines.join("\n");
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n\n{names}\n{digest}");
        let scope = format!("{}/{}/s3/aws4_request", &time[..8], self.region);
        let signature = self.signature(&canonical, &time, &scope);
        headers.push((
            "authorization".to_owned(),
            format!(
                "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
                self.access_key
            ),
        ));
        headers.push(("connection".to_owned(), "close".to_owned()));
        headers.push(("content-length".to_owned(), body.len().to_string()));
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        Message { start: format!("{method} {target} HTTP/1.1"), headers, body: body.to_vec() }
    }

    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
    fn signature(&self, canonical: &str, time: &str, scope: &str) -> String {
        let digest = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in scope.split('/') {
            key = hmac_sha256(&key, part.as_bytes());
        }
        hex(&hmac_sha256(&key, text.as_bytes()))
    }
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Now, as `20250131T235959Z`.
#[expect(
    clippy::disallowed_methods,
    reason = "servers refuse requests that are not signed with their own time"
)]
fn now_basic() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn percent_encoded(text: &str, keep_slash: bool) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            b'/' if keep_slash => encoded.push('/'),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

fn metadata_of(reply: &Message) -> BTreeMap<String, String> {
    let named = |(name, value): &(String, String)| {
        Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.clone()))
    };
    reply.headers.iter().filter_map(named).collect()
}

/// The texts of all elements `name` of an XML answer whose texts hold no markup.
fn elements(xml: &str, name: &str) -> impl Iterator<Item = String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let texts: Vec<String> = xml
        .split(&open)
        .skip(1)
        .filter_map(|rest| rest.split_once(&close))
        .map(|(text, _)| {
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
        })
        .collect();
    texts.into_iter()
}
