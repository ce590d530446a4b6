//! A server that is to be left alone for a while is not asked again before that.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::sink::SinkError;

/// No server makes us wait longer, whatever it says.
const HOLD_MAX: Duration = Duration::from_hours(1);

/// Until when nothing is sent, and why.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Option<(Instant, &'static str)>>);

impl Hold {
    /// Fails while the server is to be left alone: the uploader's pauses decide when it is asked again.
    pub(super) fn check(&self, place: &str) -> Result<(), SinkError> {
        let Some((until, why)) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) else {
            return Ok(());
        };
        let left = until.checked_duration_since(Instant::now());
        match left.filter(|left| !left.is_zero()) {
            None => Ok(()),
            Some(left) => {
                let seconds = left.as_secs().saturating_add(1);
                let words = format!("{place}: {why}; nothing is sent for {seconds} s more");
                Err(SinkError::Later { words, wait: Some(left) })
            }
        }
    }

    /// Leaves the server alone for so long; a longer wait that is known already stays.
    pub(super) fn obey(&self, wait: Duration, why: &'static str) {
        let Some(until) = Instant::now().checked_add(wait.min(HOLD_MAX)) else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|(known, _)| known < until) {
            *known = Some((until, why));
        }
    }
}
