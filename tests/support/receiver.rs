//! The receiver that `docs/http-endpoint.md` shows, run as it stands there.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::authority::Authority;
use super::process::{self, Process, free_address};
use super::sent::batches_in;

const PAGE: &str = include_str!("../../docs/http-endpoint.md");
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// Instead of the last line, where it speaks TLS and wants to know its clients.
const SERVE_TLS: &str = "
import ssl
server = ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3] + '/server.crt', sys.argv[3] + '/server.key')
context.load_verify_locations(sys.argv[3] + '/ca.crt')
context.verify_mode = ssl.CERT_REQUIRED
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";

/// A running receiver.
pub struct Receiver {
    address: SocketAddr,
    more: Option<String>,
    process: Option<Process>,
    /// Dropped after the process.
    folder: TempDir,
}

impl Receiver {
    /// Starts one.
    pub fn start() -> Self {
        Self::start_at(free_address(), &program(), None)
    }

    /// Starts one that speaks TLS with a certificate of `authority`, and takes only clients that have one too.
    pub fn start_encrypted(authority: &Authority) -> Self {
        let address = free_address();
        authority.sign("server", "localhost", &format!("IP:{}", address.ip()));
        let program = program();
        let (listens, _) = program
            .rsplit_once(
                "
ThreadingHTTPServer",
            )
            .expect("its last line");
        Self::start_at(
            address,
            &format!("{listens}{SERVE_TLS}"),
            Some(authority.folder().display().to_string()),
        )
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    fn start_at(address: SocketAddr, program: &str, more: Option<String>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Each fixture has an address of its own.
        let program = program.replace("127.0.0.1", &address.ip().to_string());
        std::fs::write(folder.path().join("receiver.py"), program).expect("a file in it");
        let mut receiver = Self { address, more, process: None, folder };
        receiver.start_again();
        receiver
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        let mut command = process::command(Path::new("/usr/bin/env"));
        command.arg("python3").arg(self.folder.path().join("receiver.py"));
        command.arg(self.address.port().to_string()).arg(self.database()).args(&self.more);
        let mut process = Process::spawn("receiver", &mut command, &self.folder.path().join("log"));
        let address = self.address;
        process.wait_ready(STARTS_WITHIN, || TcpStream::connect(address).is_ok());
        self.process = Some(process);
    }

    /// Kills it.
    pub fn stop(&mut self) {
        drop(self.process.take());
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to give as the sink's `url`.
    pub fn url(&self) -> String {
        format!("http://{}/rows", self.address)
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("rows.db")
    }

    /// The batches it stored: key to rows, as objects are.
    pub fn batches(&self) -> BTreeMap<String, Vec<u8>> {
        batches_in(&self.database())
    }

    /// Puts a row of the table `batches` away, as a receiver does that lost a part of its past.
    pub fn run(&self, sql: &str) {
        let database = rusqlite::Connection::open(self.database()).expect("its database");
        database.execute_batch(sql).expect("a statement");
    }
}

fn program() -> String {
    let (_, rest) = PAGE.split_once("```python\n").expect("a program in the page");
    rest.split_once("```").expect("its end").0.to_owned()
}
