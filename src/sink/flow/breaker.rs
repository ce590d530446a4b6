//! Whether a sink is asked at all: after some failures in a row nothing is, but for a probe now and then.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

/// So many failures in a row, of whatever requests, and the sink counts as away.
const FAILURES_MAX: u32 = 5;
/// The first probe comes within this time.
const PROBE_WITHIN_MIN: Duration = Duration::from_secs(1);
/// However often probes failed, the next comes within this time.
const PROBE_WITHIN_MAX: Duration = Duration::from_mins(1);
/// Whoever made the last probe leaves the next to others for so long: its failure may be the fault of what it sent.
pub(super) const YIELDS: Duration = Duration::from_secs(1);
/// No sink makes us wait longer, whatever it says.
const HOLD_MAX: Duration = Duration::from_hours(1);

/// A circuit breaker: closed while requests pass, open while they do not.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaker(State);

#[derive(Debug, Clone)]
enum State {
    Closed {
        /// In a row.
        failures: u32,
    },
    Open(Open),
}

/// The sink is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Open {
    /// When that was noticed.
    pub(super) since: Instant,
    /// Probes that failed.
    pub(super) probes: u32,
    /// When the next is due.
    next: Instant,
    /// Until when the sink wants to be left alone.
    held_until: Instant,
    /// One is under way.
    is_probing: bool,
    /// Who made the last.
    prober: Option<Who>,
}

/// Of whom one request is known from another's: by what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who(u64);

impl Who {
    /// Whoever asks about the object, or the objects, of this name.
    pub(super) fn about(key: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Whether a request may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may.
    Go,
    /// It may, as the one by which the sink is tried.
    Probe,
    /// Not before this.
    Wait(Instant),
    /// Not before it is known what came of the probe that is under way.
    WaitForProbe,
}

/// What an answer, or none, changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// The sink is away from now on.
    Opened,
    /// It still is: a probe failed, or it wants to be left alone for longer.
    StillOpen,
    /// It is back.
    Closed(Open),
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a request may be made; changes nothing.
    pub(super) fn look(&self, now: Instant, who: Option<Who>) -> Admission {
        match &self.0 {
            State::Closed { .. } => Admission::Go,
            State::Open(open) if open.is_probing => Admission::WaitForProbe,
            State::Open(open) => {
                let yields = if who.is_some() && open.prober == who { YIELDS } else { Duration::ZERO };
                let next = open.next + yields;
                if next > now { Admission::Wait(next) } else { Admission::Probe }
            }
        }
    }

    /// As [`Breaker::look`]; who gets the probe has it until it ends.
    pub(super) fn admit(&mut self, now: Instant, who: Option<Who>) -> Admission {
        let admission = self.look(now, who);
        if let (Admission::Probe, State::Open(open)) = (admission, &mut self.0) {
            open.is_probing = true;
            open.prober = who;
        }
        admission
    }

    /// The outage, while there is one.
    pub(super) fn open(&self) -> Option<Open> {
        match self.0 {
            State::Open(open) => Some(open),
            State::Closed { .. } => None,
        }
    }

    /// The sink answered, whatever it said: it is there. What was under way when it asked to be left alone
    /// does not lift that.
    pub(super) fn answered(&mut self, now: Instant, is_probe: bool) -> Change {
        if let State::Open(open) = &mut self.0
            && open.held_until > now
        {
            open.is_probing &= !is_probe;
            return if is_probe { Change::StillOpen } else { Change::None };
        }
        match std::mem::take(&mut self.0) {
            State::Open(open) => Change::Closed(open),
            State::Closed { .. } => Change::None,
        }
    }

    /// A request failed that says something of the sink. `fraction`, from 0 to 1, is drawn by chance, so that
    /// many who lost the same sink do not come back together.
    pub(super) fn failed(&mut self, now: Instant, is_probe: bool, fraction: f64) -> Change {
        match &mut self.0 {
            State::Closed { failures } if *failures + 1 < FAILURES_MAX => {
                *failures += 1;
                Change::None
            }
            State::Closed { .. } => {
                self.open_until(now, now + probe_within(0).mul_f64(fraction), now);
                Change::Opened
            }
            State::Open(open) if is_probe => {
                open.probes += 1;
                open.is_probing = false;
                open.next = open.next.max(now + probe_within(open.probes).mul_f64(fraction));
                Change::StillOpen
            }
            // It was under way when the sink was given up.
            State::Open(_) => Change::None,
        }
    }

    /// A probe came to no end.
    pub(super) fn abandoned(&mut self) {
        if let State::Open(open) = &mut self.0 {
            open.is_probing = false;
        }
    }

    /// The sink wants to be left alone for `wait`.
    pub(super) fn hold(&mut self, now: Instant, wait: Duration) -> Change {
        let until = now + wait.min(HOLD_MAX);
        match &mut self.0 {
            State::Open(open) => {
                open.held_until = open.held_until.max(until);
                open.next = open.next.max(until);
                Change::StillOpen
            }
            State::Closed { .. } => {
                self.open_until(now, until, until);
                Change::Opened
            }
        }
    }

    fn open_until(&mut self, now: Instant, next: Instant, held_until: Instant) {
        self.0 =
            State::Open(Open { since: now, probes: 0, next, held_until, is_probing: false, prober: None });
    }
}

