//! `MariaDB` as Debian packages it, private to a test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::database::{Client, DATABASE, Database, Engine, Place, unprivileged};
use super::process::{Process, wait_until};

/// The account that may do everything, and has no password.
pub const ADMIN: &str = "root";
const SETTINGS: [&str; 7] = [
    // No test cuts the power under it; what was committed must outlive a kill, though.
    "innodb-flush-log-at-trx-commit=2",
    "innodb-buffer-pool-size=32M",
    "innodb-log-file-size=16M",
    "skip-name-resolve",
    // Without a binary log, `InnoDB` shows rows before they outlive a kill (MySQL's bug 74303).
    "log-bin=binlog",
    "max-connections=50",
    "character-set-server=utf8mb4",
];

/// A running server with one empty database.
pub type Mariadb = Database<MariaDb>;

/// How such a server is started.
pub enum MariaDb {}

impl Engine for MariaDb {
    const SERVER: &'static str = "mariadbd";
    const ADMIN: &'static str = ADMIN;
    const FIRST_DATABASE: &'static str = "mysql";
    const LEAVE: Signal = Signal::KILL;

    /// Debian keeps some of them where PATH does not look.
    fn program(name: &str) -> PathBuf {
        let places = ["/usr/bin", "/usr/sbin"].map(|folder| Path::new(folder).join(name));
        let found = places.into_iter().find(|place| place.exists());
        found.expect("MariaDB is not installed; apt-get install mariadb-server")
    }

    fn initialize(data: &Path) -> Command {
        let mut command = unprivileged(&Self::program("mariadb-install-db"));
        command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        command.arg(format!("--datadir={}", data.display()));
        command.arg(format!("--tmpdir={}", data.parent().expect("a folder").display()));
        command
    }

    fn serve(place: &Place, settings: &[String]) -> Vec<String> {
        let folder = place.folder();
        let own = [
            format!("datadir={}", folder.join("data").display()),
            format!("socket={}", folder.join("socket").display()),
            // At its start a server removes the temporary tables of all others in a folder they share.
            format!("tmpdir={}", folder.display()),
            format!("bind-address={}", place.address.ip()),
            format!("port={}", place.address.port()),
        ];
        let all = SETTINGS.iter().map(ToString::to_string).chain(settings.iter().cloned());
        let all = own.into_iter().chain(all).map(|setting| format!("--{setting}"));
        std::iter::once("--no-defaults".to_owned()).chain(all).collect()
    }

    fn client(place: &Place, database: &str) -> Client {
        let socket = place.folder().join("socket").display().to_string();
        let shape = ["--batch", "--skip-column-names", "--default-character-set=utf8mb4"];
        let whom = ["-u", ADMIN, "-D", database, "-S", &socket];
        let arguments = std::iter::once("--no-defaults").chain(shape).chain(whom);
        Client {
            program: Self::program("mariadb"),
            arguments: arguments.map(str::to_owned).collect(),
            prelude: "SET time_zone = '+00:00', sql_mode = '';",
        }
    }

    fn url(account: &str, address: SocketAddr) -> String {
        format!("mysql://{account}@{address}/{DATABASE}?ssl-mode=DISABLED")
    }
}

impl Mariadb {
    /// A client that runs `sql` and stays as long as that takes.
    pub fn spawn(&self, sql: &str) -> Process {
        let Client { program, arguments, .. } = self.client();
        let mut command = super::process::command(&program);
        command.args(arguments).arg("-e").arg(sql);
        Process::spawn("mariadb", &mut command, &self.folder().join("client.log"))
    }
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
