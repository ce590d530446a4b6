//! A database server as Debian packages it, private to a test: on a loopback port of its own, killed and
//! started again where it was. What is special about one kind of server is its [`Engine`].
//!
//! Such servers refuse to run as root; then they run as `nobody`.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::process::{Process, free_address, wait_until};

/// Servers start in a second; the rest is for a machine that is busy with a build.
pub const STARTS_WITHIN: Duration = Duration::from_mins(2);
/// A server that is no longer wanted ends in a moment.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);
/// The database that a new server has.
pub const DATABASE: &str = "stations";

/// What one kind of server is called, and how it and its client are started.
pub trait Engine {
    /// The program that serves.
    const SERVER: &'static str;
    /// The account that may do everything, and has no password.
    const ADMIN: &'static str;
    /// A database that is there before any was made.
    const FIRST_DATABASE: &'static str;
    /// Ends it at once, and lets it give back what it has of the machine.
    const LEAVE: Signal;

    /// Where a program of it is; panics with what to install if it is nowhere.
    fn program(name: &str) -> PathBuf;

    /// Makes the data of a new server in the folder `data`, which is not there yet.
    fn initialize(data: &Path) -> Command;

    /// The arguments with which the server at `place` starts, with more settings, each as `name=value`.
    fn serve(place: &Place, settings: &[String]) -> Vec<String>;

    /// The client that speaks to the server at `place`.
    fn client(place: &Place, database: &str) -> Client;

    /// What to give as `url` for `account`, by way of `address`.
    fn url(account: &str, address: SocketAddr) -> String;
}

/// Where a server is.
pub struct Place {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its own folder: its data is in `data`. Dropped after the process.
    folder: TempDir,
}

impl Place {
    /// The server's own folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A running server with one empty database.
pub struct Database<E> {
    settings: Vec<String>,
    /// Variables of its environment.
    environment: Vec<(String, String)>,
    process: Option<Process>,
    leave: Signal,
    place: Place,
    engine: PhantomData<E>,
}

impl<E: Engine> Database<E> {
    /// Starts a server.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more settings, each as `name=value`.
    pub fn start_with(settings: &[&str]) -> Self {
        Self::start_in(settings, &[])
    }

    /// Starts a server with variables in its environment.
    pub fn start_in(settings: &[&str], environment: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy(&template::<E>(), &folder.path().join("data"));
        give_away(folder.path());
        let mut server = Self {
            settings: settings.iter().map(ToString::to_string).collect(),
            environment: environment.to_vec(),
            process: None,
            leave: E::LEAVE,
            place: Place { address: free_address(), folder },
            engine: PhantomData,
        };
        server.start_again();
        let made = E::client(&server.place, E::FIRST_DATABASE).run(&format!("CREATE DATABASE {DATABASE}"));
        made.expect("a new server makes a database");
        server
    }

    /// Starts the server again where it was, after [`Database::stop`].
    pub fn start_again(&mut self) {
        let log = self.log();
        let begun = Instant::now();
        // What was killed may leave processes behind for a moment, beside which a server does not start.
        loop {
            let mut process = Process::spawn(E::SERVER, &mut self.command(), &log);
            let client = E::client(&self.place, E::FIRST_DATABASE);
            let answers = wait_until("the server to answer or end", STARTS_WITHIN, || {
                if process.try_wait().is_some() {
                    return Some(false);
                }
                client.run("SELECT 1").is_ok().then_some(true)
            });
            if answers {
                self.process = Some(process);
                return;
            }
            assert!(begun.elapsed() < STARTS_WITHIN, "{} does not start: {}", E::SERVER, process.log());
        }
    }

