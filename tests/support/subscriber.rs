//! The receiver that `docs/mqtt.md` shows, run as it stands there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::process::{self, Process, wait_until};

const PAGE: &str = include_str!("../../docs/mqtt.md");
const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// A running receiver.
pub struct Subscriber {
    broker: SocketAddr,
    version: &'static str,
    topics: String,
    process: Option<Process>,
    /// Dropped after the process.
    folder: TempDir,
}

impl Subscriber {
    /// Starts one and waits until it has subscribed.
    pub fn start(broker: SocketAddr, version: &'static str, topics: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (_, rest) = PAGE.split_once("```python\n").expect("a program in the page");
        let (program, _) = rest.split_once("```").expect("its end");
        #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
        std::fs::write(folder.path().join("receiver.py"), program).expect("a file");
        let mut subscriber = Self { broker, version, topics: topics.to_owned(), process: None, folder };
        subscriber.start_again();
        subscriber
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        let seen = self.subscriptions();
        // Debian's, whose packages it needs.
        let mut command = process::command(Path::new("/usr/bin/python3"));
        command.arg(self.folder.path().join("receiver.py"));
        command.arg(self.broker.ip().to_string()).arg(self.broker.port().to_string());
        command.arg(self.version).arg(&self.topics).arg(self.database());
        self.process = Some(Process::spawn("receiver", &mut command, &self.log()));
        self.wait_subscribed(seen);
    }

    /// How often it has subscribed so far.
    pub fn subscriptions(&self) -> usize {
        let log = std::fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(&log).lines().filter(|line| *line == "subscribed").count()
    }

    /// Waits until it has subscribed more often than `seen`.
    pub fn wait_subscribed(&mut self, seen: usize) {
        let log = self.log();
        let mut process = self.process.take().expect("it runs");
        wait_until("the receiver to subscribe", STARTS_WITHIN, || {
            assert!(process.try_wait().is_none(), "it ended: {:?}", std::fs::read_to_string(&log));
            (self.subscriptions() > seen).then_some(())
        });
        self.process = Some(process);
    }

    /// Kills it.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("rows.db")
    }

    /// The batches it stored: key to rows, as objects are.
    pub fn batches(&self) -> BTreeMap<String, Vec<u8>> {
        let database = rusqlite::Connection::open(self.database()).expect("its database");
        let mut statement = database.prepare("SELECT key, line FROM rows ORDER BY rowid").expect("its table");
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        let mut batches: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for row in rows.expect("rows") {
            let (key, line) = row.expect("a row");
            let batch = batches.entry(format!("{}.ndjson", key.trim_matches('"'))).or_default();
            batch.extend(line.as_bytes());
            batch.push(b'\n');
        }
        batches
    }

    /// How many rows it holds.
    pub fn rows(&self) -> usize {
        let database = rusqlite::Connection::open(self.database()).expect("its database");
        let count: i64 =
            database.query_row("SELECT count(*) FROM rows", [], |row| row.get(0)).expect("a count");
        usize::try_from(count).expect("a count")
    }
}
