//! The jobs that are swept: a small table with bad rows, from its source to its sink.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::daemon::{Livecosmos, Workdir, workdir};
use crate::support::front::Front;
use crate::support::objects::{self, Difference};
use crate::support::s3_client::S3Client;
use crate::support::s3s::S3s;

/// The rows that are there from the beginning, and those that are appended to a state that exists.
const FIRST: [(&str, &str); 9] = [
    ("A", "2025-01-01T00:00:00"),
    ("B", "2025-01-01T00:00:00"),
    ("A", "2025-01-01T00:01:00"),
    ("A", "never"),
    ("B", "2025-01-01T00:01:00"),
    ("A", "2025-01-01T00:02:00"),
    ("", "2025-01-01T00:00:00"),
    ("C", "2025-01-01T00:00:00"),
    ("A", "2025-01-01T00:03:00"),
];
///
/// They are of the present: of a table, the live chain has jumped over the past and left it to a fill.
const APPENDED: [(&str, &str); 4] = [("B", NOW), ("B", "not yet"), ("A", NOW), ("D", NOW)];
/// Stands for the time at which the test runs.
const NOW: &str = "now";

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Csv,
    Sqlite,
}

/// What there is when the faulty run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    Nothing,
    State,
}

/// A bucket in which each job has a place of its own.
pub(crate) struct Bucket {
    client: S3Client,
    endpoint: String,
    /// The objects as files.
    folder: PathBuf,
}

impl Bucket {
    /// The bucket of `server`, reached through `front`.
    pub(crate) fn behind(front: &Front, server: &S3s) -> Self {
        let folder = server.folder().join("objects").join(server.bucket());
        Self { client: server.client().clone(), endpoint: front.endpoint(), folder }
    }
}

/// One kind of job.
#[derive(Clone, Copy)]
pub(crate) struct Variant<'a> {
    pub(crate) name: &'static str,
    pub(crate) from: From,
    pub(crate) begin: Begin,
    /// Where it stores; else in a folder.
    pub(crate) bucket: Option<&'a Bucket>,
}

/// One job in a folder of its own, ready for the faulty run.
pub(crate) struct Job<'a> {
    pub(crate) workdir: Workdir,
    variant: Variant<'a>,
    prefix: String,
}

/// What a job has stored, against what was due.
pub(crate) struct Stored {
    pub(crate) rows: Difference,
    /// Rows of the quarantine; those that are missing or there twice.
    pub(crate) quarantine: Difference,
}

impl Stored {
    pub(crate) fn lost(&self) -> usize {
        self.rows.missing.len() + self.quarantine.missing.len()
    }

    /// A row of which more is stored than there was counts as well.
    pub(crate) fn doubled(&self) -> usize {
        let Self { rows, quarantine } = self;
        rows.doubled.len() + rows.foreign.len() + quarantine.doubled.len() + quarantine.foreign.len()
    }
}

impl<'a> Job<'a> {
    /// Prepares a job, with a place in the bucket that no other job has.
    pub(crate) fn new(variant: Variant<'a>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("job-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let job = Self { workdir: workdir(&config(&variant, &prefix)), variant, prefix };
        job.add(&FIRST, 0);
        if variant.begin == Begin::State {
            let _ = job.run().run().expect_code(0);
            job.add(&APPENDED, FIRST.len());
        }
        job
    }

    /// The command line of the run.
    pub(crate) fn run(&self) -> Livecosmos {
        // One worker, so that calls are made by as few threads as there can be.
        let run = self.workdir.livecosmos().table("T").arg("--once").env("TOKIO_WORKER_THREADS", "1");
        let Some(Bucket { client, .. }) = self.variant.bucket else { return run };
        run.env("AWS_ACCESS_KEY_ID", &client.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &client.secret_key)
            .env("AWS_REGION", &client.region)
    }

    /// How many rows were to be stored or put into quarantine.
    pub(crate) fn due(&self) -> usize {
        self.rows().count()
    }

    /// Looks at what is stored, without asking the product.
    pub(crate) fn stored(&self) -> Stored {
        let name = |(number, _)| format!("row-{number}");
        let (bad, good): (Vec<_>, Vec<_>) = self.rows().enumerate().partition(|(_, row)| is_bad(row));
        let found = objects::rows(&self.objects());
        let rows = objects::difference(good.into_iter().map(name), &found, |row| row.text("N"));
        Stored { rows, quarantine: self.quarantine(bad.into_iter().map(name)) }
    }

