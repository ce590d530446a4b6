//! What a server said no with, and what follows from it.

use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::error::Verdict;
use super::parts::NO_SUCH_UPLOAD;
use crate::clock::{Clock as _, SystemClock};
use crate::sink::retry_after::retry_after;
use crate::sink::words::{is_skewed, one_clause, said, server_time_s, skewed};

const CHECKSUM_HINT: &str = "if that is about checksums, set checksum = \"when-required\" in [sink.s3]";

/// What a server said no with.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    status: u16,
    /// As `NoSuchBucket`; empty where the server gave none, as to every HEAD.
    code: String,
    /// The server's own words.
    words: String,
    /// Region in which the bucket is, where the server says so.
    region: Option<String>,
    /// How far our clock is ahead of the server's.
    ahead_s: Option<i64>,
    /// For how long the server wants to be left alone.
    wait: Option<Duration>,
}

impl Answer {
    pub(super) fn read<E: ProvideErrorMetadata>(
        response: &HttpResponse,
        error: &SdkError<E, HttpResponse>,
    ) -> Self {
        let header = |name| response.headers().get(name);
        let words = error.message().unwrap_or_default();
        let server_s = header("date")
            .and_then(server_time_s)
            .or_else(|| written_time_s(response.body().bytes().unwrap_or_default()));
        Self {
            status: response.status().as_u16(),
            code: error.code().unwrap_or_default().to_owned(),
            words: one_clause(words),
            region: header("x-amz-bucket-region").map(str::to_owned),
            ahead_s: server_s.map(|server_s| SystemClock.now().seconds - server_s),
            wait: header("retry-after").and_then(retry_after),
        }
    }

    /// What follows; `rights` says what to allow, if it is a right that is missing.
    pub(super) fn verdict(&self, bucket: &str, rights: &str) -> Verdict {
        self.verdict_by_code(bucket, rights).unwrap_or_else(|| self.verdict_by_status(bucket, rights))
    }

    fn verdict_by_code(&self, bucket: &str, rights: &str) -> Option<Verdict> {
        let said = self.said();
        Some(match self.code.as_str() {
            "NoSuchBucket" => Verdict::Fatal(format!(
                "bucket '{bucket}' does not exist; create it, or correct the sink's url or endpoint"
            )),
            "InvalidBucketName" => Verdict::Fatal(format!("{said}; correct the sink's url")),
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                self.wrong_region(bucket)
            }
            "RequestTimeTooSkewed" => Verdict::Away(skewed(self.ahead_s)),
            "InvalidAccessKeyId" => Verdict::Denied(format!("{said}; correct the access key")),
            "SignatureDoesNotMatch" => Verdict::Denied(format!("{said}; correct the secret key")),
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                Verdict::Denied(format!("{said}; get new credentials, as by 'aws sso login'"))
            }
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "NotSignedUp" => {
                Verdict::Denied(format!("{said}; {rights}"))
            }
            "InvalidObjectState" => Verdict::Refused(format!(
                "{said}; a rule of the bucket moved the object to an archive: restore it from there"
            )),
            "ConditionalRequestConflict" | "OperationAborted" => {
                Verdict::Retry(format!("{said}; another put of this key is under way"))
            }
            // The upload of a large object, which begins anew.
            NO_SUCH_UPLOAD => Verdict::Retry(format!(
                "{said}; another upload of this key, or a rule of the bucket, ended it"
            )),
            "SlowDown" | "Throttling" | "ThrottlingException" => Verdict::Busy(said, self.wait),
            "RequestTimeout"
            | "IncompleteBody"
            | "BadDigest"
            | "XAmzContentChecksumMismatch"
            | "XAmzContentSHA256Mismatch"
            | "InvalidDigest" => Verdict::Retry(said),
            "NotImplemented" => Verdict::Refused(format!("{said}; {CHECKSUM_HINT}")),
            _ => return None,
        })
    }

    fn verdict_by_status(&self, bucket: &str, rights: &str) -> Verdict {
        let said = self.said();
        match self.status {
            // To a HEAD the server says no more than 403: its time then tells why.
            403 if self.code.is_empty() && is_skewed(self.ahead_s) => Verdict::Away(skewed(self.ahead_s)),
            401 | 403 => Verdict::Denied(format!("{said}; {rights}")),
            301..=308 => self.wrong_region(bucket),
            404 | 405 => {
                Verdict::Fatal(format!("{said}; is this the address of an S3 server? correct the endpoint"))
            }
            429 | 503 => Verdict::Busy(said, self.wait),
            409 | 425 => Verdict::Retry(said),
            408 | 500.. => Verdict::Away(said),
            200..=299 => {
                Verdict::Away(format!("{said}, which is no answer of an S3 server; check the endpoint"))
            }
            400 if self.words.to_ascii_lowercase().contains("checksum") => {
                Verdict::Refused(format!("{said}; {CHECKSUM_HINT}"))
            }
            _ => Verdict::Refused(said),
        }
    }

    /// The answer in one clause.
    fn said(&self) -> String {
        said(self.status, &self.code, &self.words)
    }

    fn wrong_region(&self, bucket: &str) -> Verdict {
        let said = self.said();
        Verdict::Fatal(match &self.region {
            Some(region) => {
                format!("bucket '{bucket}' is in {region}; set region = \"{region}\" in [sink.s3]")
            }
            None => format!("{said}; set the bucket's region in [sink.s3], or correct the endpoint"),
        })
    }
}

