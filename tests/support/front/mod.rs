//! A proxy that stands before an S3 server: it makes each request one step, and plays a bad network.
//!
//! A request reaches the server whole or not at all, requests for one key go one after the other, and
//! what has been forwarded is carried out also when the client has been killed meanwhile. S3 promises
//! this much; s3s-fs alone does not.

mod fault;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::http::Message;
use super::process::listener;
use super::s3_client::S3Client;
pub use fault::Fault;

/// More keys than requests under way at once, so that two keys seldom wait for each other.
const KEY_LOCKS: usize = 256;

/// A request that was read whole, and what the server answered.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// GET, HEAD, PUT, DELETE.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// What was done to it.
    pub fault: Fault,
    /// The server's status; `None` if it did not see the request.
    pub status: Option<u16>,
}

type Rule = Box<dyn FnMut(&Message) -> Fault + Send>;

/// A running proxy. It ends, and breaks its connections, when dropped.
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    rule: Mutex<Rule>,
    exchanges: Mutex<Vec<Exchange>>,
    connections: Mutex<Vec<TcpStream>>,
    keys: Vec<Mutex<()>>,
    ended: AtomicBool,
}

impl Front {
    /// Starts a proxy before the server at `upstream`.
    pub fn before(upstream: SocketAddr) -> Self {
        let listener = listener();
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            upstream,
            rule: Mutex::new(Box::new(|_| Fault::None)),
            exchanges: Mutex::default(),
            connections: Mutex::default(),
            keys: (0..KEY_LOCKS).map(|_| Mutex::default()).collect(),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// The URL to give as `endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The server's client, going through the proxy.
    pub fn client(&self, direct: &S3Client) -> S3Client {
        S3Client { address: self.address, ..direct.clone() }
    }

    /// Asks `rule` from now on what happens to each request.
    pub fn set_rule(&self, rule: impl FnMut(&Message) -> Fault + Send + 'static) {
        *lock(&self.shared.rule) = Box::new(rule);
    }

    /// Does `fault` to the next `count` requests of `method`, and nothing to the others.
    pub fn fail_next(&self, count: usize, method: &'static str, fault: Fault) {
        let mut left = count;
        self.set_rule(move |request| {
            if left == 0 || request.method() != method {
                return Fault::None;
            }
            left -= 1;
            fault
        });
    }

    /// All requests so far, in the order in which they were finished.
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.shared.exchanges).clone()
    }

    /// How many requests of `method` the server answered with `status` so far.
    pub fn count(&self, method: &str, status: u16) -> usize {
        let hit = |exchange: &&Exchange| exchange.method == method && exchange.status == Some(status);
        lock(&self.shared.exchanges).iter().filter(hit).count()
    }

    /// Breaks all open connections, as a network that goes away does.
    pub fn cut(&self) {
        for connection in lock(&self.shared.connections).drain(..) {
            // A connection that is gone already is what is wanted.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        self.cut();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else { continue };
        if let Ok(handle) = connection.try_clone() {
            lock(&shared.connections).push(handle);
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // An error means that one side hung up. Then so does the proxy, as a network would; the handle
            // that `cut` has would otherwise keep the connection open.
            let _ = shared.serve(&connection);
            let _ = connection.shutdown(Shutdown::Both);
        });
    }
}

impl Shared {
    fn serve(&self, mut client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut from_client = BufReader::new(client);
        while let Some(request) = Message::read_request(&mut from_client, &mut client)? {
            let fault = (lock(&self.rule))(&request);
            let answered = fault.is_forwarded().then(|| self.forward(&request)).transpose()?;
            lock(&self.exchanges).push(Exchange {
                method: request.method().to_owned(),
                target: request.target().to_owned(),
                fault,
                status: answered.as_ref().map(Message::status),
            });
            match (fault, fault.answer(request.method()).or(answered)) {
                (Fault::None | Fault::Answer(_) | Fault::AnswerAfter(_) | Fault::Skew, Some(reply)) => {
                    reply.write(&mut client)?;
                }
                (Fault::Stall | Fault::StallBefore, _) => {
                    from_client.read_to_end(&mut Vec::new())?;
                    break;
                }
                (Fault::CutReply, Some(reply)) => return write_half(&reply, client),
                (Fault::CutReplyWithoutLength, Some(mut reply)) => {
                    reply.headers.retain(|(name, _)| name != "content-length");
                    reply.headers.push(("connection".to_owned(), "close".to_owned()));
                    return write_half(&reply, client);
                }
                (Fault::CutRequest, _) => return self.forward_half(&request),
                _ => break,
            }
            if closes(&request) {
                break;
            }
        }
        Ok(())
    }

    /// Sends the server half of the body, hangs up, and waits until it has noticed.
    fn forward_half(&self, request: &Message) -> io::Result<()> {
        let _alone = lock(&self.keys[stripe(path_of(request))]);
        let mut server = TcpStream::connect(self.upstream)?;
        request.write_head(&mut server, None)?;
        server.write_all(&request.body[..request.body.len() / 2])?;
        server.shutdown(Shutdown::Write)?;
        server.read_to_end(&mut Vec::new()).map(drop)
    }

    /// Carries one request out, alone among those for its key.
    fn forward(&self, request: &Message) -> io::Result<Message> {
        let _alone = lock(&self.keys[stripe(path_of(request))]);
        let mut reply = self.ask(request)?;
        // The server's word on its connection to the proxy says nothing about the client's.
        reply.headers.retain(|(name, _)| name != "connection" && name != "keep-alive");
        reply.start = reply.start.replacen("HTTP/1.0", "HTTP/1.1", 1);
        Ok(reply)
    }

    /// Sends a request and reads the reply.
    ///
    /// A server that refuses a put answers before it has read the body, then hangs up; the answer would be
    /// lost with the connection if the body were still being sent. So the server is asked first.
    fn ask(&self, request: &Message) -> io::Result<Message> {
        let mut server = TcpStream::connect(self.upstream)?;
        server.set_nodelay(true)?;
        let mut from_server = BufReader::new(server.try_clone()?);
        let ask_first = !request.body.is_empty();
        let expect = (ask_first && request.header("expect").is_none()).then_some("expect: 100-continue");
        request.write_head(&mut server, expect)?;
        if ask_first {
            let refused = Message::read_response_or_go_on(&mut from_server, request.method())?;
            if let Some(reply) = refused {
                return Ok(reply);
            }
            request.write_body(&mut server)?;
        }
        Message::read_response(&mut from_server, request.method())
    }
}

fn closes(request: &Message) -> bool {
    request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

/// Half of the body, or half of the head where there is no body.
fn write_half(reply: &Message, mut client: &TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut half = reply.clone();
    half.body.clear();
    half.write(&mut head)?;
    if reply.body.is_empty() {
        return client.write_all(&head[..head.len() / 2]);
    }
    client.write_all(&head)?;
    client.write_all(&reply.body[..reply.body.len() / 2])
}

fn path_of(request: &Message) -> &str {
    request.target().split('?').next().unwrap_or_default()
}

fn stripe(path: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    usize::try_from(hasher.finish() % KEY_LOCKS as u64).unwrap_or_default()
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of the proxy panics")
}
