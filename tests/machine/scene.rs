//! A small table that grows while the machine misbehaves, the daemon that follows it, and the count at the
//! end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::medium::Medium;
use crate::support::daemon::{Livecosmos, Running, Workdir, workdir};
use crate::support::front::Front;
use crate::support::objects;
use crate::support::process::wait_until;
use crate::support::s3s::S3s;

/// Whatever takes longer hangs: the longest pause of a site that failed a few times, and a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(4);
/// Sites among which rows go round.
const SITES: u32 = 5;
/// Of the rows, every so many-th has no time.
const BAD_EVERY: u32 = 11;

/// How often a torture plays: what the variable says, else `default`.
pub(crate) fn many(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

/// A CSV file of good rows and bad, in a folder with a configuration.
pub(crate) struct Scene {
    pub(crate) workdir: Workdir,
    /// Rows so far.
    count: u32,
    has_bad_rows: bool,
    panics: usize,
}

impl Scene {
    /// An empty table, which gets a bad row now and then if `has_bad_rows`.
    pub(crate) fn new(has_bad_rows: bool) -> Self {
        let workdir = workdir("");
        workdir.write("rows.csv", "SITE,TIME,N\n");
        Self { workdir, count: 0, has_bad_rows, panics: 0 }
    }

    /// Writes the configuration: `sink` is its section of that name.
    pub(crate) fn configure(&self, sink: &str) {
        self.workdir.write(
            "livecosmos.toml",
            format!(
                "[source]\nkind = \"csv\"\npath = \"rows.csv\"\n{sink}\n\
                 [upload]\nformat = \"ndjson\"\nbatch_rows_max = 20\n\
                 [poll]\ninterval = \"100ms\"\nfallback = \"all\"\n\
                 [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n"
            ),
        );
    }

    /// The section of a sink in the bucket of `server`, reached through `front`; `more` are further keys of it.
    pub(crate) fn bucket(server: &S3s, front: &Front, more: &str) -> String {
        let (bucket, endpoint) = (server.bucket(), front.endpoint());
        format!(
            "[sink]\nurl = \"s3://{bucket}/raw\"\n[sink.s3]\nendpoint = \"{endpoint}\"\n\
             region = \"us-east-1\"\npath_style = true\nallow_http = true{more}"
        )
    }

    /// A command whose state is on `medium`.
    pub(crate) fn run_on(&self, medium: &Medium, words: &[&str]) -> Livecosmos {
        let run = Livecosmos::new(self.workdir.folder());
        let run = words.iter().fold(run, Livecosmos::arg).arg(self.workdir.config());
        medium.around(run.arg("--state-dir").arg(medium.path().join("state")))
    }

    /// Appends `count` rows.
    pub(crate) fn append(&mut self, count: u32) {
        let rows: String = (self.count..self.count + count).map(|n| self.row(n)).collect();
        self.workdir.append("rows.csv", rows);
        self.count += count;
    }

    /// Appends rows, a few at a time, until `duration` is over.
    pub(crate) fn append_for(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        self.append_until("the moment", || Instant::now() >= end);
    }

    /// Appends rows, a few at a time, until `is_done`.
    pub(crate) fn append_until(&mut self, what: &str, mut is_done: impl FnMut() -> bool) {
        let mut next = Instant::now();
        wait_until(what, SOON, || {
            if Instant::now() >= next {
                self.append(7);
                next = Instant::now() + Duration::from_millis(40);
            }
            is_done().then_some(())
        });
    }

    fn row(&self, n: u32) -> String {
        let time = if self.is_bad(n) { "never".to_owned() } else { time(n) };
        format!("S{},{time},{n}\n", n % SITES)
    }

    fn is_bad(&self, n: u32) -> bool {
        self.has_bad_rows && n.is_multiple_of(BAD_EVERY)
    }

    /// How many rows there are to store so far.
    pub(crate) fn due(&self) -> usize {
        (0..self.count).filter(|n| !self.is_bad(*n)).count()
    }

    /// Waits until `stored` counts all rows that are due so far.
    pub(crate) fn wait_until_stored(&self, running: &mut Running, stored: impl Fn() -> usize) {
        let due = self.due();
        wait_until(&format!("{due} rows in the sink"), SOON, || {
            assert!(running.is_running(), "the daemon ended by itself: {}", running.stderr());
            (stored() >= due).then_some(())
        });
    }

    /// Notes what a run that is over has said.
    pub(crate) fn note(&mut self, stderr: &str) {
        self.panics += usize::from(stderr.contains("panicked"));
    }

    /// Panics unless each good row is in `stored` once, and each bad row in `quarantine` once.
    pub(crate) fn assert_all_once(
        &self,
        what: &str,
        stored: &BTreeMap<String, Vec<u8>>,
        quarantine: Option<&str>,
    ) {
        let (bad, good): (Vec<u32>, Vec<u32>) = (0..self.count).partition(|n| self.is_bad(*n));
        let rows = objects::rows(stored);
        objects::assert_exactly_once(good.iter().map(u32::to_string), &rows, |row| row.text("N"));
        let mut kept: Vec<u32> = quarantine.unwrap_or_default().lines().filter_map(number_of_entry).collect();
        kept.sort_unstable();
        assert_eq!(kept, bad, "rows in quarantine");
        assert_eq!(self.panics, 0, "runs that panicked");
        println!(
            "{what}: rows due {}, of which in quarantine {}; lost 0, doubled 0, hangs 0, panics 0",
            self.count,
            bad.len()
        );
    }
}

fn time(n: u32) -> String {
    format!("2025-{:02}-{:02} {:02}:{:02}:00", n / 40_320 % 12 + 1, n / 1440 % 28 + 1, n / 60 % 24, n % 60)
}

/// The number in the row of a line of the quarantine; `None` for half a line, which a process leaves that is
/// killed while it waits for room for the rest.
pub(crate) fn number_of_entry(line: &str) -> Option<u32> {
    let entry: serde_json::Value = serde_json::from_str(line).ok()?;
    let row = entry["row"].as_str().expect("an entry has its row");
    Some(row.rsplit(',').next().and_then(|n| n.trim().parse().ok()).expect("a row ends in its number"))
}
