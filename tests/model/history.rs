//! One history: rows appear, daemons run, and whatever can go wrong does; in the end each row is stored
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use livecosmos::clock::Clock;
use livecosmos::payload::{Compression, Format};
use livecosmos::progress::Progress;
use livecosmos::quarantine::Quarantine;
use livecosmos::sink::{Flow, FlowLimits, Sink};
use livecosmos::source::Source;
use livecosmos::stop::Stop;
use livecosmos::uploader::{
    Encoders, Fallback, LiveUploader, Memory, PassReport, RetryPolicy, Settings, Shared,
};
use livecosmos_state::{
    Chain, ChainName, Commit, CommitError, Cursor, Fill, FillKind, Observer, Options, Store, TableName, Time,
    Window,
};

use crate::kind::{Kind, Late};
use crate::random::Random;
use crate::receiver::Receiver;
use crate::shelf::{Crash, Faults, Files, Shelf, read_folder, shelf, write_folder};
use crate::table::{Reader, Row, Table, time};

const NOW_S: i64 = 1_800_000_000;
pub(crate) const DAY_S: i64 = 86_400;
/// A site with rows older than this and more than a batch of them is split.
const CATCH_UP_AFTER_S: i64 = DAY_S;
/// Passes in which a daemon that nothing disturbs comes to its end.
const CALM_ROUNDS_MAX: u32 = 12;
/// The same to a receiver, which tells an older state of one object a pass.
const CALM_ROUNDS_MAX_TO_RECEIVER: u32 = 200;

/// What happened, for the sum of all histories.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally(pub(crate) BTreeMap<&'static str, u64>);

impl Tally {
    pub(crate) fn add(&mut self, what: &'static str, count: u64) {
        *self.0.entry(what).or_default() += count;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, count)| self.add(what, *count));
    }
}

/// Time goes by, and the clock may be wrong.
struct Watch {
    true_s: AtomicI64,
    wrong_by_s: AtomicI64,
}

impl Watch {
    fn go_on(&self, seconds: i64) {
        self.true_s.fetch_add(seconds, Ordering::Relaxed);
    }

    fn set_wrong_by(&self, seconds: i64) {
        self.wrong_by_s.store(seconds, Ordering::Relaxed);
    }

    fn true_s(&self) -> i64 {
        self.true_s.load(Ordering::Relaxed)
    }
}

impl Clock for Watch {
    fn now(&self) -> Time {
        time(self.true_s() + self.wrong_by_s.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.true_s().unsigned_abs())
    }
}

/// Tells the shelf of each commit: a process may stop behind it, and it may come back one day.
struct Witness {
    shelf: Arc<Shelf>,
    state_dir: PathBuf,
}

impl Observer for Witness {
    fn committed(&self, _: &Commit) {
        self.shelf.committed(&self.state_dir);
    }
    fn stalled(&self, _: &CommitError, _: u32) {}
    fn resumed(&self) {}
    fn failed(&self, _: &CommitError) {}
}

struct Daemon {
    state_dir: PathBuf,
    /// States that it had: between two runs, and of some runs every one that was committed.
    past: Vec<Files>,
}

/// A world with its daemons.
pub(crate) struct History {
    random: Random,
    pub(crate) table: Table,
    pub(crate) kind: Kind,
    pub(crate) shelf: Arc<Shelf>,
    daemons: [Daemon; 2],
    watch: Arc<Watch>,
    next_id: i64,
    /// The daemon that ran last.
    ran_last: Option<usize>,
    /// Rows whose older versions may or may not have been seen.
    pub(crate) changed: BTreeSet<i64>,
    /// Backfills asked for so far: each has a name that no other had.
    backfills: u32,
    pub(crate) log: Vec<String>,
    pub(crate) tally: Tally,
}

