//! A relay between a program and a server of any protocol over TCP: it breaks connections at once, or in the
//! middle of what the server sends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::process::listener;

/// A running relay. It ends, and breaks its connections, when dropped.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    connections: Mutex<Vec<TcpStream>>,
    /// Bytes that the server may still send before all connections are cut; `None` for any number.
    left: Mutex<Option<u64>>,
    cuts: AtomicU64,
    ended: AtomicBool,
}

impl Relay {
    /// Starts a relay before the server at `upstream`.
    pub fn before(upstream: SocketAddr) -> Self {
        let listener = listener();
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            upstream,
            connections: Mutex::default(),
            left: Mutex::default(),
            cuts: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, once, when the server has sent so many bytes more: the last of them arrive.
    pub fn cut_after(&self, bytes: u64) {
        *lock(&self.shared.left) = Some(bytes);
    }

    /// How often it did so.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        self.shared.cut();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        // A server that is away is, for the client, a connection that breaks at once.
        let Ok(client) = client else { continue };
        let Ok(server) = TcpStream::connect(shared.upstream) else { continue };
        if let Ok(ends) = shared.keep(&client, &server) {
            let (up, down) = ends;
            let shared = Arc::clone(shared);
            std::thread::spawn(move || pass_on(&client, &up, |_| None));
            std::thread::spawn(move || {
                pass_on(&server, &down, |bytes| shared.take(bytes));
            });
        }
    }
}

impl Shared {
    /// Handles of a new connection's two ends: to write to the server, and to the client.
    fn keep(&self, client: &TcpStream, server: &TcpStream) -> io::Result<(TcpStream, TcpStream)> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut connections = lock(&self.connections);
        connections.push(client.try_clone()?);
        connections.push(server.try_clone()?);
        Ok((server.try_clone()?, client.try_clone()?))
    }

    /// Counts bytes from the server: where this is the place of the cut, how many of them still pass.
    fn take(&self, bytes: usize) -> Option<(usize, &Self)> {
        let mut left = lock(&self.left);
        let may_pass = (*left)?;
        let rest = may_pass.checked_sub(bytes as u64);
        *left = rest;
        let is_cut = rest.is_none();
        is_cut.then(|| (usize::try_from(may_pass).unwrap_or(bytes), self))
    }

    fn cut(&self) {
        for connection in lock(&self.connections).drain(..) {
            // A connection that is gone already is what is wanted.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// Passes bytes on until one side hangs up, or `cut` says after how many of them all is to break.
fn pass_on<'s>(mut from: &TcpStream, mut to: &TcpStream, cut: impl Fn(usize) -> Option<(usize, &'s Shared)>) {
    let mut buffer = vec![0; 1 << 14];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some((passes, shared)) = cut(count) {
            let _ = to.write_all(&buffer[..passes]);
            shared.cut();
            shared.cuts.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // What hung up on one side does so on the other; the handles kept for a cut would hold both open.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of the relay panics")
}
