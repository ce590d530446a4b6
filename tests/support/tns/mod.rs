//! A small Oracle server for tests: it speaks TNS and TTC as far as clients that read need it, and
//! answers each statement with what the test's handler says.
//!
//! What it knows of the protocol comes from the sources of Oracle's own open drivers. It holds no SQL
//! engine, no dictionary and no transactions.

mod answer;
mod binds;
mod cell;
mod crypto;
mod cursor;
mod greeting;
mod log;
mod logon;
mod number;
mod packet;
mod reply;
mod request;
mod session;
mod time;
mod wire;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub use answer::{Answer, Fault, OraError, ResultSet, Statement, Table};
pub use binds::{Bind, BindType};
pub use cell::{Cell, Column, Type};
pub use greeting::Release;
pub use log::{Log, Seen};
pub use logon::Verifier;
pub use time::Time;

use session::Session;

/// The user every server knows, and the password.
pub const USER: &str = "reader";
/// The password of [`USER`].
pub const PASSWORD: &str = "open Sesame 4711";

/// Who may log on.
#[derive(Debug, Clone)]
pub struct Account {
    /// Name, without regard to case.
    pub user: String,
    /// Password, with regard to it.
    pub password: String,
    /// What the database keeps of the password.
    pub verifier: Verifier,
    /// What is said instead of a welcome: a locked account, an expired password.
    pub refused: Option<OraError>,
}

impl Account {
    /// An account as 12c and later make it.
    pub fn new(user: &str, password: &str) -> Self {
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { user, password, verifier: Verifier::V12c, refused: None }
    }
}

/// What happens to who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// Accepted.
    Open,
    /// The listener refuses with this error: 12514, 12505, 12528.
    Refuse(u32),
    /// The connection is taken, and nothing is ever said on it.
    Silent,
    /// Only clients that encrypt by themselves are wanted.
    RequiresEncryption,
    /// Sent on to another server, as the listener of a cluster does.
    Redirect(SocketAddr),
}

/// Why a lock is never found poisoned.
const HELD_SHORTLY: &str = "nobody panics while holding it";

type Handler = Box<dyn Fn(&Statement) -> Answer + Send + Sync>;

/// How a server is to be.
pub struct Setup {
    handler: Handler,
    release: Release,
    accounts: Mutex<Vec<Account>>,
    front: Mutex<Front>,
    sdu_max: u32,
    is_frozen: AtomicBool,
    log: Log,
}

impl Setup {
    /// A 19c server that answers each statement with what `handler` says.
    pub fn new(handler: impl Fn(&Statement) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            handler: Box::new(handler),
            release: Release::V19,
            accounts: Mutex::new(vec![Account::new(USER, PASSWORD)]),
            front: Mutex::new(Front::Open),
            sdu_max: 8192,
            is_frozen: AtomicBool::new(false),
            log: Log::default(),
        }
    }

    /// Plays another release.
    #[must_use]
    pub fn release(mut self, release: Release) -> Self {
        self.release = release;
        self
    }

    /// Knows one more account.
    #[must_use]
    pub fn account(self, account: Account) -> Self {
        self.keep(account);
        self
    }

    /// Treats who connects like this.
    #[must_use]
    pub fn front(mut self, front: Front) -> Self {
        self.front = Mutex::new(front);
        self
    }

    /// Takes packets of up to so many bytes.
    #[must_use]
    pub fn sdu_max(mut self, bytes: u32) -> Self {
        self.sdu_max = bytes;
        self
    }

    fn keep(&self, account: Account) {
        let mut accounts = self.accounts.lock().expect(HELD_SHORTLY);
        accounts.retain(|known| !known.user.eq_ignore_ascii_case(&account.user));
        accounts.push(account);
    }

    fn find(&self, user: &str) -> Option<Account> {
        let accounts = self.accounts.lock().expect(HELD_SHORTLY);
        accounts.iter().find(|known| known.user.eq_ignore_ascii_case(user)).cloned()
    }

    /// Starts it on a free port of this machine.
    ///
    /// # Panics
    /// Panics where there is none.
    pub fn start(self) -> Server {
        Server::start(self)
    }
}

/// A running server; it ends, with all its sessions, when it is dropped.
pub struct Server {
    address: SocketAddr,
    setup: Arc<Setup>,
    open: Arc<Open>,
    listener: Option<JoinHandle<()>>,
}

/// What has to be closed at the end.
#[derive(Default)]
struct Open {
    is_closing: AtomicBool,
    sessions: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
}

impl Server {
    fn start(setup: Setup) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (setup, open) = (Arc::new(setup), Arc::new(Open::default()));
        let thread = {
            let (setup, open) = (Arc::clone(&setup), Arc::clone(&open));
            std::thread::spawn(move || listen(&listener, &setup, &open))
        };
        Self { address, setup, open, listener: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An Easy Connect string for it.
    pub fn connect_string(&self) -> String {
        format!("127.0.0.1:{}/stations", self.address.port())
    }

    /// What it saw so far.
    pub fn seen(&self) -> Seen {
        self.setup.log.seen()
    }

    /// Treats who connects from now on like this.
    pub fn set_front(&self, front: Front) {
        *self.setup.front.lock().expect(HELD_SHORTLY) = front;
    }

    /// Adds an account, or puts it in the place of the one of that name; open sessions go on.
    pub fn set_account(&self, account: Account) {
        self.setup.keep(account);
    }

    /// From now on no call is answered, not even a farewell.
    pub fn freeze(&self) {
        self.setup.is_frozen.store(true, Ordering::SeqCst);
    }

    /// How many connections are open.
    pub fn open_sessions(&self) -> usize {
        self.open.sessions.load(Ordering::SeqCst)
    }

    /// Cuts all connections; new ones are taken.
    pub fn cut_all(&self) {
        self.open.cut_all();
    }
}

impl Open {
    fn cut_all(&self) {
        for stream in self.streams.lock().expect(HELD_SHORTLY).drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.open.is_closing.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
    }
}

fn listen(listener: &TcpListener, setup: &Arc<Setup>, open: &Arc<Open>) {
    let mut sessions = Vec::new();
    for (at, stream) in listener.incoming().enumerate() {
        if open.is_closing.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else { continue };
        drop(stream.set_nodelay(true));
        open.streams
            .lock()
            .expect(HELD_SHORTLY)
            .push(stream.try_clone().expect("a socket has a second handle"));
        let (setup, open) = (Arc::clone(setup), Arc::clone(open));
        open.sessions.fetch_add(1, Ordering::SeqCst);
        sessions.push(std::thread::spawn(move || {
            let end = stream.try_clone().expect("a socket has a third handle");
            drop(Session::serve(at + 1, stream, setup));
            drop(end.shutdown(Shutdown::Both));
            open.sessions.fetch_sub(1, Ordering::SeqCst);
        }));
    }
    open.cut_all();
    for session in sessions {
        drop(session.join());
    }
}
