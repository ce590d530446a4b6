//! The one retry policy: which errors are worth another try, how long apart, and for how long.

use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

use super::SiteError;
use crate::sink::SinkError;
use crate::source::Stopped;
use crate::stop::Stop;

/// How long, and how often, a request is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Before the second try.
    pub wait_min: Duration,
    /// Between two tries at most.
    pub wait_max: Duration,
    /// All waits together.
    pub wait_total_max: Duration,
}

impl RetryPolicy {
    /// Waits with jitter, doubling from `wait_min` to `wait_max`.
    fn waits(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::default()
            .with_min_delay(self.wait_min)
            .with_max_delay(self.wait_max)
            .with_jitter()
            .with_jitter_seed(seed())
            .with_total_delay(Some(self.wait_total_max))
            .without_max_times()
            .build()
    }
}

/// Another for each caller: sites that failed together must not come back together.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Repeats `attempt` while it answers [`SinkError::Retry`], until the policy is at its end or the
/// daemon stops. What is under way is always finished: only waits are cut short.
///
/// # Errors
/// The attempt's last error, with the number of tries; or that the daemon is stopping.
pub async fn until_settled<T, F, A>(policy: &RetryPolicy, stop: &Stop, attempt: A) -> Result<T, SiteError>
where
    F: Future<Output = Result<T, SinkError>>,
    A: Fn() -> F,
{
    let mut waits = policy.waits();
    let mut tries: u32 = 1;
    loop {
        let error = match attempt().await {
            Err(SinkError::Retry(error)) => error,
            settled => return Ok(settled?),
        };
        let Some(wait) = waits.next() else {
            return Err(SinkError::Retry(format!("{error} (tried {tries} times)")).into());
        };
        tracing::debug!(%error, tries, wait_ms = wait.as_millis(), "trying again");
        tokio::select! {
            () = tokio::time::sleep(wait) => tries += 1,
            () = stop.requested() => return Err(Stopped.into()),
        }
    }
}
