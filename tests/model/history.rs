//! One history: rows appear, daemons run, and whatever can go wrong does; in the end each row is stored
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use livecosmos::uploader::{LiveUploader, PassReport};
use livecosmos_state::Window;

use crate::kind::{Kind, Late};
use crate::random::Random;
use crate::shelf::{Crash, Faults, Files, Shelf, read_folder, shelf, write_folder};
use crate::table::Table;
use daemon::Watch;

mod daemon;
mod events;

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
}
