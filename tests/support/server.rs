//! What all S3 servers have in common: an address, keys, a bucket, a folder, and a process that stops
//! with the test.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::Process;
use super::s3_client::S3Client;

/// The region all servers are told to be in.
pub const REGION: &str = "us-east-1";
/// The bucket each server starts with.
pub const BUCKET: &str = "stations";
/// Servers start in well under a second; the rest is for a machine that is busy with a build.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// Name and version of each server, one a line; `tests/support/install` reads the same file.
const VERSIONS: &str = include_str!("versions");

/// A running S3 server with one empty bucket. Each test starts its own.
pub struct S3Server {
    name: String,
    command: Box<dyn Fn() -> Command + Send>,
    client: S3Client,
    process: Option<Process>,
    /// Dropped after the process.
    folder: TempDir,
}

impl S3Server {
    /// Starts a server whose data lives in `folder` and waits until it takes connections.
    ///
    /// `command` makes the command line that starts it, also when it is started again.
    pub fn start(
        name: &str,
        client: S3Client,
        folder: TempDir,
        command: impl Fn() -> Command + Send + 'static,
    ) -> Self {
        let mut server =
            Self { name: name.to_owned(), command: Box::new(command), client, process: None, folder };
        server.start_again();
        server
    }

    /// Starts the server again where it was, after [`S3Server::stop`].
    pub fn start_again(&mut self) {
        let mut process =
            Process::spawn(&self.name, &mut (self.command)(), &self.folder().join("server.log"));
        let address = self.address();
        process.wait_ready(STARTS_WITHIN, || TcpStream::connect(address).is_ok());
        self.process = Some(process);
    }

    /// Kills the server. Its address then refuses connections, and its data stays.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.client.address
    }

    /// The URL to give as `endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The access key id it knows.
    pub fn access_key(&self) -> &str {
        &self.client.access_key
    }

    /// The secret access key it knows.
    pub fn secret_key(&self) -> &str {
        &self.client.secret_key
    }

    /// The bucket it was started with.
    pub fn bucket(&self) -> &str {
        &self.client.bucket
    }

    /// A client for that bucket.
    pub fn client(&self) -> &S3Client {
        &self.client
    }

    /// The folder of its data and its log, `server.log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Where `tests/support/install` put the server `name`; panics with what to do if it is not there.
pub fn installed(name: &str, program: &str) -> PathBuf {
    let version = VERSIONS
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .expect("tests/support/versions names every server");
    let folder = cache_folder().join(format!("{name}-{version}"));
    assert!(
        folder.join(".installed").exists(),
        "{name} {version} is not installed; run 'make test-servers' once"
    );
    folder.join("bin").join(program)
}

fn cache_folder() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("LIVECOSMOS_TEST_SERVERS")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("livecosmos-test-servers")))
        .or_else(|| Some(folder("HOME")?.join(".cache/livecosmos-test-servers")))
        .expect("HOME is set")
}
