//! What an answer means: stored, held already, or which kind of failure.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};

use crate::sink::retry_after::retry_after;
use crate::sink::{Facts, SinkError};

/// How much of a server's own words goes into a message.
const WORDS_CHARS_MAX: usize = 300;

/// An answer, with the beginning of its body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What follows from an answer.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The batch is stored.
    Stored,
    /// Another batch is stored in its place, or this one was before.
    Holds(Box<Facts>),
    /// It is not.
    Failed(SinkError),
}

impl Answer {
    pub(super) fn verdict(&self, place: &str) -> Verdict {
        if self.status.is_success() {
            return Verdict::Stored;
        }
        if let Some(error) = self.denial(place) {
            return Verdict::Failed(error);
        }
        if self.status == StatusCode::CONFLICT {
            return match Facts::from_metadata(&self.metadata()) {
                Ok(facts) => Verdict::Holds(Box::new(facts)),
                Err(error) => Verdict::Failed(SinkError::Retry(format!(
                    "{}, and not what it holds instead ({error}); let it repeat the livecosmos-… headers that \
                     came with what it holds, or move that away",
                    self.words(place)
                ))),
            };
        }
        let words = self.words(place);
        Verdict::Failed(match self.status.as_u16() {
            // Of the address or the server, and not of this batch.
            404 | 405 | 410 => SinkError::Retry(format!("{words}; check url and method")),
            415 => SinkError::Retry(format!("{words}; set another upload.format or compression")),
            429 | 503 => SinkError::Busy { words, wait: self.retry_after() },
            408 => SinkError::Away(words),
            425 => SinkError::Retry(words),
            400..=499 => SinkError::Refused(words),
            300..=399 => SinkError::Retry(format!("{words}; set url to where it is now")),
            _ => SinkError::Away(words),
        })
    }

    /// The error, where the server refuses us and not the batch.
    pub(super) fn denial(&self, place: &str) -> Option<SinkError> {
        let remedy = match self.status.as_u16() {
            401 => "check the token or password under [sink.http]",
            403 => "this account may not store here; check the token or its rights",
            407 => "a proxy wants a password; put it into HTTPS_PROXY",
            _ => return None,
        };
        Some(SinkError::Denied(format!("{}; {remedy}", self.words(place))))
    }

    /// How long the server wants to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        retry_after(self.headers.get(RETRY_AFTER)?.to_str().ok()?)
    }

    /// Where it redirects to, if the request may be sent again there as it is.
    pub(super) fn location(&self) -> Option<&str> {
        let repeats = matches!(self.status.as_u16(), 307 | 308);
        self.headers.get(LOCATION).filter(|_| repeats)?.to_str().ok()
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        let read = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        self.headers.iter().filter_map(read).collect()
    }

    /// Place, status, and the server's own words on one line.
    fn words(&self, place: &str) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect();
        let own = if line.is_empty() { String::new() } else { format!(" ({line})") };
        format!("{place} answers {}{own}", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, text.parse().unwrap());
        }
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: b"why\n not".to_vec() }
    }

    fn kind(status: u16) -> &'static str {
        match answer(status, None).verdict("https://h/p") {
            Verdict::Stored => "stored",
            Verdict::Holds(_) => "holds",
            Verdict::Failed(SinkError::Retry(_)) => "retry",
            Verdict::Failed(SinkError::Away(_)) => "away",
            Verdict::Failed(SinkError::Busy { .. }) => "busy",
            Verdict::Failed(SinkError::Later { .. }) => "later",
            Verdict::Failed(SinkError::Refused(_)) => "refused",
            Verdict::Failed(SinkError::Denied(_)) => "denied",
            Verdict::Failed(SinkError::Fatal(_)) => "fatal",
        }
    }

    #[test]
    fn each_status_has_its_meaning() {
        for (statuses, meaning) in [
            (&[200, 201, 202, 204][..], "stored"),
            (&[400, 406, 413, 422, 451], "refused"),
            (&[401, 403, 407], "denied"),
            (&[301, 302, 303, 307, 404, 405, 409, 410, 415, 425], "retry"),
            (&[408, 500, 502, 504], "away"),
            (&[429, 503], "busy"),
        ] {
            for status in statuses {
                assert_eq!(kind(*status), meaning, "{status}");
            }
        }
    }

    #[test]
    fn a_message_has_the_servers_own_words_on_one_line() {
        let Verdict::Failed(error) = answer(500, None).verdict("https://h/p") else { panic!("stored") };
        assert_eq!(error.to_string(), "https://h/p answers 500 Internal Server Error (why not)");
    }

    #[test]
    fn a_server_that_is_busy_may_say_for_how_long() {
        for (status, header, wait) in
            [(429, Some("121"), Some(121)), (503, None, None), (503, Some("soon"), None)]
        {
            let Verdict::Failed(SinkError::Busy { wait: said, .. }) =
                answer(status, header).verdict("https://h/p")
            else {
                panic!("{status} is no wish for time");
            };
            assert_eq!(said, wait.map(Duration::from_secs), "{status} {header:?}");
        }
    }
}
