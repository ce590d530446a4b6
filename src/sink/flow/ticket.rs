//! What a request was like, and what follows for those after it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use tokio::sync::SemaphorePermit;

use super::breaker::{Admission, Change, Who};
use super::concurrency::Begun;
use super::rate::Pace;
use super::{Flow, Inner, Outage};
use crate::clock::{Clock as _, SystemClock};
use crate::sink::SinkError;

/// That fewer requests are made at once is told this often.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// A request's leave to be made; what became of it is told by [`Ticket::settle`].
pub(super) struct Ticket<'a> {
    flow: &'a Flow,
    begun: Begun,
    pub(super) is_probe: bool,
    is_settled: bool,
    /// How fast its bytes may leave.
    pub(super) pace: Option<Pace>,
    permit: Option<SemaphorePermit<'a>>,
}

impl<'a> Ticket<'a> {
    /// Takes leave, if the sink may be asked: as its probe, where it is away.
    pub(super) fn take(flow: &'a Flow, permit: SemaphorePermit<'a>, who: Option<Who>) -> Option<Self> {
        let mut inner = flow.lock();
        let is_probe = match inner.breaker.admit(super::now(), who) {
            Admission::Go => false,
            Admission::Probe => true,
            Admission::Wait(_) | Admission::WaitForProbe => {
                flow.fit_permits(&mut inner, Some(permit));
                return None;
            }
        };
        let begun = inner.concurrency.begin();
        Some(Self { flow, begun, is_probe, is_settled: false, pace: None, permit: Some(permit) })
    }

    /// Tells what became of the request; gives the answer back, as one that is not to be repeated where too
    /// many are.
    pub(super) fn settle<T>(mut self, place: &str, answer: Result<T, SinkError>) -> Result<T, SinkError> {
        // Nobody was asked: nothing is known that was not before.
        if matches!(answer, Err(SinkError::Later { .. })) {
            return answer;
        }
        self.is_settled = true;
        self.flow.signs.step();
        let now = super::now();
        let mut inner = self.flow.lock();
        let change = match &answer {
            Err(SinkError::Busy { words, wait }) => {
                inner.slow_down(self.begun, now, place, words);
                match wait.map(|wait| inner.breaker.hold(now, wait)) {
                    Some(held) if held == Change::Opened || !self.is_probe => held,
                    _ => inner.breaker.failed(now, self.is_probe, fraction()),
                }
            }
            Err(SinkError::Away(words)) => {
                inner.slow_down(self.begun, now, place, words);
                inner.breaker.failed(now, self.is_probe, fraction())
            }
            Ok(_) => {
                inner.concurrency.went_well(self.begun);
                inner.breaker.answered(now, self.is_probe)
            }
            Err(_) => {
                inner.concurrency.end();
                inner.breaker.answered(now, self.is_probe)
            }
        };
        let words = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
        self.flow.tell(&mut inner, change, place, &words, now);
        self.flow.fit_permits(&mut inner, self.permit.take());
        match answer {
            Err(error) if error.is_for_retry() => {
                inner.figures.failures += 1;
                if inner.budget.spend(now) {
                    return Err(error);
                }
                inner.figures.unrepeated += 1;
                let words = error.adding(" (not repeated now, since too many requests fail)").to_string();
                Err(SinkError::Later { words, wait: None })
            }
            answer => answer,
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            let mut inner = self.flow.lock();
            inner.concurrency.end();
            if self.is_probe {
                inner.breaker.abandoned();
                self.flow.outage.send_modify(|_| {});
            }
            self.flow.fit_permits(&mut inner, self.permit.take());
        }
    }
}

impl Flow {
    /// Makes the permits as many as may be under way, with the one that is given back.
    fn fit_permits(&self, inner: &mut Inner, used: Option<SemaphorePermit<'_>>) {
        let limit = inner.concurrency.limit();
        match used {
            // Given back, it would go to whoever waits.
            Some(used) if inner.permits > limit => {
                used.forget();
                inner.permits -= 1;
            }
            used => drop(used),
        }
        if limit > inner.permits {
            self.permits.add_permits(limit - inner.permits);
            inner.permits = limit;
        } else {
            inner.permits -= self.permits.forget_permits(inner.permits - limit);
        }
    }

    /// Says, once for all sites and tables, what has become of the sink.
    fn tell(&self, inner: &mut Inner, change: Change, place: &str, words: &str, now: Instant) {
        match change {
            Change::None => {}
            Change::Opened => {
                inner.figures.outages += 1;
                let since = SystemClock.now();
                tracing::warn!(sink = place, "{words}; nothing more is asked of it but whether it is back");
                self.outage.send_replace(Some(Outage { since, words: words.to_owned(), probes: 0 }));
            }
            Change::StillOpen => {
                let probes = inner.breaker.open().map_or(0, |open| open.probes);
                tracing::debug!(sink = place, probes, "{words}; it is still away");
                self.outage.send_modify(|outage| {
                    if let Some(outage) = outage {
                        outage.probes = probes;
                    }
                });
            }
            Change::Closed(open) => {
                let away_s = now.duration_since(open.since).as_secs();
                tracing::info!(sink = place, away_s, probes = open.probes + 1, "the sink answers again");
                self.outage.send_replace(None);
            }
        }
    }
}

impl Inner {
    /// A request met a sink that is overloaded or away.
    fn slow_down(&mut self, begun: Begun, now: Instant, place: &str, words: &str) {
        if !self.concurrency.was_too_much(begun) {
            return;
        }
        let in_flight = self.concurrency.limit();
        if self.told.is_none_or(|told| now.duration_since(told) >= TELL_EVERY) {
            self.told = Some(now);
            tracing::info!(sink = place, in_flight, "{words}; fewer requests are made at once");
        } else {
            tracing::debug!(sink = place, in_flight, "fewer requests are made at once");
        }
    }
}

/// Between 0 and 1, another for each call and process.
fn fraction() -> f64 {
    let drawn = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(drawn >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
