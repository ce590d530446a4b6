//! `PostgreSQL` as Debian packages it: a private server on a loopback port of its own.
//!
//! The server refuses to run as root; then it runs as `nobody`.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::process::{Process, free_address, wait_until};

/// Servers start in a second; the rest is for a machine that is busy with a build.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// The role that may do everything.
const ADMIN: &str = "postgres";
const DATABASE: &str = "stations";
const SETTINGS: [&str; 4] = [
    // No test cuts the power under it; what was committed must outlive a kill, though.
    "fsync=off",
    "shared_buffers=32MB",
    "max_connections=50",
    "unix_socket_directories=",
];

/// A running server with one empty database.
pub struct Postgres {
    address: SocketAddr,
    settings: Vec<String>,
    process: Option<Process>,
    /// Dropped after the process.
    folder: TempDir,
}

impl Postgres {
    /// Starts a server.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more settings, each as `name=value`.
    pub fn start_with(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let copied = Command::new("cp").arg("-a").arg(template()).arg(folder.path().join("data")).status();
        assert!(copied.is_ok_and(|status| status.success()), "the template can be copied");
        give_away(folder.path());
        let settings = settings.iter().map(ToString::to_string).collect();
        let mut server = Self { address: free_address(), settings, process: None, folder };
        server.start_again();
        server.run_in("postgres", &format!("CREATE DATABASE {DATABASE}"));
        server
    }

    /// Starts the server again where it was, after [`Postgres::stop`].
    pub fn start_again(&mut self) {
        let log = self.folder.path().join("server.log");
        // What was killed leaves processes behind for a moment, and the server does not start beside them.
        wait_until("the server to start", STARTS_WITHIN, || {
            let mut process = Process::spawn("postgres", &mut self.command(), &log);
            let answers = wait_until("the server to answer or end", STARTS_WITHIN, || {
                if process.try_wait().is_some() {
                    return Some(false);
                }
                let answers = TcpStream::connect(self.address).is_ok()
                    && self.psql(ADMIN, "postgres", "SELECT 1").is_ok();
                answers.then_some(true)
            });
            self.process = answers.then_some(process);
            self.process.is_some().then_some(())
        });
    }

