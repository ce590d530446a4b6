//! `PostgreSQL` as Debian packages it, private to a test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use super::database::{Client, DATABASE, Database, Engine, Place, STARTS_WITHIN, unprivileged};
use super::process::wait_until;

const SETTINGS: [&str; 5] = [
    // No test cuts the power under it; what was committed must outlive a kill, though.
    "fsync=off",
    "shared_buffers=32MB",
    "max_connections=50",
    "unix_socket_directories=",
    // Else what it shares among its processes stays in memory when it is killed, also behind the test.
    "dynamic_shared_memory_type=mmap",
];

/// A running server with one empty database.
pub type Postgres = Database<PostgreSql>;

/// How such a server is started.
pub enum PostgreSql {}

impl Engine for PostgreSql {
    const SERVER: &'static str = "postgres";
    const ADMIN: &'static str = "postgres";
    const FIRST_DATABASE: &'static str = "postgres";
    /// Killed, it would leave a segment of shared memory behind.
    const LEAVE: Signal = Signal::QUIT;

    fn program(name: &str) -> PathBuf {
        program(name)
    }

    fn initialize(data: &Path) -> Command {
        let mut command = unprivileged(&program("initdb"));
        command.arg("-D").arg(data).args(["-U", Self::ADMIN, "-A", "trust", "-E", "UTF8", "--no-sync"]);
        command.arg("--locale=C.UTF-8");
        command
    }

    fn serve(place: &Place, settings: &[String]) -> Vec<String> {
        let data = place.folder().join("data").display().to_string();
        let mut arguments = vec!["-D".to_owned(), data, "-p".to_owned(), place.address.port().to_string()];
        let listens = format!("listen_addresses={}", place.address.ip());
        let all = SETTINGS.iter().map(ToString::to_string).chain(settings.iter().cloned()).chain([listens]);
        arguments.extend(all.flat_map(|setting| ["-c".to_owned(), setting]));
        arguments
    }

    fn client(place: &Place, database: &str) -> Client {
        let (host, port) = (place.address.ip().to_string(), place.address.port().to_string());
        let arguments = ["-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-w", "-U", Self::ADMIN];
        let arguments = arguments.into_iter().chain(["-d", database, "-h", &host, "-p", &port]);
        Client {
            program: program("psql"),
            arguments: arguments.map(str::to_owned).collect(),
            prelude: "SET timezone = 'UTC';",
        }
    }

    fn url(account: &str, address: SocketAddr) -> String {
        format!("postgresql://{account}@{address}/{DATABASE}?sslmode=disable")
    }
}

impl Postgres {
    /// From now on asks `role` for a password, and nobody else.
    pub fn only_with_password(&self, role: &str) {
        self.set_access(&format!("host all {role} all scram-sha-256\nhost all all all trust\n"));
    }

    /// Speaks TLS from now on, with `server.crt` and `server.key` of `folder`, and knows `ca.crt` there.
    pub fn encrypt(&self, folder: &Path) {
        for (name, file) in
            [("ssl_ca_file", "ca.crt"), ("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")]
        {
            let taken = self.take_file(folder.join(file));
            self.run(&format!("ALTER SYSTEM SET {name} = '{}'", taken.display()));
        }
        self.run("ALTER SYSTEM SET ssl = on");
        self.load_settings();
    }

    /// Writes who may connect, and how.
    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    pub fn set_access(&self, lines: &str) {
        std::fs::write(self.folder().join("data/pg_hba.conf"), lines).expect("the server's folder");
        self.load_settings();
    }

    fn load_settings(&self) {
        let loaded = || self.run("SELECT pg_conf_load_time()");
        let before = loaded();
        self.run("SELECT pg_reload_conf()");
        wait_until("the server to read its settings", STARTS_WITHIN, || (loaded() != before).then_some(()));
    }
}

/// Debian keeps the server's programs outside of PATH, in a folder for each version.
pub fn program(name: &str) -> PathBuf {
    let folders = glob::glob("/usr/lib/postgresql/*/bin").expect("a pattern");
    let newest = folders.filter_map(Result::ok).filter(|folder| folder.join("postgres").exists()).max();
    newest.expect("PostgreSQL is not installed; apt-get install postgresql").join(name)
}
