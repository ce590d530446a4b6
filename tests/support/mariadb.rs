//! `MariaDB` as Debian packages it: a private server on a loopback port of its own.
//!
//! The server refuses to run as root; then it runs as `nobody`.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, free_address, wait_until};

/// Servers start in a second; the rest is for a machine that is busy with a build.
const STARTS_WITHIN: Duration = Duration::from_mins(2);
/// The account that may do everything, and has no password.
pub const ADMIN: &str = "root";
pub const DATABASE: &str = "stations";
const SETTINGS: [&str; 7] = [
    // No test cuts the power under it; what was committed must outlive a kill, though.
    "innodb-flush-log-at-trx-commit=2",
    "innodb-buffer-pool-size=32M",
    "innodb-log-file-size=16M",
    "skip-name-resolve",
    "skip-log-bin",
    "max-connections=50",
    "character-set-server=utf8mb4",
];

/// A running server with one empty database.
pub struct Mariadb {
    address: SocketAddr,
    settings: Vec<String>,
    process: Option<Process>,
    /// Dropped after the process.
    folder: TempDir,
}

impl Mariadb {
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
        server.run_in("mysql", &format!("CREATE DATABASE {DATABASE}"));
        server
    }

    /// Starts the server again where it was, after [`Mariadb::stop`].
    pub fn start_again(&mut self) {
        let log = self.folder.path().join("server.log");
        let mut process = Process::spawn("mariadbd", &mut self.command(), &log);
        process.wait_ready(STARTS_WITHIN, || self.client("mysql", "SELECT 1").is_ok());
        self.process = Some(process);
    }

    /// Kills the server with all that it was doing. Its data stays.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Sets `name=value` for the next start.
    pub fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// Copies a file to where the server may read it, and gives its new path.
    pub fn take_file(&self, path: &str) -> String {
        let copy = self.folder.path().join(Path::new(path).file_name().expect("a file"));
        std::fs::copy(path, &copy).expect("a file can be copied");
        give_away(&copy);
        copy.display().to_string()
    }

    fn command(&self) -> Command {
        let mut command = unprivileged(&program("mariadbd"));
        let folder = self.folder.path();
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(format!("--socket={}", folder.join("socket").display()))
            // At its start a server removes the temporary tables of all others in a folder they share.
            .arg(format!("--tmpdir={}", folder.display()))
            .arg(format!("--bind-address={}", self.address.ip()))
            .arg(format!("--port={}", self.address.port()))
            .args(SETTINGS.iter().map(|setting| format!("--{setting}")))
            .args(self.settings.iter().map(|setting| format!("--{setting}")));
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

    /// What to give as `url`, for the account that may do everything.
    pub fn url(&self) -> String {
        self.url_of(ADMIN)
    }

    /// What to give as `url` for `account`.
    pub fn url_of(&self, account: &str) -> String {
        let address = self.address;
        format!("mysql://{account}@{address}/{DATABASE}?ssl-mode=DISABLED")
    }

    /// Runs statements, which must succeed; gives the rows, with a tab between values.
    pub fn run(&self, sql: &str) -> Vec<String> {
        self.run_in(DATABASE, sql)
    }

    fn run_in(&self, database: &str, sql: &str) -> Vec<String> {
        let printed = self.client(database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        printed.lines().map(str::to_owned).collect()
    }

    /// A client that runs `sql` and stays as long as that takes.
    pub fn spawn(&self, sql: &str) -> Process {
        let mut command = super::process::command(&program("mariadb"));
        command.args(["--no-defaults", "-u", ADMIN, "-D", DATABASE, "-S"]);
        command.arg(self.folder.path().join("socket")).arg("-e").arg(sql);
        Process::spawn("mariadb", &mut command, &self.folder.path().join("client.log"))
    }

    fn client(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new(program("mariadb"));
        command
            .args(["--no-defaults", "--batch", "--skip-column-names", "--default-character-set=utf8mb4"])
            .args(["-u", ADMIN, "-D", database, "-S"])
            .arg(self.folder.path().join("socket"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the client starts");
        let mut input = child.stdin.take().expect("it has an input");
        let text = format!("SET time_zone = '+00:00', sql_mode = '';\n{sql}");
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

/// A folder as `mariadb-install-db` makes it: made once for all tests, and again for another version.
fn template() -> PathBuf {
    let version = Command::new(program("mariadbd")).arg("--version").output().expect("its version");
    let version = String::from_utf8_lossy(&version.stdout);
    let version = version.split_whitespace().find(|word| word.contains("MariaDB")).expect("a version");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mariadb-{version}"));
    if !folder.exists() {
        make_template(&folder);
    }
    folder.join("data")
}

fn make_template(folder: &Path) {
    let made = tempfile::tempdir().expect("a temporary folder");
    give_away(made.path());
    let output = unprivileged(&program("mariadb-install-db"))
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(format!("--datadir={}", made.path().join("data").display()))
        .arg(format!("--tmpdir={}", made.path().display()))
        .current_dir("/")
        .output()
        .expect("mariadb-install-db starts");
    assert!(output.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&output.stderr));
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

/// Debian keeps some of them where PATH does not look.
fn program(name: &str) -> PathBuf {
    let places = ["/usr/bin", "/usr/sbin"].map(|folder| Path::new(folder).join(name));
    let found = places.into_iter().find(|place| place.exists());
    found.expect("MariaDB is not installed; apt-get install mariadb-server")
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

/// Waits until the server runs so many statements that contain `text`.
pub fn wait_for_statements(server: &Mariadb, text: &str, count: usize) {
    wait_until("a statement to run", Duration::from_mins(1), || {
        let running = server.run(&format!(
            "SELECT id FROM information_schema.PROCESSLIST WHERE INFO LIKE '%{text}%' AND INFO NOT LIKE '%PROCESSLIST%'"
        ));
        (running.len() >= count).then_some(())
    });
}
