//! A server that answers as a test says: for answers that no real server gives on demand.

use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use super::http::Message;
use super::process::listener;

type Script = dyn FnMut(&Message) -> Message + Send;

/// A server, until the test's end.
pub struct Scripted {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Message>>>,
}

impl Scripted {
    /// Answers each request but HEAD as `script` says.
    pub fn start(mut script: impl FnMut(&Message) -> Message + Send + 'static) -> Self {
        Self::start_with_heads(move |request| match request.method() {
            "HEAD" => answer(204, &[], ""),
            _ => script(request),
        })
    }

    /// Answers each request as `script` says.
    pub fn start_with_heads(script: impl FnMut(&Message) -> Message + Send + 'static) -> Self {
        let listener = listener();
        let address = listener.local_addr().expect("a bound listener has an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                std::thread::spawn(move || serve(&stream, &script, &seen));
            }
        });
        Self { address, requests }
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked so far, but for HEAD.
    pub fn requests(&self) -> Vec<Message> {
        let mut requests = self.all_requests();
        requests.retain(|request| request.method() != "HEAD");
        requests
    }

    /// What it was asked so far.
    pub fn all_requests(&self) -> Vec<Message> {
        self.requests.lock().expect("no thread panics").clone()
    }
}

/// An answer with these headers and body.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Message {
    let mut headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    headers.push(("content-length".to_owned(), body.len().to_string()));
    Message { start: format!("HTTP/1.1 {status} scripted"), headers, body: body.as_bytes().to_vec() }
}

fn serve(stream: &TcpStream, script: &Mutex<Box<Script>>, seen: &Mutex<Vec<Message>>) -> Option<()> {
    let mut from = BufReader::new(stream.try_clone().ok()?);
    let mut to = stream;
    while let Some(request) = Message::read_request(&mut from, &mut to).ok()? {
        let reply = (script.lock().ok()?)(&request);
        seen.lock().ok()?.push(request);
        reply.write(&mut to).ok()?;
    }
    None
}