fn probe_within(probes: u32) -> Duration {
    PROBE_WITHIN_MIN.saturating_mul(1 << probes.min(16)).min(PROBE_WITHIN_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opened(now: Instant, fraction: f64) -> Breaker {
        let mut breaker = Breaker::default();
        let changes: Vec<Change> = (0..FAILURES_MAX).map(|_| breaker.failed(now, false, fraction)).collect();
        assert_eq!(changes, [Change::None, Change::None, Change::None, Change::None, Change::Opened]);
        breaker
    }

    #[test]
    fn failures_that_do_not_follow_one_another_keep_nobody_from_asking() {
        let (now, mut breaker) = (Instant::now(), Breaker::default());
        for _ in 0..20 {
            for _ in 1..FAILURES_MAX {
                assert_eq!(breaker.failed(now, false, 0.5), Change::None);
            }
            assert_eq!(breaker.admit(now, None), Admission::Go);
            assert_eq!(breaker.answered(now, false), Change::None);
        }
    }

    #[test]
    fn one_request_tries_whether_the_sink_is_back_and_then_all_go_on() {
        let now = Instant::now();
        let mut breaker = opened(now, 1.0);
        let due = now + PROBE_WITHIN_MIN;
        assert_eq!(breaker.admit(now, None), Admission::Wait(due));
        assert_eq!(breaker.admit(due, None), Admission::Probe);
        assert_eq!(breaker.admit(due, None), Admission::WaitForProbe);
        assert!(matches!(breaker.answered(due, true), Change::Closed(_)));
        assert_eq!(breaker.admit(due, None), Admission::Go);
    }

    #[test]
    fn probes_come_within_a_time_that_doubles_up_to_a_minute() {
        let mut now = Instant::now();
        let mut breaker = opened(now, 1.0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let Admission::Wait(due) = breaker.admit(now, None) else { panic!("{breaker:?}") };
            waits.push(due.duration_since(now).as_secs());
            now = due;
            assert_eq!(breaker.admit(now, None), Admission::Probe);
            assert_eq!(breaker.failed(now, true, 1.0), Change::StillOpen);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_probe_that_came_to_no_end_is_made_by_the_next() {
        let now = Instant::now();
        let mut breaker = opened(now, 0.0);
        assert_eq!(breaker.admit(now, None), Admission::Probe);
        breaker.abandoned();
        assert_eq!(breaker.admit(now, None), Admission::Probe);
    }

    #[test]
    fn whoever_made_the_last_probe_leaves_the_next_to_others_for_a_while() {
        let now = Instant::now();
        let (one, other) = (Some(Who::about("one")), Some(Who::about("other")));
        let mut breaker = opened(now, 0.0);
        assert_eq!(breaker.admit(now, one), Admission::Probe);
        assert_eq!(breaker.failed(now, true, 0.0), Change::StillOpen);
        assert_eq!(breaker.admit(now, one), Admission::Wait(now + YIELDS));
        assert_eq!(breaker.look(now, other), Admission::Probe);
        assert_eq!(breaker.look(now, None), Admission::Probe);
        assert_eq!(breaker.admit(now + YIELDS, one), Admission::Probe, "where nobody else comes");
    }

    #[test]
    fn a_sink_that_asks_for_time_gets_it_but_not_for_ever() {
        let (now, mut breaker) = (Instant::now(), Breaker::default());
        let wait = Duration::from_secs(90);
        assert_eq!(breaker.hold(now, wait), Change::Opened);
        assert_eq!(breaker.failed(now, true, 0.0), Change::StillOpen, "no probe comes before that");
        assert_eq!(breaker.answered(now, false), Change::None, "what was under way before does not lift it");
        assert_eq!(breaker.admit(now, None), Admission::Wait(now + wait));
        assert_eq!(breaker.hold(now, Duration::MAX), Change::StillOpen);
        assert_eq!(breaker.admit(now, None), Admission::Wait(now + HOLD_MAX));
        assert_eq!(breaker.admit(now + HOLD_MAX, None), Admission::Probe);
    }

    #[test]
    fn a_wish_for_time_that_comes_while_a_probe_is_under_way_keeps_nobody_out_for_ever() {
        let now = Instant::now();
        let mut breaker = opened(now, 0.0);
        assert_eq!(breaker.admit(now, None), Admission::Probe);
        let wait = Duration::from_secs(5);
        assert_eq!(breaker.hold(now, wait), Change::StillOpen);
        assert_eq!(breaker.answered(now, true), Change::StillOpen);
        assert_eq!(breaker.admit(now, None), Admission::Wait(now + wait));
        assert_eq!(breaker.admit(now + wait, None), Admission::Probe);
    }

    proptest! {
        /// Seeds are printed by proptest where it fails.
        #[test]
        fn while_a_sink_is_away_there_is_one_request_at_a_time_and_seldom(
            steps in prop::collection::vec((0u64..2_000, any::<u8>()), 1..300),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut breaker = opened(now, 0.5);
            let (mut probing, mut probes) = (false, 0u32);
            for (wait_ms, chance) in steps {
                now += Duration::from_millis(wait_ms);
                match breaker.admit(now, None) {
                    Admission::Go => prop_assert!(false, "it was never answered"),
                    Admission::Probe => {
                        prop_assert!(!probing, "two at once");
                        (probing, probes) = (true, probes + 1);
                    }
                    Admission::Wait(until) => {
                        prop_assert!(!probing && until > now);
                        prop_assert!(until <= now + PROBE_WITHIN_MAX);
                    }
                    Admission::WaitForProbe => prop_assert!(probing),
                }
                if probing && chance.is_multiple_of(2) {
                    breaker.failed(now, true, f64::from(chance) / 255.0);
                    probing = false;
                }
                // Failures of what was under way before do not put the next probe off.
                let before = breaker.open();
                breaker.failed(now, false, 1.0);
                prop_assert_eq!(breaker.open(), before);
            }
        }
    }
}