    /// Files in the state folder that no run should leave behind.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let known = ["T.state", "T.state.backup", "T.state.lock", "T.quarantine.ndjson"];
        let entries = std::fs::read_dir(self.workdir.state_dir()).expect("a state folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| !known.contains(&name.as_str())).collect()
    }

    fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let appended = if self.variant.begin == Begin::State { &APPENDED[..] } else { &[] };
        FIRST.iter().chain(appended).copied()
    }

    fn add(&self, rows: &[(&str, &str)], first: usize) {
        let now = now();
        let time = |time| if time == NOW { now.as_str() } else { time };
        let numbered = rows.iter().map(|&(site, at)| (site, time(at))).zip(first..);
        if self.variant.from == From::Csv {
            let header = if first == 0 { "SITE,TIME,N\n" } else { "" };
            let lines = numbered.map(|((site, time), number)| format!("{site},{time},row-{number}\n"));
            self.workdir.append("rows.csv", header.to_owned() + &lines.collect::<String>());
            return;
        }
        let database = rusqlite::Connection::open(self.workdir.path("rows.sqlite")).expect("a database");
        database
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS T (ID INTEGER PRIMARY KEY, SITE TEXT, TIME TEXT, N TEXT);
                 CREATE INDEX IF NOT EXISTS T_BY_SITE ON T (SITE, TIME);",
            )
            .expect("a table");
        for ((site, time), number) in numbered {
            let row = (site, time, format!("row-{number}"));
            database.execute("INSERT INTO T (SITE, TIME, N) VALUES (?1, ?2, ?3)", row).expect("a row");
        }
    }

    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let in_bucket = self.variant.bucket.map(|bucket| bucket.folder.join(&self.prefix));
        let folder = in_bucket.unwrap_or_else(|| self.workdir.path("stored"));
        let mut objects = if folder.exists() { objects::in_folder(&folder) } else { BTreeMap::new() };
        objects.retain(|key, _| key.ends_with(".ndjson"));
        objects
    }

    /// The quarantine's whole lines. A line that a killed run left torn is none.
    fn quarantine(&self, expected: impl Iterator<Item = String>) -> Difference {
        let path = self.workdir.state_dir().join("T.quarantine.ndjson");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
        let line = |line: &str| objects::StoredRow { object: "quarantine".to_owned(), line: line.to_owned() };
        let kept: Vec<_> = lines.map(line).collect();
        objects::difference(expected, &kept, |row| {
            let text = row.text("row");
            let name = text.find("row-").map_or(text.as_str(), |at| &text[at..]);
            name.chars().take_while(|each| each.is_ascii_alphanumeric() || *each == '-').collect()
        })
    }
}

/// Rows without a site or a time go into quarantine.
fn is_bad((site, time): &(&str, &str)) -> bool {
    site.is_empty() || ["never", "not yet"].contains(time)
}

/// The present as the sources spell times.
fn now() -> String {
    let clock = rusqlite::Connection::open_in_memory().expect("a database in memory");
    clock.query_row("SELECT strftime('%Y-%m-%dT%H:%M:%S', 'now')", [], |row| row.get(0)).expect("a time")
}

/// The server looks at the whole bucket for each listing: what a job has left would make every later one slower.
impl Drop for Job<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = self.variant.bucket {
            // A job that stored nothing has no folder.
            let _ = std::fs::remove_dir_all(bucket.folder.join(&self.prefix));
        }
    }
}

fn config(variant: &Variant, prefix: &str) -> String {
    let source = match variant.from {
        From::Csv => "kind = \"csv\"\npath = \"rows.csv\"",
        From::Sqlite => "kind = \"sqlite\"\npath = \"rows.sqlite\"",
    };
    let sink = match variant.bucket {
        Some(Bucket { client, endpoint, .. }) => format!(
            "url = \"s3://{}/{prefix}\"\n[sink.s3]\nendpoint = \"{endpoint}\"\npath_style = true",
            client.bucket
        ),
        None => "url = \"file://./stored\"".to_owned(),
    };
    let tie = if variant.from == From::Sqlite { "tie_column = \"ID\"\n" } else { "" };
    format!(
        "[source]\n{source}\n[sink]\n{sink}\n[upload]\nformat = \"ndjson\"\nbatch_rows_max = 2\n\
         [poll]\nfallback = \"all\"\n[tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n{tie}"
    )
}
