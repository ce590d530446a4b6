//! A server that asks us to wait is not asked again before that.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::answer::Answer;
use crate::sink::SinkError;

/// No server makes us wait longer, whatever it says.
const HOLD_MAX: Duration = Duration::from_hours(1);

/// Until when nothing is sent.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Option<Instant>>);

impl Hold {
    /// Fails while the server wants to be left alone: the uploader's pauses decide when it is asked again.
    pub(super) fn check(&self, place: &str) -> Result<(), SinkError> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.and_then(|until| until.checked_duration_since(Instant::now()));
        match left.filter(|left| !left.is_zero()) {
            None => Ok(()),
            Some(left) => Err(SinkError::Retry(format!(
                "{place} asked us to wait (Retry-After); nothing is sent for {} s more",
                left.as_secs().saturating_add(1)
            ))),
        }
    }

    /// Notes what an answer asks for.
    pub(super) fn obey(&self, answer: &Answer) {
        let Some(wait) = answer.retry_after() else { return };
        let until = Instant::now().checked_add(wait.min(HOLD_MAX));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = (*known).max(until);
    }
}
