//! `Retry-After`: for how long a server wants to be left alone.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;

use crate::clock::{Clock as _, SystemClock};

/// Reads the value of that header: seconds, or a date that is still to come (RFC 9110, 10.2.3).
pub(super) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTimeParser::new().parse_timestamp(value).ok()?;
    let seconds = until.as_second().checked_sub(SystemClock.now().seconds)?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_by_a_date() {
        assert_eq!(retry_after(" 121 "), Some(Duration::from_secs(121)));
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), None);
        let far = retry_after("Sun, 21 Oct 2255 07:28:00 GMT");
        assert!(far.is_some_and(|wait| wait > Duration::from_hours(24)));
    }
}
