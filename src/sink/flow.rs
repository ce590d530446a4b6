//! What every request to a sink passes, whatever the sink: how many are under way at once, how fast they and
//! their bytes go, whether the sink is asked at all, and how often what failed may be asked again.
//!
//! There is one [`Flow`] for all tables that store in the same place. Four machines decide, each pure, with
//! the time as an argument: [`Concurrency`] gives way to a sink that is overloaded, [`Rate`] keeps what the
//! configuration allows, [`Breaker`] leaves a sink that is away alone, [`Budget`] bounds retries. This file
//! asks them and does the waiting. The order of one site's batches is none of their business: a lane waits
//! here as it waits for the sink.
//!
//! While a sink is away, its requests wait here, for as long as [`FlowLimits::patience`] says from the
//! beginning of the outage; later ones are turned away at once. All but one: at times that lie further and
//! further apart, whichever comes first is let through, and by what becomes of it all others go on or wait.

mod breaker;
mod budget;
mod concurrency;
mod pace;
mod passage;
mod rate;
mod registry;
mod ticket;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use livecosmos_state::Time;
use tokio::sync::{Semaphore, watch};

use super::SinkError;
use crate::progress::Progress;
use crate::stop::Stop;
use breaker::{Admission, Breaker, Open, Who, YIELDS};
use budget::Budget;
use concurrency::Concurrency;
pub use pace::PacedBody;
pub use passage::Passage;
pub use rate::Pace;
use rate::Rate;
pub use registry::Flows;
use ticket::Ticket;

/// What may go unused is saved up for so long: so much more may go at once then.
const BURST_S: f64 = 1.0;
/// Whoever waits shows a sign of life this often.
const TICK: Duration = Duration::from_secs(1);

/// What a sink is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLimits {
    /// Requests under way at once.
    pub in_flight_max: usize,
    /// Bytes of objects a second, both ways; `None` for any number.
    pub bytes_per_second_max: Option<u64>,
    /// Requests a second; `None` for any number.
    pub requests_per_second_max: Option<u64>,
    /// So long after the beginning of an outage requests wait for its end.
    pub patience: Duration,
}

/// The way to one sink.
#[derive(Debug)]
pub struct Flow {
    limits: FlowLimits,
    /// As many as may be under way: [`Concurrency`] gives and takes them.
    permits: Semaphore,
    inner: Mutex<Inner>,
    outage: watch::Sender<Option<Outage>>,
    /// A step for whatever moves here, or waits for a time that is known.
    signs: Progress,
}

#[derive(Debug)]
struct Inner {
    concurrency: Concurrency,
    /// Permits that there are, waiting and in use.
    permits: usize,
    breaker: Breaker,
    budget: Budget,
    bytes: Option<Rate>,
    requests: Option<Rate>,
    figures: Figures,
    /// When it was last told that fewer requests are made at once.
    told: Option<Instant>,
}

/// An outage of a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Since when.
    pub since: Time,
    /// What the sink, or the network, said first.
    pub words: String,
    /// Requests by which it was tried since then.
    pub probes: u32,
}

/// What a flow has come to, since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests made.
    pub requests: u64,
    /// Those that failed for a reason that passes.
    pub failures: u64,
    /// Those of them that were not to be repeated, since too many were.
    pub unrepeated: u64,
    /// Outages so far.
    pub outages: u64,
    /// How long requests waited for their turn by the limits of bytes and requests, all together.
    pub waited: Duration,
    /// Requests that may be under way at once now.
    pub in_flight: usize,
}

/// Who waits: what ends it, and who hears of its life.
#[derive(Debug, Clone, Default)]
pub struct Waiter {
    /// Ends all waiting.
    pub stop: Stop,
    /// The table's signs of life.
    pub progress: Progress,
}

impl Flow {
    /// A way to a sink that nothing was asked of yet.
    #[must_use]
    pub fn new(limits: FlowLimits) -> Self {
        let now = now();
        let rate = |per_s: Option<u64>| {
            let per_s = as_f64(per_s?);
            Some(Rate::new(per_s, per_s * BURST_S, now))
        };
        let concurrency = Concurrency::new(limits.in_flight_max);
        let permits = concurrency.limit();
        let inner = Inner {
            concurrency,
            permits,
            breaker: Breaker::default(),
            budget: Budget::new(limits.in_flight_max, now),
            bytes: rate(limits.bytes_per_second_max),
            requests: rate(limits.requests_per_second_max),
            figures: Figures::default(),
            told: None,
        };
        let outage = watch::Sender::new(None);
        let (permits, inner) = (Semaphore::new(permits), Mutex::new(inner));
        Self { limits, permits, inner, outage, signs: Progress::default() }
    }

