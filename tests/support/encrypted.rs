//! TLS before a server that speaks none: what comes by a certificate goes on in plain.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::authority::Authority;
use super::process::{self, Process, free_address};

const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// Python's own TLS, so that the two ends do not share a mistake.
const PROGRAM: &str = "\
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + '/server.crt', sys.argv[1] + '/server.key')
host, port = sys.argv[2].rsplit(':', 1)
upstream_host, upstream_port = sys.argv[3].rsplit(':', 1)


def pass_on(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(plain):
    try:
        client = context.wrap_socket(plain, server_side=True)
        server = socket.create_connection((upstream_host, int(upstream_port)))
    except OSError:
        return plain.close()
    threading.Thread(target=pass_on, args=(server, client), daemon=True).start()
    pass_on(client, server)


listener = socket.create_server((host, int(port)))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
";

/// A running end of TLS.
pub struct Encrypted {
    address: SocketAddr,
    process: Process,
    /// Dropped after the process.
    #[expect(dead_code, reason = "kept for its drop")]
    folder: TempDir,
}

impl Encrypted {
    /// Starts one before the server at `upstream`, with a certificate of `authority` for its own address.
    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    pub fn before(upstream: SocketAddr, authority: &Authority) -> Self {
        let address = free_address();
        authority.sign("server", "localhost", &format!("IP:{}", address.ip()));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("encrypted.py");
        std::fs::write(&program, PROGRAM).expect("a file in it");
        let mut command = process::command(Path::new("/usr/bin/env"));
        command.arg("python3").arg(program).arg(authority.folder());
        command.args([address.to_string(), upstream.to_string()]);
        let mut process = Process::spawn("encrypted", &mut command, &folder.path().join("log"));
        process.wait_ready(STARTS_WITHIN, || TcpStream::connect(address).is_ok());
        Self { address, process, folder }
    }

    /// The URL to give as `endpoint`.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        self.process.kill();
    }
}