impl History {
    pub(crate) fn new(seed: u64, folder: &std::path::Path) -> Self {
        let mut random = Random::new(seed);
        let daemon = |name: &str| Daemon { state_dir: folder.join(name), past: vec![Files::new()] };
        let daemons = [daemon("one"), daemon("two")];
        for daemon in &daemons {
            write_folder(&daemon.state_dir, &Files::new());
        }
        Self {
            kind: Kind::draw(&mut random),
            random,
            table: Table::default(),
            shelf: shelf(),
            daemons,
            watch: Arc::new(Watch { true_s: AtomicI64::new(NOW_S), wrong_by_s: AtomicI64::new(0) }),
            next_id: 0,
            ran_last: None,
            changed: BTreeSet::new(),
            backfills: 0,
            log: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Plays it to its end, where everything is stored once or the history is told.
    pub(crate) async fn play(&mut self) -> Result<(), String> {
        let steps = 4 + self.random.below(10);
        for _ in 0..steps {
            match self.random.below(13) {
                0..=3 => self.rows_appear(),
                4 => self.a_row_changes(),
                5 => self.time_passes(),
                6 => self.a_state_is_lost_or_rolled_back(),
                7 if self.kind.late == Late::AskedFor => self.rows_are_asked_for().await?,
                8 => self.the_clock_is_set(),
                _ => self.a_daemon_runs().await?,
            }
        }
        self.calm_down().await?;
        self.judge()
    }

    fn rows_appear(&mut self) {
        let site = usize::try_from(self.random.below(3)).expect("a site");
        let count = 1 + self.random.below(9);
        let now_s = self.watch.true_s();
        // Fresh, late, a backlog, or from the future.
        let (what, first_s) = match self.random.below(8) {
            0..=2 => ("fresh rows", now_s - 60 * i64::try_from(count).expect("few")),
            3 | 4 => ("late rows", now_s - i64::try_from(self.random.below(86_400)).expect("a day")),
            5 | 6 => {
                ("old rows", now_s - 3 * DAY_S - i64::try_from(self.random.below(86_400)).expect("a day"))
            }
            _ => ("rows from the future", now_s + 3_600),
        };
        let newest = self.newest(site);
        let first_s = match newest {
            Some(newest) if self.kind.late == Late::None => first_s.max(newest + 60),
            _ => first_s,
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

    /// The newest time that the table has of a site.
    fn newest(&self, site: usize) -> Option<i64> {
        let rows = self.table.0.lock().expect("no reader panics");
        rows.iter().filter(|row| row.site == site).map(|row| row.time_s).max()
    }

    fn a_row_changes(&mut self) {
        if !self.kind.has_tie {
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
        self.watch.go_on(seconds);
        self.say(format!("{seconds} s pass"));
    }

    /// By days, back or forth; or right again.
    fn the_clock_is_set(&mut self) {
        let days = i64::try_from(self.random.below(21)).expect("some days") - 10;
        let wrong_by_s = if self.random.once_in(2) { 0 } else { days * DAY_S };
        self.watch.set_wrong_by(wrong_by_s);
        self.tally.add("clocks set", 1);
        self.say(format!("the clock is wrong by {wrong_by_s} s"));
    }

    fn a_state_is_lost_or_rolled_back(&mut self) {
        let which = self.draw_daemon(2);
        self.forget_what_was_tried();
        let daemon = &self.daemons[which];
        let at = usize::try_from(self.random.below(daemon.past.len() as u64)).expect("an index");
        if self.kind.has_receiver && daemon.past[at].is_empty() {
            return;
        }
        let what = if daemon.past[at].is_empty() { "lost states" } else { "old states" };
        write_folder(&daemon.state_dir, &daemon.past[at]);
        self.tally.add(what, 1);
        self.say(format!("daemon {which}: {what}: number {at} of {}", self.daemons[which].past.len()));
    }

    async fn a_daemon_runs(&mut self) -> Result<(), String> {
        let which = self.draw_daemon(3);
        let one_in = [0, 0, 3, 8, 20][usize::try_from(self.random.below(5)).expect("an index")];
        let faults = Faults { one_in, seed: self.random.next() };
        let crash = match self.random.below(4) {
            0 => Some(Crash::Request(1 + self.random.below(25))),
            1 => Some(Crash::Commit(1 + self.random.below(25))),
            _ => None,
        };
        let may_intrude = !self.has_one_daemon() && self.kind.is_decided_by_chain();
        let intrude_at = (may_intrude && self.random.once_in(4)).then(|| 1 + self.random.below(15));
        self.turn_to(which);
        self.say(format!(
            "daemon {which} runs, {faults:?}, stops at {crash:?}, the other goes first at {intrude_at:?}"
        ));
        self.shelf.begin(&self.daemons[which].state_dir, faults, crash);
        if self.random.once_in(4) {
            self.shelf.keep_commits();
        }
        self.tally.add("runs", 1);
        self.tally.add("runs to a receiver", u64::from(self.kind.has_receiver));
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
        let mut took_turns = false;
        for _ in 0..rounds {
            self.round(&uploader).await;
            let may_turn = !self.has_one_daemon() && intrude_at.is_none();
            if may_turn && self.random.once_in(4) {
                self.the_other_has_its_turn(which).await?;
                took_turns = true;
            }
            if self.random.once_in(2) {
                self.watch.go_on(700);
            }
        }
        uploader.close().map_err(|error| error.to_string())?;
        self.log.extend(self.shelf.take_log());
        self.daemons[which].past.extend(self.shelf.take_commits());
        let crash = self.shelf.take_crash();
        // The other one may not have had its turn.
        self.shelf.begin(&self.daemons[which].state_dir, Faults::default(), None);
        // A crash undoes what came after it: with two daemons at work it would undo the other's, too.
        if let Some((objects, on_the_way, files)) = crash.filter(|_| intrude_at.is_none() && !took_turns) {
            self.shelf.restore(objects, on_the_way);
            write_folder(&self.daemons[which].state_dir, &files);
            self.tally.add("crashes", 1);
        }
        let files = read_folder(&self.daemons[which].state_dir);
        self.daemons[which].past.push(files);
        if self.shelf.has_on_the_way() {
            // What is tried next is not what is on its way.
            self.tally.add("puts on their way", 1);
            self.a_row_changes();
        }
        Ok(())
    }

    /// The other daemon makes a round while `which` waits for its next.
    async fn the_other_has_its_turn(&mut self, which: usize) -> Result<(), String> {
        self.say(format!("daemon {} has its turn", 1 - which));
        self.tally.add("turns of both", 1);
        self.turn_to(1 - which);
        self.rows_appear();
        let other = self.open(1 - which);
        self.round(&other).await;
        other.close().map_err(|error| error.to_string())?;
        self.turn_to(which);
        // What the one stores is not what the other would.
        self.rows_appear();
        self.say(format!("daemon {which} goes on"));
        Ok(())
    }

    /// The daemon `which` runs next.
    fn turn_to(&mut self, which: usize) {
        if self.ran_last.replace(which).is_some_and(|last| last != which) {
            self.forget_what_was_tried();
        }
    }

    /// From here on nobody knows of puts that may still arrive: where rows decide keys, they have arrived.
    fn forget_what_was_tried(&mut self) {
        if !self.kind.is_decided_by_chain() {
            self.shelf.all_arrive();
        }
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
        self.watch.set_wrong_by(0);
        self.watch.go_on(DAY_S / 2);
        if self.kind.late == Late::AskedFor {
            self.come_to_its_end(0).await?;
            self.ask_for_rows(Window::default()).await?;
            return self.come_to_its_end(0).await;
        }
        let daemons: &[usize] = if self.has_one_daemon() { &[0] } else { &[0, 1, 0] };
        for which in daemons {
            self.come_to_its_end(*which).await?;
        }
        Ok(())
    }

    async fn come_to_its_end(&mut self, which: usize) -> Result<(), String> {
        self.turn_to(which);
        self.say(format!("daemon {which} comes to its end"));
        self.shelf.begin(&self.daemons[which].state_dir, Faults::default(), None);
        let uploader = self.open(which);
        let most = if self.kind.has_receiver { CALM_ROUNDS_MAX_TO_RECEIVER } else { CALM_ROUNDS_MAX };
        let mut rounds = 0;
        while self.round(&uploader).await {
            rounds += 1;
            self.watch.go_on(700);
            if rounds == most {
                return Err(self.told("it does not come to its end"));
            }
        }
        uploader.close().map_err(|error| error.to_string())?;
        self.log.extend(self.shelf.take_log());
        Ok(())
    }

    /// An operator asks for the rows of a span that the sink does not hold.
    async fn rows_are_asked_for(&mut self) -> Result<(), String> {
        let now_s = self.watch.true_s();
        let ago = |random: &mut Random| {
            let seconds = i64::try_from(random.below(4 * 86_400)).expect("some days");
            (!random.once_in(4)).then(|| time(now_s - seconds))
        };
        let (one, other) = (ago(&mut self.random), ago(&mut self.random));
        let window = match (one, other) {
            (Some(one), Some(other)) => Window { first: Some(one.min(other)), end: Some(one.max(other)) },
            (first, end) => Window { first, end },
        };
        self.ask_for_rows(window).await
    }

    async fn ask_for_rows(&mut self, window: Window) -> Result<(), String> {
        // No network keeps a request until an operator asks for what it may have lost.
        self.shelf.all_arrive();
        self.shelf.begin(&self.daemons[0].state_dir, Faults::default(), None);
        let uploader = self.open(0);
        // As the command does: what open fills send is then no longer missing.
        for _ in 0..CALM_ROUNDS_MAX {
            let Some(site) = uploader.next_fill(None, &BTreeSet::new()) else { break };
            let (_, fill) = uploader.fill(self.reader(), &site).await;
            self.note(&fill);
        }
        for (site, known) in uploader.state().sites {
            let until = known.live.passed.unwrap_or(known.live.cursor);
            if until == Cursor::Start {
                continue;
            }
            self.backfills += 1;
            let chain = ChainName::parse(&format!("backfill-{}", self.backfills)).expect("a name");
            self.say(format!("rows of site {site} in {window:?} are asked for as {chain}"));
            let (kind, since, after) = (FillKind::Backfill, self.watch.now(), Cursor::Start);
            let fill = Fill { kind, since, after, until, window, chain: Chain::new() };
            uploader.begin_fill(site, chain, fill).await.map_err(|error| error.to_string())?;
            self.tally.add("backfills", 1);
        }
        uploader.close().map_err(|error| error.to_string())
    }

    /// One of the two: the first is drawn as often as all others of `count` but one.
    fn draw_daemon(&mut self, count: u64) -> usize {
        let drawn = usize::from(self.random.below(count) == count - 1);
        if self.has_one_daemon() { 0 } else { drawn }
    }

    fn has_one_daemon(&self) -> bool {
        self.kind.late == Late::AskedFor || self.kind.has_receiver
    }

    fn say(&mut self, line: String) {
        self.log.extend(self.shelf.take_log());
        self.log.push(line);
    }

    fn reader(&self) -> Box<dyn Source> {
        let partition = self.kind.template().partition();
        Box::new(Reader::new(&self.table, self.kind.batch_rows_max, partition, self.kind.has_tie))
    }

    fn open(&self, which: usize) -> Arc<LiveUploader> {
        let table = TableName::parse("T").expect("a table name");
        let dir = &self.daemons[which].state_dir;
        let store = Store::open(&Options::default(), dir, &table).expect("a state that is whole").store;
        let quarantine = Quarantine::open(dir, &table).expect("no quarantine yet");
        let limits = FlowLimits {
            in_flight_max: 16,
            bytes_per_second_max: None,
            requests_per_second_max: None,
            patience: Duration::from_mins(1),
        };
        let (flow, memory) = (Arc::new(Flow::new(limits)), Arc::new(Memory::new(1 << 24, Vec::new())));
        let shared = Shared::new(flow, memory, Encoders::default(), Progress::default());
        let clock: Arc<dyn Clock> = self.watch.clone();
        let witness = Arc::new(Witness { shelf: self.shelf.clone(), state_dir: dir.clone() });
        let sink: Arc<dyn Sink> = if self.kind.has_receiver {
            Arc::new(Receiver::before(self.shelf.clone()))
        } else {
            self.shelf.clone()
        };
        let settings = self.settings(table);
        Arc::new(LiveUploader::new(
            settings,
            sink,
            store,
            witness,
            quarantine,
            clock,
            Stop::default(),
            shared,
        ))
    }

    fn settings(&self, table: TableName) -> Settings {
        let wait = Duration::from_micros(1);
        Settings {
            table,
            source_id: "model".into(),
            key: self.kind.template(),
            format: Format::Ndjson,
            compression: Compression::None,
            config_digest: "0".into(),
            fallback: Fallback::All,
            time_column: "TIME".into(),
            tie_column: self.kind.has_tie.then(|| "ID".into()),
            lookback: self.kind.lookback,
            catch_up_after_s: self.kind.catches_up.then_some(CATCH_UP_AFTER_S),
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