    /// What it has come to.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let inner = self.lock();
        Figures { in_flight: inner.concurrency.limit(), ..inner.figures }
    }

    /// The outage there is, and from then on whatever changes it.
    #[must_use]
    pub fn outages(&self) -> watch::Receiver<Option<Outage>> {
        self.outage.subscribe()
    }

    /// Signs of life of all that go this way: whoever waits behind them lives for as long as they do.
    #[must_use]
    pub fn signs(&self) -> &Progress {
        &self.signs
    }

    /// How long no request would be let through, while the sink is away.
    #[must_use]
    pub fn closed_for(&self) -> Option<Duration> {
        let (now, inner) = (now(), self.lock());
        inner.breaker.open()?;
        Some(match inner.breaker.look(now, None) {
            Admission::Wait(until) => until.duration_since(now),
            Admission::Go | Admission::Probe | Admission::WaitForProbe => Duration::ZERO,
        })
    }

    /// Waits until a request with so many bytes may be made.
    async fn enter(&self, bytes: u64, who: Option<Who>, waiter: &Waiter) -> Result<Ticket<'_>, SinkError> {
        loop {
            self.opening(who, waiter).await?;
            let permit = self.wait_behind(waiter, self.permits.acquire()).await?.map_err(|_| stopping())?;
            let Some(mut ticket) = Ticket::take(self, permit, who) else { continue };
            ticket.pace = self.pay(bytes, waiter).await?;
            let mut inner = self.lock();
            if ticket.is_probe || inner.breaker.look(now(), who) == Admission::Go {
                inner.budget.earn();
                inner.figures.requests += 1;
                drop(inner);
                return Ok(ticket);
            }
            // The sink went away meanwhile, and this turn passes unused: what goes later takes another.
        }
    }

    /// Waits until the sink may be asked; fails where that takes too long.
    async fn opening(&self, who: Option<Who>, waiter: &Waiter) -> Result<(), SinkError> {
        let mut outage = self.outage.subscribe();
        loop {
            outage.mark_unchanged();
            let now = now();
            let (admission, open) = {
                let inner = self.lock();
                (inner.breaker.look(now, who), inner.breaker.open())
            };
            let until = match (admission, open) {
                (Admission::Wait(until), Some(Open { since, .. }))
                    if until > since + self.limits.patience && until > now + YIELDS =>
                {
                    return Err(self.later(until.duration_since(now)));
                }
                (Admission::Wait(until), _) => Some(until),
                (Admission::WaitForProbe, _) => None,
                (Admission::Go | Admission::Probe, _) => return Ok(()),
            };
            match until {
                Some(until) => {
                    let due = tokio::time::sleep_until(until.into());
                    let settled = async {
                        tokio::select! {
                            () = due => {}
                            _ = outage.changed() => {}
                        }
                    };
                    self.wait_out(waiter, settled).await?;
                }
                None => _ = self.wait_behind(waiter, outage.changed()).await?,
            }
        }
    }

    /// Takes a request's part of what may go a second, and waits until it has come.
    async fn pay(&self, bytes: u64, waiter: &Waiter) -> Result<Option<Pace>, SinkError> {
        let now = now();
        let (begin, pace) = {
            let mut inner = self.lock();
            let begin = inner.requests.as_mut().map_or(now, |rate| rate.take(now, 1.0).begin);
            let pace = inner.bytes.as_mut().map(|rate| rate.take(begin, as_f64(bytes)));
            let begin = pace.as_ref().map_or(begin, |pace| pace.begin);
            inner.figures.waited += begin.saturating_duration_since(now);
            (begin, pace)
        };
        if begin > now {
            self.wait_out(waiter, tokio::time::sleep_until(begin.into())).await?;
        }
        Ok(pace)
    }

    /// Waits for `done`, which comes at a time that is known.
    async fn wait_out<T>(&self, waiter: &Waiter, done: impl Future<Output = T>) -> Result<T, SinkError> {
        let alive = || {
            self.signs.step();
            true
        };
        wait_for(waiter, alive, done).await
    }

    /// Waits for `done`, which comes when those before have ended: where they hang, this hangs too, and the
    /// watchdog is to see it.
    async fn wait_behind<T>(&self, waiter: &Waiter, done: impl Future<Output = T>) -> Result<T, SinkError> {
        let mut seen = None;
        let alive = || {
            let steps = self.signs.steps();
            seen.replace(steps) != Some(steps)
        };
        wait_for(waiter, alive, done).await
    }

    /// Notes bytes of which nobody knew before that they would come.
    fn charge(&self, bytes: u64) {
        if let Some(rate) = &mut self.lock().bytes {
            rate.take(now(), as_f64(bytes));
        }
    }

    /// Takes back what a put was given and did not send.
    fn take_back(&self, pace: &Pace) {
        if let Some(rate) = &mut self.lock().bytes {
            rate.take_back(pace);
        }
    }

    fn later(&self, wait: Duration) -> SinkError {
        let outage = self.outage.borrow();
        let (since, words) = match &*outage {
            Some(outage) => (outage.since.to_string(), outage.words.as_str()),
            None => ("now".to_owned(), "the sink is away"),
        };
        let words = format!("{words} (away since {since}; asked again in {} s)", wait.as_secs() + 1);
        SinkError::Later { words, wait: Some(wait) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for `done`; fails where the stop comes first. Who waits shows signs of life while `is_alive`.
async fn wait_for<T>(
    waiter: &Waiter,
    mut is_alive: impl FnMut() -> bool,
    done: impl Future<Output = T>,
) -> Result<T, SinkError> {
    let mut done = std::pin::pin!(done);
    loop {
        if is_alive() {
            waiter.progress.step();
        }
        tokio::select! {
            outcome = &mut done => return Ok(outcome),
            () = waiter.stop.requested() => return Err(stopping()),
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// By the clock that sleeps here go by.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn stopping() -> SinkError {
    SinkError::Later { words: "stopped while waiting for the sink".to_owned(), wait: None }
}

#[expect(clippy::cast_precision_loss, reason = "of bytes that are counted by the second, some may be lost")]
fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests;
