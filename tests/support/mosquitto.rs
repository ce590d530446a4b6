//! Eclipse Mosquitto: a broker that other people wrote.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{self, Process, free_address};

const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// It looks several times a second whether there is something to write.
const SETTLES_WITHIN: Duration = Duration::from_millis(1_500);
const PROGRAM: &str = "/usr/sbin/mosquitto";
/// Sessions and retained messages are on the disk soon after each change.
const KEEPING: &str = "persistence true\nautosave_on_changes true\nautosave_interval 1\n";

/// A running broker.
pub struct Mosquitto {
    address: SocketAddr,
    process: Option<Process>,
    /// So many have listened.
    listeners: AtomicUsize,
    /// Dropped after the process.
    folder: TempDir,
}

impl Mosquitto {
    /// Starts one that lets everybody in.
    pub fn start() -> Self {
        Self::start_with("allow_anonymous true\n")
    }

    /// Starts one with these lines of configuration.
    pub fn start_with(lines: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listeners = AtomicUsize::new(0);
        let mut broker = Self { address: free_address(), process: None, listeners, folder };
        broker.configure(lines);
        broker.start_again();
        broker
    }

    /// Sets other lines, for the next start.
    pub fn configure(&self, lines: &str) {
        let (folder, address) = (self.folder.path().display(), self.address);
        let user = if rustix::process::geteuid().is_root() { "user root\n" } else { "" };
        self.write(
            "mosquitto.conf",
            &format!(
                "listener {} {}\n{user}{KEEPING}persistence_location {folder}/\nlog_dest stderr\nlog_type all\n\
                 max_queued_messages 0\n{lines}",
                address.port(),
                address.ip()
            ),
        );
    }

    /// Writes a file that its configuration names.
    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file in a temporary folder");
        path
    }

    /// Makes a file of passwords.
    pub fn password_file(user: &str, password: &str, folder: &Path) -> PathBuf {
        let path = folder.join("passwords");
        let mut command = Command::new("mosquitto_passwd");
        command.args(["-b", "-c"]).arg(&path).args([user, password]);
        let made = command.output().expect("mosquitto_passwd runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        path
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        let mut command = process::command(Path::new(PROGRAM));
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        let mut process = Process::spawn("mosquitto", &mut command, &self.folder.path().join("log"));
        let address = self.address;
        process.wait_ready(STARTS_WITHIN, || TcpStream::connect(address).is_ok());
        self.process = Some(process);
    }

    /// Waits until its sessions are on the disk: nothing has been written there for a while.
    pub fn wait_settled(&self) {
        let database = self.folder.path().join("mosquitto.db");
        let look = || database.metadata().ok().map(|known| (known.len(), known.modified().ok()));
        let (mut seen, mut since) = (look(), Instant::now());
        process::wait_until("a broker at rest", STARTS_WITHIN, || {
            let now = look();
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            (since.elapsed() >= SETTLES_WITHIN).then_some(())
        });
    }

    /// Kills it.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// Lets it stand still, or go on.
    pub fn signal(&mut self, signal: Signal) {
        self.process.as_mut().expect("it runs").signal(signal);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        self.process.as_ref().expect("it runs").log()
    }

    /// What to give as the sink's `url`.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Its own client, subscribing to `topic`.
    pub fn listen(&self, topic: &str, more: &[&str]) -> Listener {
        let mut command = process::command(Path::new("/usr/bin/mosquitto_sub"));
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        command.args(["-h", &host, "-p", &port, "-t", topic, "-q", "1"]).args(more);
        let number = self.listeners.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (format!("heard-{number}"), format!("heard-errors-{number}"));
        let (out, err) = (self.folder.path().join(out), self.folder.path().join(err));
        let process = Process::spawn_split("mosquitto_sub", &mut command, &out, &err);
        Listener { out, _process: process }
    }
}

/// Who hears what is published.
pub struct Listener {
    out: PathBuf,
    _process: Process,
}

impl Listener {
    /// The lines heard so far; one that is being written is none yet.
    pub fn heard(&self) -> Vec<String> {
        let text = std::fs::read(&self.out).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        String::from_utf8_lossy(&text[..whole]).lines().map(str::to_owned).collect()
    }
}