    /// Kills the server with all that it was doing. Its data stays.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Each of its sessions leads a process group of its own, and would end what it is at.
            let sessions = children(process.pid());
            process.kill();
            for session in sessions {
                // One that saw its parent die may be gone.
                let _ = rustix::process::kill_process(session, Signal::KILL);
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = unprivileged(&program("postgres"));
        command.arg("-D").arg(self.folder.path().join("data")).arg("-p").arg(self.address.port().to_string());
        let settings = SETTINGS.iter().map(ToString::to_string).chain(self.settings.clone());
        let listens = format!("listen_addresses={}", self.address.ip());
        settings.chain([listens]).for_each(|setting| {
            command.arg("-c").arg(setting);
        });
        command
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Folder of the server: its data is in `data`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What to give as `url`, for the role that may do everything.
    pub fn url(&self) -> String {
        url_of(ADMIN, self.address)
    }

    /// From now on asks `role` for a password, and nobody else.
    pub fn only_with_password(&self, role: &str) {
        self.set_access(&format!("host all {role} all scram-sha-256\nhost all all all trust\n"));
    }

    /// Speaks TLS from now on, with `server.crt` and `server.key` of `folder`, and knows `ca.crt` there.
    pub fn encrypt(&self, folder: &Path) {
        let own = self.folder.path().join("certificates");
        let _ = std::fs::create_dir(&own);
        for name in ["ca.crt", "server.crt", "server.key"] {
            std::fs::copy(folder.join(name), own.join(name)).expect("a certificate");
        }
        give_away(&own);
        let secret = Command::new("chmod").arg("0600").arg(own.join("server.key")).status();
        assert!(secret.is_ok_and(|status| status.success()), "a key of ours");
        let own = own.display();
        for (name, file) in
            [("ssl_ca_file", "ca.crt"), ("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")]
        {
            self.run(&format!("ALTER SYSTEM SET {name} = '{own}/{file}'"));
        }
        self.run("ALTER SYSTEM SET ssl = on");
        let serial = || self.run("SELECT pg_conf_load_time()");
        let before = serial();
        self.run("SELECT pg_reload_conf()");
        wait_until("the server to read its certificates", STARTS_WITHIN, || {
            (serial() != before).then_some(())
        });
    }

    /// Writes who may connect, and how.
    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    pub fn set_access(&self, lines: &str) {
        std::fs::write(self.folder.path().join("data/pg_hba.conf"), lines).expect("the server's folder");
        let loaded = || self.run("SELECT pg_conf_load_time()");
        let before = loaded();
        self.run("SELECT pg_reload_conf()");
        wait_until("the server to read pg_hba.conf", STARTS_WITHIN, || (loaded() != before).then_some(()));
    }

    /// Runs statements, which must succeed; gives the rows, with a tab between values.
    pub fn run(&self, sql: &str) -> Vec<String> {
        self.run_in(DATABASE, sql)
    }

    fn run_in(&self, database: &str, sql: &str) -> Vec<String> {
        let printed = self.psql(ADMIN, database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        printed.lines().map(str::to_owned).collect()
    }

    /// Runs statements, and gives what was printed, or what was wrong.
    pub fn try_run(&self, sql: &str) -> Result<String, String> {
        self.psql(ADMIN, DATABASE, sql)
    }

    fn psql(&self, role: &str, database: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new(program("psql"));
        command
            .args(["-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-w", "-U", role, "-d", database])
            .args(["-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string()])
            .env("PGTZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("psql starts");
        let mut input = child.stdin.take().expect("it has an input");
        let text = sql.to_owned();
        let writer = std::thread::spawn(move || {
            // It may end before it has read all.
            let _ = std::io::Write::write_all(&mut input, text.as_bytes());
        });
        let output = child.wait_with_output().expect("psql ends");
        writer.join().expect("the writer ends");
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// What to give as `url` for `role`, by way of `address`.
pub fn url_of(role: &str, address: SocketAddr) -> String {
    format!("postgresql://{role}@{address}/{DATABASE}?sslmode=disable")
}

/// A folder as `initdb` makes it: made once for all tests, and again for another version.
fn template() -> PathBuf {
    let version =
        Command::new(program("postgres")).arg("--version").output().expect("postgres tells its version");
    let version: String = String::from_utf8_lossy(&version.stdout)
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
        .collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(version);
    if !folder.exists() {
        make_template(&folder);
    }
    folder.join("data")
}

fn make_template(folder: &Path) {
    let made = tempfile::tempdir().expect("a temporary folder");
    give_away(made.path());
    let output = unprivileged(&program("initdb"))
        .arg("-D")
        .arg(made.path().join("data"))
        .args(["-U", ADMIN, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        .current_dir("/")
        .output()
        .expect("initdb starts");
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    let unique = made.path().file_name().expect("a folder").to_owned();
    let beside = folder.with_file_name(unique);
    let copied = Command::new("cp").arg("-a").arg(made.path()).arg(&beside).status();
    assert!(copied.is_ok_and(|status| status.success()), "the template can be copied");
    // Of two tests that made it at once, the first stays.
    #[expect(clippy::disallowed_methods, reason = "a cache of the tests")]
    let is_second = std::fs::rename(&beside, folder).is_err();
    if is_second {
        let _ = std::fs::remove_dir_all(&beside);
    }
}

/// Debian keeps the server's programs outside of PATH, in a folder for each version.
pub fn program(name: &str) -> PathBuf {
    let folders = glob::glob("/usr/lib/postgresql/*/bin").expect("a pattern");
    let newest = folders.filter_map(Result::ok).filter(|folder| folder.join("postgres").exists()).max();
    newest.expect("PostgreSQL is not installed; apt-get install postgresql").join(name)
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

fn give_away(folder: &Path) {
    if is_root() {
        let given = Command::new("chown").arg("-R").arg("nobody:nogroup").arg(folder).status();
        assert!(given.is_ok_and(|status| status.success()), "root may give a folder away");
    }
}

/// As [`super::process::command`], of a program that refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    if is_root() {
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
    }
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).process_group(0).stdin(Stdio::null());
    command
}
