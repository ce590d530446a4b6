//! One history: rows appear, daemons run, and whatever can go wrong does; in the end each row is stored
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use livecosmos::clock::Clock;
use livecosmos::key::KeyTemplate;
use livecosmos::payload::{Compression, Format};
use livecosmos::progress::Progress;
use livecosmos::quarantine::Quarantine;
use livecosmos::source::Source;
use livecosmos::stop::Stop;
use livecosmos::uploader::{Fallback, LiveUploader, Lookback, PassReport, RetryPolicy, Settings, Shared};
use livecosmos_state::{Commit, CommitError, Observer, Options, Store, TableName, Time};

use crate::random::Random;
use crate::shelf::{Faults, Files, Shelf, read_folder, shelf, write_folder};
use crate::table::{Reader, Row, Table, time};

const NOW_S: i64 = 1_800_000_000;
const DAY_S: i64 = 86_400;
/// A site with rows older than this and more than a batch of them is split.
const CATCH_UP_AFTER_S: i64 = DAY_S;
/// Longer than any history, so that every row that comes late is due.
const LOOKBACK_S: i64 = 20 * DAY_S;
/// Passes in which a daemon that nothing disturbs comes to its end.
const CALM_ROUNDS_MAX: u32 = 12;

/// What happened, for the sum of all histories.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally(pub(crate) BTreeMap<&'static str, u64>);

impl Tally {
    fn add(&mut self, what: &'static str, count: u64) {
        *self.0.entry(what).or_default() += count;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, count)| self.add(what, *count));
    }
}

struct Watch(AtomicI64);

impl Clock for Watch {
    fn now(&self) -> Time {
        time(self.0.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed).unsigned_abs())
    }
}

struct Quiet;

impl Observer for Quiet {
    fn committed(&self, _: &Commit) {}
    fn stalled(&self, _: &CommitError, _: u32) {}
    fn resumed(&self) {}
    fn failed(&self, _: &CommitError) {}
}

struct Daemon {
    state_dir: PathBuf,
    /// Every state it ever had between two runs.
    past: Vec<Files>,
}

/// A world with its daemons.
pub(crate) struct History {
    random: Random,
    table: Table,
    has_tie: bool,
    batch_rows_max: usize,
    shelf: Arc<Shelf>,
    daemons: [Daemon; 2],
    watch: Arc<Watch>,
    next_id: i64,
    /// Rows whose older versions may or may not have been seen.
    changed: BTreeSet<i64>,
    log: Vec<String>,
    pub(crate) tally: Tally,
}

