//! Why a store did not do as asked.

use std::error::Error;
use std::time::Duration;

use object_store::client::HttpErrorKind;

use crate::clock::{Clock as _, SystemClock};
use crate::sink::retry_after::retry_after;
use crate::sink::words::{one_clause, server_time_s};

/// Why a store did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It said no.
    Answer(Answer),
    /// It said nothing.
    Silence(Silence),
    /// There is no credential to show it.
    NoCredential(String),
    /// What it said makes no sense, or broke off.
    Other(String),
}

/// Who was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// The store itself.
    Store,
    /// Whoever gives credentials for it, at this host.
    Credentials(String),
}

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code} {words}")]
pub(super) struct Answer {
    pub(super) asked: Asked,
    pub(super) status: u16,
    /// As `NoSuchBucket`; empty where the server gave none.
    pub(super) code: String,
    /// The server's own words.
    pub(super) words: String,
    /// How far our clock is ahead of the server's.
    pub(super) ahead_s: Option<i64>,
    /// For so long it wants to be left alone.
    pub(super) wait: Option<Duration>,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{root}")]
pub(super) struct Silence {
    pub(super) asked: Asked,
    /// Nothing listens there.
    pub(super) is_refused: bool,
    pub(super) is_late: bool,
    /// The innermost cause.
    pub(super) root: String,
}

/// A secret that is not there, or is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoCredential(pub(super) String);

impl Answer {
    /// What the head and the beginning of the body say; `header` gives a header's value.
    pub(super) fn read<'a>(
        asked: Asked,
        status: u16,
        header: impl Fn(&str) -> Option<&'a str>,
        body: &[u8],
    ) -> Self {
        let body = String::from_utf8_lossy(body);
        let code = header("x-ms-error-code").or_else(|| element(&body, "Code")).unwrap_or_default();
        let words = match element(&body, "Message") {
            // Azure appends the request's id and time on lines of their own.
            Some(message) => message.lines().next().unwrap_or_default(),
            None if body.trim_start().starts_with('<') => "",
            None => body.trim(),
        };
        let server_s = header("date").and_then(server_time_s);
        Self {
            asked,
            status,
            code: one_clause(code),
            words: one_clause(words),
            ahead_s: server_s.map(|server_s| SystemClock.now().seconds - server_s),
            wait: header("retry-after").and_then(retry_after),
        }
    }

    /// Whether it comes from the store itself.
    pub(super) fn is_of_store(&self) -> bool {
        self.asked == Asked::Store
    }
}

impl Silence {
    pub(super) fn of(asked: Asked, kind: HttpErrorKind, error: &(dyn Error + 'static)) -> Self {
        let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        Self {
            asked,
            is_refused: find::<std::io::Error>(error).is_some_and(refused),
            is_late: kind == HttpErrorKind::Timeout,
            root: root_of(error),
        }
    }
}

impl Trouble {
    /// What is behind an error of `object_store`.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        if let Some(answer) = find::<Answer>(error) {
            return Self::Answer(answer.clone());
        }
        if let Some(silence) = find::<Silence>(error) {
            return Self::Silence(silence.clone());
        }
        if let Some(NoCredential(why)) = find(error) {
            return Self::NoCredential(why.clone());
        }
        Self::Other(root_of(error))
    }

    /// It took longer than this.
    pub(super) fn late(patience: Duration) -> Self {
        let root = format!("{} s", patience.as_secs());
        Self::Silence(Silence { asked: Asked::Store, is_refused: false, is_late: true, root })
    }

    /// Whether a put met an object. Azure says it with 409, and with 403 to a signature that may create and not
    /// overwrite.
    pub(super) fn is_taken(&self) -> bool {
        let Self::Answer(answer) = self else { return false };
        answer.is_of_store()
            && matches!(
                (answer.status, answer.code.as_str()),
                (412, _) | (409, "BlobAlreadyExists") | (403, "UnauthorizedBlobOverwrite")
            )
    }

    /// Whether a look met no object; a bucket that is not there is another matter, where the server says so.
    pub(super) fn is_no_such_key(&self) -> bool {
        let Self::Answer(answer) = self else { return false };
        answer.is_of_store()
            && answer.status == 404
            && matches!(answer.code.as_str(), "" | "NoSuchKey" | "BlobNotFound")
    }
}

/// The text of the first element of that name.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// The innermost cause.
pub(super) fn root_of(error: &(dyn Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |&error| error.source()).last();
    one_clause(&last.unwrap_or(error).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, code: Option<&'static str>, body: &str) -> Answer {
        let header = |name: &str| code.filter(|_| name == "x-ms-error-code");
        Answer::read(Asked::Store, status, header, body.as_bytes())
    }

    #[test]
    fn code_and_words_are_read_from_what_servers_write() {
        let google = "<?xml version='1.0'?><Error><Code>NoSuchBucket</Code><Message>The specified bucket does \
                      not exist.</Message></Error>";
        let read = answer(404, None, google);
        assert_eq!(
            (read.code.as_str(), read.words.as_str()),
            ("NoSuchBucket", "The specified bucket does not exist.")
        );
        let azure = "\u{feff}<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed.\n\
                     RequestId:1\nTime:2</Message></Error>";
        let read = answer(403, Some("AuthenticationFailed"), azure);
        assert_eq!((read.code.as_str(), read.words.as_str()), ("AuthenticationFailed", "Server failed."));
        let token = answer(400, None, "{\"error\":\"invalid_grant\"}");
        assert_eq!((token.code.as_str(), token.words.as_str()), ("", "{\"error\":\"invalid_grant\"}"));
        assert_eq!(answer(502, None, "<html><body>Bad</body></html>").words, "");
    }

    #[test]
    fn a_taken_key_is_known_by_its_code_and_no_other_conflict_is_taken_for_one() {
        let taken = |status, code: &'static str| Trouble::Answer(answer(status, Some(code), "")).is_taken();
        assert!(taken(412, "PreconditionFailed") && taken(409, "BlobAlreadyExists"));
        assert!(taken(403, "UnauthorizedBlobOverwrite"));
        for (status, code) in [
            (409, "ContainerBeingDeleted"),
            (409, "LeaseIdMissing"),
            (409, ""),
            (403, "AuthorizationFailure"),
            (404, ""),
        ] {
            assert!(!taken(status, code), "{status} {code}");
        }
        let elsewhere = Answer::read(Asked::Credentials("metadata".to_owned()), 412, |_| None, &[]);
        assert!(!Trouble::Answer(elsewhere).is_taken());
    }

    #[test]
    fn a_bucket_that_is_missing_is_no_absent_object() {
        let absent = |code| Trouble::Answer(answer(404, code, "")).is_no_such_key();
        assert!(absent(None) && absent(Some("BlobNotFound")) && absent(Some("NoSuchKey")));
        assert!(!absent(Some("ContainerNotFound")) && !absent(Some("NoSuchBucket")));
    }
}
