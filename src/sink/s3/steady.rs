//! Credentials that are renewed well before they expire, and that stay in use until then where that fails.
//!
//! The SDK asks for new ones five to ten seconds before the old ones expire, and a request fails where none come, though
//! the old ones hold. So their source is asked earlier here, and what it gave last is good as long as it said.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, future};
use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};

use super::error::root;
use crate::clock::Clock;

/// Of the time for which they are good, this part is left when new ones are asked for: time for their source to be
/// mended.
const LEFT: u32 = 4;
/// Credentials of hours need no more.
const LEFT_MAX: Duration = Duration::from_mins(5);
/// The SDK counts them as expired so much earlier than it was told, at most and at least.
const SDK_EARLIER_MAX: Duration = Duration::from_secs(10);
const SDK_EARLIER_MIN: Duration = Duration::from_secs(5);
/// Where their source failed, it is asked again so much later.
const AGAIN_AFTER: Duration = Duration::from_secs(15);
/// What is signed with them has so long to arrive.
const ON_ITS_WAY: Duration = Duration::from_secs(5);
/// All requests wait while a source is asked; one that has not answered by then has failed, while the old ones hold.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A source of credentials that is away for a while without harm.
pub(super) struct Steady {
    source: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
    /// The last ones, with the time at which they really expire.
    last: Mutex<Option<Credentials>>,
}

impl Steady {
    pub(super) fn shared(
        source: SharedCredentialsProvider,
        clock: Arc<dyn Clock>,
    ) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Self { source, clock, last: Mutex::default() })
    }

    async fn provide(&self) -> provider::Result {
        match self.asked().await {
            Ok(fresh) => {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
                Ok(due_early(fresh, self.now()))
            }
            Err(error) => match self.still_good() {
                Some(last) => {
                    tracing::warn!(
                        "credentials could not be renewed ({}); the old ones are used until they expire",
                        root(&error)
                    );
                    Ok(last)
                }
                None => Err(error),
            },
        }
    }

    /// What the source says; where it hangs, not for as long as a request would wait, if the last ones are still good.
    async fn asked(&self) -> provider::Result {
        let asked = self.source.provide_credentials();
        if self.still_good().is_none() {
            return asked.await;
        }
        let late = |_| CredentialsError::provider_timed_out(ANSWERS_WITHIN);
        tokio::time::timeout(ANSWERS_WITHIN, asked).await.unwrap_or_else(|error| Err(late(error)))
    }

    fn still_good(&self) -> Option<Credentials> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        asked_again(last, self.now())
    }

    fn now(&self) -> SystemTime {
        let now = self.clock.now();
        UNIX_EPOCH + Duration::new(u64::try_from(now.seconds).unwrap_or_default(), now.nanos)
    }
}

/// The same, said to expire earlier than they do.
fn due_early(mut fresh: Credentials, now: SystemTime) -> Credentials {
    if let Some(expiry) = fresh.expiry_mut() {
        let good_for = expiry.duration_since(now).unwrap_or_default();
        *expiry -= (good_for / LEFT).min(LEFT_MAX);
    }
    fresh
}

/// Credentials that have not expired, so that the SDK asks again after a while, and before they do.
fn asked_again(mut last: Credentials, now: SystemTime) -> Option<Credentials> {
    if let Some(expiry) = last.expiry_mut() {
        if now + ON_ITS_WAY >= *expiry {
            return None;
        }
        *expiry = (now + SDK_EARLIER_MAX + AGAIN_AFTER).min(*expiry + SDK_EARLIER_MIN - ON_ITS_WAY);
    }
    Some(last)
}

impl ProvideCredentials for Steady {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }

    /// Where the source takes too long.
    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.source.fallback_on_interrupt().or_else(|| self.still_good())
    }
}

impl fmt::Debug for Steady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Steady").field(&self.source).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good_for(seconds: Option<u64>) -> Credentials {
        let expiry = seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        Credentials::new("id", "secret", None, expiry, "test")
    }

    fn told(credentials: &Credentials) -> Option<u64> {
        Some(credentials.expiry()?.duration_since(UNIX_EPOCH).expect("after 1970").as_secs())
    }

    #[test]
    fn new_ones_are_asked_for_when_a_quarter_of_their_time_is_left_or_five_minutes() {
        for (seconds, due) in
            [(None, None), (Some(40), Some(30)), (Some(3600), Some(3300)), (Some(0), Some(0))]
        {
            assert_eq!(told(&due_early(good_for(seconds), UNIX_EPOCH)), due, "{seconds:?}");
        }
    }

    #[test]
    fn where_none_come_the_old_ones_are_used_until_they_expire_and_not_longer() {
        let at = |now: u64, seconds: Option<u64>| {
            asked_again(good_for(seconds), UNIX_EPOCH + Duration::from_secs(now)).map(|last| told(&last))
        };
        assert_eq!(at(100, None), Some(None));
        assert_eq!(at(100, Some(3600)), Some(Some(125)), "asked again after fifteen seconds");
        // The SDK drops them at 115 at the latest.
        assert_eq!(at(114, Some(120)), Some(Some(120)));
        assert_eq!(at(115, Some(120)), None);
    }
}