    /// Kills the server with all that it was doing. Its data stays.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A session may lead a process group of its own, and would end what it is at.
            let sessions = children(process.pid());
            process.kill();
            for session in sessions {
                // One that saw its parent die may be gone.
                let _ = rustix::process::kill_process(session, Signal::KILL);
            }
        }
    }

    /// Sets `name=value` for the next start.
    pub fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// Folder of the server: its data is in `data`.
    pub fn folder(&self) -> &Path {
        self.place.folder()
    }

    /// What the server says of itself.
    pub fn log(&self) -> PathBuf {
        self.folder().join("server.log")
    }

    /// What to give as `url`, for the account that may do everything.
    pub fn url(&self) -> String {
        self.url_of(E::ADMIN)
    }

    /// What to give as `url` for `account`.
    pub fn url_of(&self, account: &str) -> String {
        E::url(account, self.address())
    }

    /// Its client, which any thread may use while others start and stop the server.
    pub fn client(&self) -> Client {
        E::client(&self.place, DATABASE)
    }

    /// Runs statements, which must succeed; gives the rows, with a tab between values.
    pub fn run(&self, sql: &str) -> Vec<String> {
        let printed = self.client().run(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        printed.lines().map(str::to_owned).collect()
    }

    /// Copies a file to where the server may read it, and nobody else; gives its new path.
    pub fn take_file(&self, path: impl AsRef<Path>) -> PathBuf {
        let copied = self.folder().join(path.as_ref().file_name().expect("a file"));
        std::fs::copy(path, &copied).expect("a file can be copied");
        give_away(&copied);
        let secret = Command::new("chmod").arg("0600").arg(&copied).status();
        assert!(secret.is_ok_and(|status| status.success()), "a file of ours");
        copied
    }

    fn command(&self) -> Command {
        let mut command = unprivileged(Path::new("/usr/bin/env"));
        // Set here, and not for the program that gives up root, as which it would be something else.
        command.args(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg(E::program(E::SERVER)).args(E::serve(&self.place, &self.settings));
        command
    }
}

impl<E> Drop for Database<E> {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.signal(self.leave);
            // It is killed anyway.
            let _ = process.ended_within(LEAVES_WITHIN);
        }
    }
}

/// A command line of a server's own client.
#[derive(Clone)]
pub struct Client {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; statements come by its input.
    pub arguments: Vec<String>,
    /// What is said first in each session.
    pub prelude: &'static str,
}

impl Client {
    /// Runs statements, and gives what was printed, or what was wrong.
    pub fn run(&self, sql: &str) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the client starts");
        let mut input = child.stdin.take().expect("it has an input");
        let text = format!("{}\n{sql}", self.prelude);
        let writer = std::thread::spawn(move || {
            // It may end before it has read all.
            let _ = std::io::Write::write_all(&mut input, text.as_bytes());
        });
        let output = child.wait_with_output().expect("the client ends");
        writer.join().expect("the writer ends");
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The data of a new server: made once for all tests, and again for another version.
fn template<E: Engine>() -> PathBuf {
    let told = Command::new(E::program(E::SERVER)).arg("--version").output().expect("it tells its version");
    let told = String::from_utf8_lossy(&told.stdout);
    let version: String = told
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .expect("a version")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
        .collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{version}", E::SERVER));
    if !folder.exists() {
        make_template::<E>(&folder);
    }
    folder.join("data")
}

fn make_template<E: Engine>(folder: &Path) {
    let made = tempfile::tempdir().expect("a temporary folder");
    give_away(made.path());
    let output = E::initialize(&made.path().join("data")).current_dir("/").output().expect("it starts");
    assert!(output.status.success(), "{}: {}", E::SERVER, String::from_utf8_lossy(&output.stderr));
    let beside = folder.with_file_name(made.path().file_name().expect("a folder"));
    copy(made.path(), &beside);
    // Of two tests that made it at once, the first stays.
    #[expect(clippy::disallowed_methods, reason = "a cache of the tests")]
    let is_second = std::fs::rename(&beside, folder).is_err();
    if is_second {
        let _ = std::fs::remove_dir_all(&beside);
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "a folder can be copied");
}

/// The processes that `pid` has started.
fn children(pid: u32) -> Vec<Pid> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let pids = listed.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    pids.collect()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn give_away(path: &Path) {
    if is_root() {
        let given = Command::new("chown").arg("-R").arg("nobody:nogroup").arg(path).status();
        assert!(given.is_ok_and(|status| status.success()), "root may give a file away");
    }
}

/// As [`super::process::command`], of a program that refuses to run as root.
pub fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    if is_root() {
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
    }
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).process_group(0).stdin(Stdio::null());
    command
}
