//! Google Cloud Storage as far as its XML API is S3's with other headers: played before moto.
//!
//! No server of Google's protocol that other people wrote is to be had from a package registry with its XML API
//! and conditions. moto keeps the objects, lists them, and keeps what is there; here only names are translated.
//! <https://cloud.google.com/storage/docs/xml-api/reference-headers>

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use percent_encoding::percent_decode_str;

use super::http::Message;
use super::moto;
use super::s3_client::S3Client;
use super::scripted::{Scripted, answer};
use super::server::S3Server;

/// `x-goog-meta-…` there is `x-amz-meta-…` here.
const META: [&str; 2] = ["x-goog-meta-", "x-amz-meta-"];
const CONDITION: &str = "x-goog-if-generation-match";
/// What travels under the same name.
const SAME: [&str; 5] = ["content-type", "content-encoding", "cache-control", "etag", "last-modified"];

/// A running stand-in.
pub struct Google {
    moto: S3Server,
    front: Scripted,
    heeds_conditions: Arc<AtomicBool>,
}

/// Starts one with an empty bucket.
pub fn start() -> Google {
    let moto = moto::start();
    let (client, heeds_conditions) = (Mutex::new(moto.client().clone()), Arc::new(AtomicBool::new(true)));
    let heeds = Arc::clone(&heeds_conditions);
    // One request after the other: a put is one step, as it is there.
    let front = Scripted::start_with_heads(move |request| {
        let client = client.lock().expect("no thread panics");
        forward(&client, request, heeds.load(Ordering::SeqCst))
    });
    Google { moto, front, heeds_conditions }
}

impl Google {
    /// The URL to give as `endpoint`.
    pub fn endpoint(&self) -> String {
        self.front.url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.front.address()
    }

    /// The bucket it starts with.
    pub fn bucket(&self) -> &str {
        self.moto.bucket()
    }

    /// A client for what it keeps.
    pub fn client(&self) -> &S3Client {
        self.moto.client()
    }

    /// Ignores conditions from now on, as no Google does.
    pub fn ignore_conditions(&self) {
        self.heeds_conditions.store(false, Ordering::SeqCst);
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<Message> {
        self.front.all_requests()
    }
}

fn forward(client: &S3Client, request: &Message, heeds_conditions: bool) -> Message {
    let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
    let path = path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let client = S3Client { bucket: bucket.to_owned(), ..client.clone() };
    let mut headers: Vec<(String, String)> =
        request.headers.iter().filter_map(|header| renamed(header, META[0], META[1])).collect();
    match request.header(CONDITION) {
        Some("0") if heeds_conditions => headers.push(("if-none-match".to_owned(), "*".to_owned())),
        Some("0") | None => {}
        Some(other) => return answer(400, &[], &format!("a condition on generation {other} is not played")),
    }
    let key = percent_decode_str(key).decode_utf8().expect("keys are UTF-8");
    let reply = client.request(request.method(), &key, query, &headers, &request.body);
    let mut headers: Vec<(String, String)> =
        reply.headers.iter().filter_map(|header| renamed(header, META[1], META[0])).collect();
    headers.push(("x-goog-generation".to_owned(), "1".to_owned()));
    let length = match request.method() {
        "HEAD" => reply.header("content-length").unwrap_or("0").to_owned(),
        _ => reply.body.len().to_string(),
    };
    headers.push(("content-length".to_owned(), length));
    Message { start: format!("HTTP/1.1 {} played", reply.status()), headers, body: reply.body }
}

fn renamed((name, value): &(String, String), from: &str, to: &str) -> Option<(String, String)> {
    let name = match name.strip_prefix(from) {
        Some(label) => format!("{to}{label}"),
        None => SAME.contains(&name.as_str()).then(|| name.clone())?,
    };
    Some((name, value.clone()))
}