impl History {
    pub(crate) fn new(seed: u64, folder: &std::path::Path) -> Self {
        let mut random = Random::new(seed);
        let daemon = |name: &str| Daemon { state_dir: folder.join(name), past: vec![Files::new()] };
        let daemons = [daemon("one"), daemon("two")];
        daemons.iter().for_each(|daemon| write_folder(&daemon.state_dir, &Files::new()));
        Self {
            has_tie: !random.once_in(3),
            batch_rows_max: 1 + usize::try_from(random.below(5)).expect("a small number"),
            random,
            table: Table::default(),
            shelf: shelf(),
            daemons,
            watch: Arc::new(Watch(AtomicI64::new(NOW_S))),
            next_id: 0,
            changed: BTreeSet::new(),
            log: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Plays it to its end, where everything is stored once or the history is told.
    pub(crate) async fn play(&mut self) -> Result<(), String> {
        let steps = 4 + self.random.below(10);
        for _ in 0..steps {
            match self.random.below(12) {
                0..=3 => self.rows_appear(),
                4 => self.a_row_changes(),
                5 => self.time_passes(),
                6 => self.a_state_is_lost_or_rolled_back(),
                _ => self.a_daemon_runs().await?,
            }
        }
        self.calm_down().await?;
        self.judge()
    }

    fn rows_appear(&mut self) {
        let site = usize::try_from(self.random.below(3)).expect("a site");
        let count = 1 + self.random.below(9);
        let now_s = self.watch.now().seconds;
        // Fresh, late, a backlog, or from the future.
        let (what, first_s) = match self.random.below(8) {
            0..=2 => ("fresh rows", now_s - 60 * i64::try_from(count).expect("few")),
            3 | 4 => ("late rows", now_s - i64::try_from(self.random.below(86_400)).expect("a day")),
            5 | 6 => {
                ("old rows", now_s - 3 * DAY_S - i64::try_from(self.random.below(86_400)).expect("a day"))
            }
            _ => ("rows from the future", now_s + 3_600),
        };
        let step_s = if self.random.once_in(3) { 0 } else { 60 };
        let is_twice = self.random.once_in(4);
        for n in 0..count {
            let value = u32::try_from(self.random.below(1 << 20)).expect("20 bits") * 2;
            let time_s = first_s + step_s * i64::try_from(n).expect("few");
            for _ in 0..=u8::from(is_twice) {
                self.next_id += 1;
                let row = Row { site, time_s, id: self.next_id, value };
                self.table.0.lock().expect("no reader panics").push(row);
            }
        }
        self.tally.add(what, count * (1 + u64::from(is_twice)));
        self.say(format!(
            "{count} {what} of site {site} from {} s on{}",
            first_s - now_s,
            if is_twice { ", each twice" } else { "" }
        ));
    }

    fn a_row_changes(&mut self) {
        if !self.has_tie {
            return;
        }
        let mut rows = self.table.0.lock().expect("no reader panics");
        if rows.is_empty() {
            return;
        }
        let at = usize::try_from(self.random.below(rows.len() as u64)).expect("an index");
        // Odd, and larger each time: no version comes back.
        rows[at].value += 2 + (1 - rows[at].value % 2);
        let line = format!("row {} changes to {}", rows[at].id, rows[at].value);
        self.changed.insert(rows[at].id);
        drop(rows);
        self.tally.add("changed rows", 1);
        self.say(line);
    }

    fn time_passes(&mut self) {
        let seconds = i64::try_from(self.random.below(30_000)).expect("some hours");
        self.watch.0.fetch_add(seconds, Ordering::Relaxed);
        self.say(format!("{seconds} s pass"));
    }

    fn a_state_is_lost_or_rolled_back(&mut self) {
        let which = usize::try_from(self.random.below(2)).expect("a daemon");
        let daemon = &self.daemons[which];
        let at = usize::try_from(self.random.below(daemon.past.len() as u64)).expect("an index");
        let what = if daemon.past[at].is_empty() { "lost states" } else { "old states" };
        write_folder(&daemon.state_dir, &daemon.past[at]);
        self.tally.add(what, 1);
        self.say(format!("daemon {which}: {what}: number {at} of {}", self.daemons[which].past.len()));
    }

    async fn a_daemon_runs(&mut self) -> Result<(), String> {
        let which = usize::try_from(self.random.below(3) / 2).expect("a daemon");
        let one_in = [0, 0, 3, 8, 20][usize::try_from(self.random.below(5)).expect("an index")];
        let faults = Faults { one_in, seed: self.random.next() };
        let crash_at = self.random.once_in(2).then(|| 1 + self.random.below(25));
        let intrude_at = self.random.once_in(4).then(|| 1 + self.random.below(15));
        self.say(format!(
            "daemon {which} runs, {faults:?}, stops at {crash_at:?}, the other goes first at {intrude_at:?}"
        ));
        self.shelf.begin(&self.daemons[which].state_dir, faults, crash_at);
        self.tally.add("runs", 1);
        self.tally.add("runs with faults", u64::from(one_in > 0));
        if let Some(at) = intrude_at {
            let other = self.open(1 - which);
            let (reader, late) = (self.reader(), self.reader());
            let intrusion = async move {
                let (_, _) = other.pass(reader, None).await;
                let (_, _) = other.late(late, None).await;
                other.close().expect("a memory file system takes all");
            };
            self.shelf.intrude(at, Box::pin(intrusion));
            self.tally.add("runs of both at once", 1);
        }
        let uploader = self.open(which);
        let rounds = 1 + self.random.below(3);
        for _ in 0..rounds {
            self.round(&uploader).await;
            if self.random.once_in(2) {
                self.watch.0.fetch_add(700, Ordering::Relaxed);
            }
        }
        uploader.close().map_err(|error| error.to_string())?;
        self.log.extend(self.shelf.take_log());
        // The other one may not have had its turn.
        self.shelf.begin(&self.daemons[which].state_dir, Faults::default(), None);
        if let Some((objects, files)) = self.shelf_crash(intrude_at.is_some()) {
            *self.shelf.objects() = objects;
            write_folder(&self.daemons[which].state_dir, &files);
            self.tally.add("crashes", 1);
        }
        let files = read_folder(&self.daemons[which].state_dir);
        self.daemons[which].past.push(files);
        Ok(())
    }

    /// A crash undoes what came after it: with two daemons at work it would undo the other's, too.
    fn shelf_crash(&self, both: bool) -> Option<(crate::shelf::Objects, Files)> {
        self.shelf.take_crash().filter(|_| !both)
    }

    /// One pass, the late rows, and the fills that are due. Whether something is left to do at once.
    async fn round(&mut self, uploader: &Arc<LiveUploader>) -> bool {
        let (_, live) = uploader.pass(self.reader(), None).await;
        let mut again = self.note(&live);
        if live.error.is_none() {
            let (_, late) = uploader.late(self.reader(), None).await;
            again |= self.note(&late);
        }
        let mut last = None;
        for _ in 0..6 {
            let Some(site) = uploader.next_fill(last.as_ref(), &BTreeSet::new()) else { break };
            let (_, fill) = uploader.fill(self.reader(), &site).await;
            again |= self.note(&fill);
            last = Some(site);
        }
        again || uploader.has_fills()
    }

    fn note(&mut self, report: &PassReport) -> bool {
        self.tally.add("objects", report.totals.objects);
        self.tally.add("adoptions and jumps", u64::from(report.again));
        let inconsistent =
            report.failures.iter().map(|(site, error)| format!("  site {site} failed: {error}"));
        self.log.extend(inconsistent);
        self.log.extend(report.error.iter().map(|error| format!("  the pass failed: {error}")));
        report.again || report.error.is_some() || !report.failures.is_empty()
    }

    /// Nothing goes wrong any more, and all daemons come to their ends.
    async fn calm_down(&mut self) -> Result<(), String> {
        self.watch.0.fetch_add(DAY_S / 2, Ordering::Relaxed);
        for which in [0, 1, 0] {
            self.say(format!("daemon {which} comes to its end"));
            self.shelf.begin(&self.daemons[which].state_dir, Faults::default(), None);
            let uploader = self.open(which);
            let mut rounds = 0;
            while self.round(&uploader).await {
                rounds += 1;
                self.watch.0.fetch_add(700, Ordering::Relaxed);
                if rounds == CALM_ROUNDS_MAX {
                    return Err(self.told("it does not come to its end"));
                }
            }
            uploader.close().map_err(|error| error.to_string())?;
            self.log.extend(self.shelf.take_log());
        }
        Ok(())
    }

    /// Every row is stored once: of one that changed, its last version once and no version twice.
    fn judge(&mut self) -> Result<(), String> {
        let mut stored: BTreeMap<(String, i64, u32), usize> = BTreeMap::new();
        for object in self.shelf.objects().values() {
            for line in std::str::from_utf8(&object.bytes).expect("JSON is UTF-8").lines() {
                let row: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
                let site = row["SITE"].as_str().expect("a site").to_owned();
                let value = u32::try_from(row["VALUE"].as_u64().expect("a number")).expect("20 bits");
                let id = if self.has_tie { row["ID"].as_i64().expect("a number") } else { 0 };
                *stored.entry((site, id, value)).or_default() += 1;
            }
        }
        let mut due: BTreeMap<(String, i64, u32), usize> = BTreeMap::new();
        let rows = self.table.0.lock().expect("no reader panics").clone();
        for row in &rows {
            let id = if self.has_tie { row.id } else { 0 };
            *due.entry((crate::table::site_id(row.site).to_string(), id, row.value)).or_default() += 1;
        }
        self.tally.add("rows due", rows.len() as u64);
        let lost: Vec<_> =
            due.iter().filter(|(row, count)| stored.get(*row).copied().unwrap_or(0) < **count).collect();
        let is_old_version = |id: i64, count: usize| self.changed.contains(&id) && count == 1;
        let doubled: Vec<_> = stored
            .iter()
            .filter(|(row, count)| **count > due.get(*row).copied().unwrap_or(0))
            .filter(|(row, count)| due.contains_key(*row) || !is_old_version(row.1, **count))
            .collect();
        if lost.is_empty() && doubled.is_empty() {
            return Ok(());
        }
        let message = format!("lost (site, id, value): {lost:?}; doubled: {doubled:?}");
        Err(self.told(&message))
    }

    fn told(&mut self, message: &str) -> String {
        self.log.extend(self.shelf.take_log());
        let about = format!("ties: {}, rows in a batch: {}", self.has_tie, self.batch_rows_max);
        let objects: Vec<String> = self
            .shelf
            .objects()
            .iter()
            .map(|(key, object)| {
                let facts = &object.facts;
                let next = facts.next.as_ref().map(|next| format!(", next {next}")).unwrap_or_default();
                format!("  {key}: {} rows, {} to {}{next}", facts.rows, facts.from, facts.to)
            })
            .collect();
        format!("{message}\n{about}\n{}\nobjects:\n{}", self.log.join("\n"), objects.join("\n"))
    }

    fn say(&mut self, line: String) {
        self.log.extend(self.shelf.take_log());
        self.log.push(line);
    }

    fn reader(&self) -> Box<dyn Source> {
        Box::new(Reader::new(&self.table, self.batch_rows_max, self.has_tie))
    }

    fn open(&self, which: usize) -> Arc<LiveUploader> {
        let table = TableName::parse("T").expect("a table name");
        let dir = &self.daemons[which].state_dir;
        let store = Store::open(&Options::default(), dir, &table).expect("a state that is whole").store;
        let quarantine = Quarantine::open(dir, &table).expect("no quarantine yet");
        let shared = Shared::new(1, 1 << 24, Progress::default());
        let clock: Arc<dyn Clock> = self.watch.clone();
        let (sink, quiet) = (self.shelf.clone(), Arc::new(Quiet));
        let settings = self.settings(table);
        Arc::new(LiveUploader::new(settings, sink, store, quiet, quarantine, clock, Stop::default(), shared))
    }

    fn settings(&self, table: TableName) -> Settings {
        let wait = Duration::from_micros(1);
        Settings {
            table,
            source_id: "model".into(),
            key: KeyTemplate::default(),
            format: Format::Ndjson,
            compression: Compression::None,
            config_digest: "0".into(),
            fallback: Fallback::All,
            time_column: "TIME".into(),
            tie_column: self.has_tie.then(|| "ID".into()),
            lookback: Some(Lookback { seconds: LOOKBACK_S, sends_updates: true }),
            catch_up_after_s: Some(CATCH_UP_AFTER_S),
            commit_patience: None,
            retry: RetryPolicy {
                wait_min: wait,
                wait_max: wait,
                wait_total_max: 3 * wait,
                begun_within: Duration::MAX,
            },
        }
    }
}