/// Seconds since 1970 of `<ServerTime>2026-11-21T02:00:00Z</ServerTime>`, which S3 writes where it refuses our time.
fn written_time_s(body: &[u8]) -> Option<i64> {
    let (_, rest) = std::str::from_utf8(body).ok()?.split_once("<ServerTime>")?;
    let (time, _) = rest.split_once("</ServerTime>")?;
    Some(time.parse::<jiff::Timestamp>().ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, code: &str, words: &str) -> Verdict {
        Answer { status, code: code.to_owned(), words: words.to_owned(), ..Answer::default() }
            .verdict("b", "RIGHTS")
    }

    #[test]
    fn an_answer_is_told_by_what_must_be_done() {
        let retried = [
            (503, "SlowDown"),
            (500, "InternalError"),
            (502, ""),
            (429, ""),
            (408, ""),
            (400, "RequestTimeout"),
            (400, "BadDigest"),
            (409, "ConditionalRequestConflict"),
            (403, "RequestTimeTooSkewed"),
            (200, ""),
        ];
        for (status, code) in retried {
            let passes = matches!(
                (verdict(status, code, ""), status),
                (Verdict::Busy(..), 429 | 503)
                    | (Verdict::Retry(_), 400 | 409)
                    | (Verdict::Away(_), 200 | 403 | 408 | 500 | 502)
            );
            assert!(passes, "{status} {code}");
        }
        for code in
            ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken", "Other", ""]
        {
            assert!(matches!(verdict(403, code, ""), Verdict::Denied(_)), "{code}");
        }
        for (status, code) in
            [(404, "NoSuchBucket"), (301, "PermanentRedirect"), (301, ""), (404, ""), (405, "")]
        {
            assert!(matches!(verdict(status, code, ""), Verdict::Fatal(_)), "{status} {code}");
        }
        for (status, code) in [
            (400, "EntityTooLarge"),
            (400, "InvalidRequest"),
            (400, "KeyTooLongError"),
            (403, "InvalidObjectState"),
            (413, ""),
        ] {
            assert!(matches!(verdict(status, code, ""), Verdict::Refused(_)), "{status} {code}");
        }
    }

    #[test]
    fn a_server_that_is_busy_may_say_for_how_long() {
        let wait = Some(Duration::from_secs(7));
        for (status, code) in [(503, "SlowDown"), (503, ""), (429, "")] {
            let answer = Answer { status, code: code.to_owned(), wait, ..Answer::default() };
            let verdict = answer.verdict("b", "RIGHTS");
            assert!(matches!(&verdict, Verdict::Busy(_, said) if *said == wait), "{verdict:?}");
        }
    }

    #[test]
    fn a_bucket_elsewhere_names_its_region() {
        let answer = Answer { status: 301, region: Some("eu-west-2".to_owned()), ..Answer::default() };
        let expected = "bucket 'b' is in eu-west-2; set region = \"eu-west-2\" in [sink.s3]";
        assert_eq!(answer.verdict("b", "RIGHTS"), Verdict::Fatal(expected.to_owned()));
    }

    #[test]
    fn a_wrong_clock_is_told_by_how_much() {
        let code = "RequestTimeTooSkewed".to_owned();
        let answer = Answer { status: 403, code, ahead_s: Some(-1200), ..Answer::default() };
        let expected = "this machine's clock is 1200 s behind the server's, which the server refuses; set the \
                        clock, as by 'timedatectl set-ntp true'";
        assert_eq!(answer.verdict("b", "RIGHTS"), Verdict::Away(expected.to_owned()));
        let of_head = |ahead_s| {
            Answer { status: 403, ahead_s: Some(ahead_s), ..Answer::default() }.verdict("b", "RIGHTS")
        };
        assert_eq!(of_head(-1200), Verdict::Away(expected.to_owned()), "an answer without words");
        assert!(matches!(of_head(-60), Verdict::Denied(_)), "so far no server minds");
        let body = b"<Error><ServerTime>2026-11-21T02:00:00Z</ServerTime></Error>";
        assert_eq!(written_time_s(body), Some(1_795_226_400));
        assert_eq!(written_time_s(b"<ServerTime>soon</ServerTime>"), None);
    }

    #[test]
    fn a_server_that_refuses_checksums_leads_to_the_setting() {
        for verdict in [
            verdict(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
            ),
            verdict(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-crc64nvme' received"),
        ] {
            assert!(
                matches!(&verdict, Verdict::Refused(why) if why.contains("when-required")),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn the_servers_own_words_are_part_of_the_message() {
        let expected = "the server answered 400 InvalidTag (The tag is too long)";
        assert_eq!(verdict(400, "InvalidTag", "The tag is too long."), Verdict::Refused(expected.to_owned()));
    }
}
