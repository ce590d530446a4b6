//! The one retry policy: which errors are worth another try, how long apart, and for how long.

use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

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
    /// After the first try began, none begins later than this: a server that never answers uses up the
    /// time of each request, and waits alone would bound nothing.
    pub begun_within: Duration,
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

/// Repeats `attempt` while [`SinkError::is_for_retry`] says so, until the policy is at its end or the
/// daemon stops. What is under way is always finished: only waits are cut short.
///
/// # Errors
/// The attempt's last error, with the number of tries; or that the daemon is stopping.
pub async fn until_settled<T, F, A>(policy: &RetryPolicy, stop: &Stop, attempt: A) -> Result<T, SiteError>
where
    F: Future<Output = Result<T, SinkError>>,
    A: Fn() -> F,
{
    let began = Instant::now();
    let mut waits = policy.waits();
    let mut tries: u32 = 1;
    loop {
        let error = match attempt().await {
            Err(error) if error.is_for_retry() => error,
            Err(SinkError::Later { .. }) if stop.is_requested() => return Err(Stopped.into()),
            settled => return Ok(settled?),
        };
        let Some(wait) = waits.next().filter(|wait| began.elapsed() + *wait <= policy.begun_within) else {
            let often = if tries == 1 { "once".to_owned() } else { format!("{tries} times") };
            return Err(error.adding(&format!(" (tried {often})")).into());
        };
        tracing::debug!(%error, tries, wait_ms = wait.as_millis(), "trying again");
        tokio::select! {
            () = tokio::time::sleep(wait) => tries += 1,
            () = stop.requested() => return Err(Stopped.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_server_that_never_answers_uses_up_the_time_of_all_tries() {
        let wait = Duration::from_millis(1);
        let begun_within = Duration::from_millis(20);
        let policy = RetryPolicy {
            wait_min: wait,
            wait_max: wait,
            wait_total_max: Duration::from_secs(1),
            begun_within,
        };
        let tries = AtomicU32::new(0);
        let never_answered = || async {
            tries.fetch_add(1, Ordering::Relaxed);
            // The request's own timeout.
            tokio::time::sleep(begun_within).await;
            Err::<(), _>(SinkError::Retry("no answer".into()))
        };
        let settled = until_settled(&policy, &Stop::default(), never_answered).await;
        assert!(settled.unwrap_err().to_string().contains("(tried once)"));
        assert_eq!(tries.into_inner(), 1);
    }
}
