//! What happens to the table, the clock and the states, and what an operator asks for.

use std::collections::BTreeSet;

use livecosmos::clock::Clock as _;
use livecosmos_state::{Chain, ChainName, Cursor, Fill, FillKind, Window};

use super::{CALM_ROUNDS_MAX, DAY_S, History};
use crate::kind::Late;
use crate::random::Random;
use crate::shelf::{Faults, write_folder};
use crate::table::{Row, time};

impl History {
    pub(super) fn rows_appear(&mut self) {
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
    pub(super) fn newest(&self, site: usize) -> Option<i64> {
        let rows = self.table.0.lock().expect("no reader panics");
        rows.iter().filter(|row| row.site == site).map(|row| row.time_s).max()
    }

    pub(super) fn a_row_changes(&mut self) {
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

    pub(super) fn time_passes(&mut self) {
        let seconds = i64::try_from(self.random.below(30_000)).expect("some hours");
        self.watch.go_on(seconds);
        self.say(format!("{seconds} s pass"));
    }

    /// By days, back or forth; or right again.
    pub(super) fn the_clock_is_set(&mut self) {
        let days = i64::try_from(self.random.below(21)).expect("some days") - 10;
        let wrong_by_s = if self.random.once_in(2) { 0 } else { days * DAY_S };
        self.watch.set_wrong_by(wrong_by_s);
        self.tally.add("clocks set", 1);
        self.say(format!("the clock is wrong by {wrong_by_s} s"));
    }

    pub(super) fn a_state_is_lost_or_rolled_back(&mut self) {
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

    /// From here on nobody knows of puts that may still arrive: where rows decide keys, they have arrived.
    pub(super) fn forget_what_was_tried(&mut self) {
        if !self.kind.is_decided_by_chain() {
            self.shelf.all_arrive();
        }
    }

    /// An operator asks for the rows of a span that the sink does not hold.
    pub(super) async fn rows_are_asked_for(&mut self) -> Result<(), String> {
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

    pub(super) async fn ask_for_rows(&mut self, window: Window) -> Result<(), String> {
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
}
