//! A bucket or container as messages name it, and what trouble with it means for the one who runs the daemon.

use std::fmt;
use std::time::Duration;

use super::trouble::{Answer, Asked, Silence, Trouble};
use crate::sink::SinkError;
use crate::sink::words::{is_skewed, said, skewed};

/// The kind of a request, by the right that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// To list keys.
    List,
    /// To read an object, or its facts.
    Read,
    /// To store an object.
    Write,
}

/// The words of one cloud.
#[derive(Debug)]
pub(super) struct Words {
    /// `bucket`, `container`.
    pub(super) bucket: &'static str,
    /// The section of the configuration.
    pub(super) section: &'static str,
    /// What to do where credentials are refused or cannot be had.
    pub(super) credentials: &'static str,
    pub(super) list: &'static str,
    pub(super) read: &'static str,
    pub(super) write: &'static str,
}

/// The bucket as messages name it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    text: String,
    bucket: String,
    words: &'static Words,
}

/// What follows from trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Retry,
    Away,
    Busy(Option<Duration>),
    Refused,
    Denied,
    Fatal,
}

/// What follows, and why.
type Verdict = (Kind, String);

impl Kind {
    fn error(self, words: String) -> SinkError {
        match self {
            Self::Retry => SinkError::Retry(words),
            Self::Away => SinkError::Away(words),
            Self::Busy(wait) => SinkError::Busy { words, wait },
            Self::Refused => SinkError::Refused(words),
            Self::Denied => SinkError::Denied(words),
            Self::Fatal => SinkError::Fatal(words),
        }
    }
}

impl Place {
    pub(super) fn new(text: String, bucket: &str, words: &'static Words) -> Self {
        Self { text, bucket: bucket.to_owned(), words }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Says that `action`, which needs `right`, failed here, why, and what follows from it.
    pub(super) fn explain(&self, action: &str, right: Right, trouble: &Trouble) -> SinkError {
        let (kind, why) = match trouble {
            Trouble::Answer(answer) => match &answer.asked {
                Asked::Store => self.refused(answer, right),
                Asked::Credentials(host) => self.no_credentials(host, answer),
            },
            Trouble::Silence(silence) => self.silent(silence),
            Trouble::NoCredential(why) => (Kind::Fatal, why.clone()),
            Trouble::Other(root) => (
                Kind::Away,
                format!(
                    "the answer makes no sense or broke off ({root}); check the network and the endpoint"
                ),
            ),
        };
        kind.error(format!("cannot {action} in {self}: {why}"))
    }

    fn refused(&self, answer: &Answer, right: Right) -> Verdict {
        let said = said(answer.status, &answer.code, &answer.words);
        let Words { bucket, credentials, .. } = self.words;
        match (answer.status, answer.code.as_str()) {
            (_, "NoSuchBucket" | "ContainerNotFound") => (
                Kind::Fatal,
                format!(
                    "{bucket} '{}' does not exist; create it, or correct the sink's url or endpoint",
                    self.bucket
                ),
            ),
            (401 | 403, _) if is_skewed(answer.ahead_s) => (Kind::Away, skewed(answer.ahead_s)),
            (401, _) | (403, "AuthenticationFailed") | (400, "InvalidAuthenticationInfo") => {
                (Kind::Denied, format!("{said}; {credentials}"))
            }
            (403, _) => (Kind::Denied, format!("{said}; {}", self.remedy(right))),
            (409, "BlobArchived") => {
                (Kind::Refused, format!("{said}; a rule moved the object to the archive: rehydrate it"))
            }
            (404 | 405 | 300..=399, _) => (
                Kind::Fatal,
                format!("{said}; correct the sink's url, or endpoint in [{}]", self.words.section),
            ),
            (429 | 503, _) => (Kind::Busy(answer.wait), said),
            (409 | 425, _) => (Kind::Retry, said),
            (408 | 500.., _) => (Kind::Away, said),
            _ => (Kind::Refused, said),
        }
    }

    fn no_credentials(&self, host: &str, answer: &Answer) -> Verdict {
        if matches!(answer.status, 408 | 425 | 429 | 500..) {
            let said = said(answer.status, &answer.code, &answer.words);
            return (Kind::Away, format!("{host} gives no credentials now ({said})"));
        }
        if is_skewed(answer.ahead_s) {
            return (Kind::Away, skewed(answer.ahead_s));
        }
        let said = said(answer.status, &answer.code, &answer.words);
        (Kind::Denied, format!("{host} gives no credentials ({said}); {}", self.words.credentials))
    }

    fn silent(&self, silence: &Silence) -> Verdict {
        let root = &silence.root;
        let why = match &silence.asked {
            Asked::Credentials(host) => {
                format!("credentials could not be had from {host} ({root}); {}", self.words.credentials)
            }
            Asked::Store if silence.is_refused => {
                "nothing listens there (connection refused); start the server or correct the endpoint"
                    .to_owned()
            }
            Asked::Store if silence.is_late => {
                format!("no answer in time ({root}); check the network and the server")
            }
            Asked::Store => format!("the connection failed ({root}); check the network and the server"),
        };
        (Kind::Away, why)
    }

    fn remedy(&self, right: Right) -> &'static str {
        match right {
            Right::List => self.words.list,
            Right::Read => self.words.read,
            Right::Write => self.words.write,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
