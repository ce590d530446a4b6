//! A proxy that clients are told of: they ask it for a tunnel (`CONNECT`), and it writes down where to.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::process::listener;

/// A running proxy. It ends when dropped.
pub struct ForwardProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Whether tunnels are made; else each is refused, so that nothing leaves this machine.
    opens: bool,
    asked: Mutex<Vec<String>>,
    ended: AtomicBool,
}

impl ForwardProxy {
    /// Starts one that makes the tunnels it is asked for.
    pub fn start() -> Self {
        Self::with(true)
    }

    /// Starts one that refuses every tunnel.
    pub fn refusing() -> Self {
        Self::with(false)
    }

    fn with(opens: bool) -> Self {
        let listener = listener();
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared { opens, ..Shared::default() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// What to give as `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The hosts and ports that tunnels were asked for to, so far.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().expect("no thread of the proxy panics").clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        // An error means that one side hung up, which is all that there is to do about it.
        std::thread::spawn(move || shared.serve(&client).ok());
    }
}

impl Shared {
    fn serve(&self, mut client: &TcpStream) -> io::Result<()> {
        let mut from_client = BufReader::new(client);
        let (mut first, mut line) = (String::new(), String::from("more"));
        from_client.read_line(&mut first)?;
        while !line.trim_end().is_empty() {
            line.clear();
            from_client.read_line(&mut line)?;
        }
        let target = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
        let target = target.ok_or_else(|| io::Error::other("only tunnels are made here"))?;
        self.asked.lock().expect("no thread of the proxy panics").push(target.to_owned());
        if !self.opens {
            return client.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
        }
        let server = TcpStream::connect(target)?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = io::copy(&mut from_client, &mut &server);
                server.shutdown(Shutdown::Write)
            });
            let _ = io::copy(&mut &server, &mut client);
            client.shutdown(Shutdown::Both)
        })
    }
}
