//! What an error of the SDK or of the server means for the one who runs the daemon.

use std::error::Error;
use std::fmt;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::checks::CheckError;
use crate::clock::{Clock as _, SystemClock};
use crate::sink::SinkError;
use crate::sink::settings::S3Settings;

/// How much of a server's own words goes into a message.
const WORDS_CHARS_MAX: usize = 300;

/// How far a clock may be off before S3 refuses what it signed.
const SKEW_S_MAX: i64 = 15 * 60;

/// The bucket as messages name it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    text: String,
    bucket: String,
}

impl Place {
    pub(super) fn new(settings: &S3Settings, endpoint: Option<&str>) -> Self {
        let slash = if settings.prefix.is_empty() { "" } else { "/" };
        let at = endpoint.map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        let text = format!("s3://{}{slash}{}{at}", settings.bucket, settings.prefix);
        Self { text, bucket: settings.bucket.clone() }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Says that the body of an answer did not come whole, though the answer said that it would.
    ///
    /// Bytes that do not fit the checksum the server keeps with them are no better at the next try.
    pub(super) fn explain_body(&self, action: &str, error: &(dyn Error + 'static)) -> SinkError {
        let texts: Vec<String> = chain(error).map(ToString::to_string).collect();
        let root = one_clause(texts.last().map_or("", String::as_str));
        if texts.iter().any(|text| text.contains("checksum mismatch")) {
            return SinkError::Refused(format!(
                "cannot {action} in {self}: its bytes are not those that were stored ({root}); check the server's disks"
            ));
        }
        self.explain_cut(action, &root)
    }

    /// Says that an answer broke off.
    pub(super) fn explain_cut(&self, action: &str, why: &str) -> SinkError {
        SinkError::Retry(format!(
            "cannot {action} in {self}: the answer broke off ({why}); check the network and the server"
        ))
    }

    /// Says that `action` failed here, why, and what follows from it.
    pub(super) fn explain<E>(&self, action: &str, error: &SdkError<E, HttpResponse>) -> SinkError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let start = format!("cannot {action} in {self}: ");
        let verdict = match error.raw_response() {
            Some(response) => match find::<CheckError>(error) {
                Some(check) => check.verdict(),
                None => Answer::read(response, error).verdict(&self.bucket),
            },
            None => unanswered(error),
        };
        verdict.into_error(&start)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// HTTP status of the answer, if there was one.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whether there is no such object; a bucket that is not there is another matter.
pub(super) fn is_no_such_key<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    status(error) == Some(404) && error.code() == Some("NoSuchKey")
}

/// Whether the server stored other bytes than were sent.
pub(super) fn is_damage<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(find::<CheckError>(error), Some(CheckError::Damaged { .. }))
}

/// What follows from an error, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Retry(String),
    Refused(String),
    Denied(String),
    Fatal(String),
}

impl Verdict {
    fn into_error(self, start: &str) -> SinkError {
        match self {
            Self::Retry(why) => SinkError::Retry(format!("{start}{why}")),
            Self::Refused(why) => SinkError::Refused(format!("{start}{why}")),
            Self::Denied(why) => SinkError::Denied(format!("{start}{why}")),
            Self::Fatal(why) => SinkError::Fatal(format!("{start}{why}")),
        }
    }
}

impl CheckError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::PlainHttp(_) => {
                Verdict::Fatal(format!("{self}; use https, or set allow_http = true in [sink.s3]"))
            }
            Self::ListCut => Verdict::Retry(format!("{self}; check the network and the server")),
            // It is stored, and the next start finds it and takes it for ours: no retry would replace it.
            Self::Damaged { .. } => Verdict::Fatal(format!(
                "{self}; stop this daemon, compare the object with its rows, and unless they are the same remove it \
                 before you start again, which would take it as stored; then check the server's disks and memory"
            )),
        }
    }

    pub(super) fn into_sink_error(self) -> SinkError {
        self.verdict().into_error("")
    }
}

/// What a server said no with.
#[derive(Debug, Clone, Default)]
struct Answer {
    status: u16,
    /// As `NoSuchBucket`; empty where the server gave none, as to every HEAD.
    code: String,
    /// The server's own words.
    words: String,
    /// Region in which the bucket is, where the server says so.
    region: Option<String>,
    /// How far our clock is ahead of the server's.
    ahead_s: Option<i64>,
}

impl Answer {
    fn read<E: ProvideErrorMetadata>(response: &HttpResponse, error: &SdkError<E, HttpResponse>) -> Self {
        let header = |name| response.headers().get(name);
        let words = error.message().unwrap_or_default();
        Self {
            status: response.status().as_u16(),
            code: error.code().unwrap_or_default().to_owned(),
            words: one_clause(words),
            region: header("x-amz-bucket-region").map(str::to_owned),
            ahead_s: header("date").and_then(server_time_s).map(|server| SystemClock.now().seconds - server),
        }
    }

    fn verdict(&self, bucket: &str) -> Verdict {
        self.verdict_by_code(bucket).unwrap_or_else(|| self.verdict_by_status(bucket))
    }

    fn verdict_by_code(&self, bucket: &str) -> Option<Verdict> {
        let said = self.said();
        Some(match self.code.as_str() {
            "NoSuchBucket" => Verdict::Fatal(format!(
                "bucket '{bucket}' does not exist; create it, or correct the sink's url or endpoint"
            )),
            "InvalidBucketName" => Verdict::Fatal(format!("{said}; correct the sink's url")),
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                self.wrong_region(bucket)
            }
            "RequestTimeTooSkewed" => Verdict::Retry(self.skewed()),
            "InvalidAccessKeyId" => Verdict::Denied(format!("{said}; correct the access key")),
            "SignatureDoesNotMatch" => Verdict::Denied(format!("{said}; correct the secret key")),
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                Verdict::Denied(format!("{said}; get new credentials, as by 'aws sso login'"))
            }
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "NotSignedUp" => {
                Verdict::Denied(format!("{said}; {RIGHTS_NEEDED}"))
            }
            "ConditionalRequestConflict" | "OperationAborted" => {
                Verdict::Retry(format!("{said}; another put of this key is under way"))
            }
            "RequestTimeout"
            | "IncompleteBody"
            | "BadDigest"
            | "XAmzContentChecksumMismatch"
            | "XAmzContentSHA256Mismatch"
            | "InvalidDigest"
            | "SlowDown"
            | "Throttling"
            | "ThrottlingException" => Verdict::Retry(said),
            "NotImplemented" => Verdict::Refused(format!("{said}; {CHECKSUM_HINT}")),
            _ => return None,
        })
    }

    fn verdict_by_status(&self, bucket: &str) -> Verdict {
        let said = self.said();
        match self.status {
            // To a HEAD the server says no more than 403: its time then tells why.
            403 if self.code.is_empty() && self.is_skewed() => Verdict::Retry(self.skewed()),
            // Without the right to list, S3 answers 403 for what does not exist.
            401 | 403 if self.code.is_empty() => Verdict::Denied(format!(
                "{said}; the credentials are refused, or lack s3:ListBucket and there is no such key or bucket: \
                 {RIGHTS_NEEDED}"
            )),
            401 | 403 => Verdict::Denied(format!("{said}; {RIGHTS_NEEDED}")),
            301..=308 => self.wrong_region(bucket),
            404 | 405 => {
                Verdict::Fatal(format!("{said}; is this the address of an S3 server? correct the endpoint"))
            }
            408 | 409 | 425 | 429 | 500.. => Verdict::Retry(said),
            200..=299 => {
                Verdict::Retry(format!("{said}, which is no answer of an S3 server; check the endpoint"))
            }
            400 if self.words.to_ascii_lowercase().contains("checksum") => {
                Verdict::Refused(format!("{said}; {CHECKSUM_HINT}"))
            }
            _ => Verdict::Refused(said),
        }
    }

    /// The answer in one clause: status, code and the server's own words.
    fn said(&self) -> String {
        let mut said = format!("the server answered {}", self.status);
        if !self.code.is_empty() {
            said.push(' ');
            said.push_str(&self.code);
        }
        if !self.words.is_empty() && self.words != self.code {
            said.push_str(" (");
            said.push_str(self.words.trim_end_matches('.'));
            said.push(')');
        }
        said
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

    fn is_skewed(&self) -> bool {
        self.ahead_s.is_some_and(|ahead_s| ahead_s.abs() > SKEW_S_MAX)
    }

    fn skewed(&self) -> String {
        let skew = match self.ahead_s {
            Some(ahead @ 0..) => format!("this machine's clock is {ahead} s ahead of the server's"),
            Some(behind) => format!("this machine's clock is {} s behind the server's", -behind),
            None => "this machine's clock and the server's differ".to_owned(),
        };
        format!("{skew}, which the server refuses; set the clock, as by 'timedatectl set-ntp true'")
    }
}

const RIGHTS_NEEDED: &str =
    "give the credentials s3:PutObject and s3:GetObject below the prefix and s3:ListBucket on the bucket";
const CHECKSUM_HINT: &str = "if that is about checksums, set checksum = \"when-required\" in [sink.s3]";

/// Someone else's words as a part of our sentence, whose one semicolon comes before the remedy.
fn one_clause(words: &str) -> String {
    let printable = words.chars().filter(|letter| !letter.is_control()).take(WORDS_CHARS_MAX);
    printable.map(|letter| if letter == ';' { ',' } else { letter }).collect()
}

/// Seconds since 1970 of an HTTP date, `Sat, 21 Nov 2026 02:00:00 GMT`.
fn server_time_s(date: &str) -> Option<i64> {
    let time = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(time.timestamp().as_second())
}

/// What is wrong where no answer came.
fn unanswered(error: &(dyn Error + 'static)) -> Verdict {
    if let Some(check) = find::<CheckError>(error) {
        return check.verdict();
    }
    let texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    let root = &one_clause(texts.last().map_or("", String::as_str));
    let says = |part: &str| texts.iter().any(|text| text.contains(part));
    if let Some(searched) =
        texts.iter().find_map(|text| text.strip_prefix("no credentials found in chain. Attempted:"))
    {
        return no_credentials(searched);
    }
    if says("credentials provider was not properly configured") {
        return Verdict::Denied(format!(
            "the credentials are not set up right ({root}); correct the AWS profile"
        ));
    }
    if says("credential") {
        return Verdict::Retry(format!("credentials could not be had ({root}); check where they come from"));
    }
    if let Some(io) = find::<std::io::Error>(error)
        && io.kind() == std::io::ErrorKind::ConnectionRefused
    {
        return Verdict::Retry(
            "nothing listens there (connection refused); start the server or correct the endpoint".into(),
        );
    }
    if says("dns error") || says("failed to lookup address") {
        return Verdict::Retry(format!(
            "its name is not known ({root}); correct the endpoint or check the DNS"
        ));
    }
    if says("certificate") {
        return Verdict::Retry(format!(
            "its certificate is not trusted ({root}); renew it, or add its authority to the system's or to SSL_CERT_FILE"
        ));
    }
    if says("corrupt message") {
        return Verdict::Retry(format!(
            "it does not speak TLS ({root}); use http:// in the endpoint, or its TLS port"
        ));
    }
    if says("timeout") || says("timed out") {
        return Verdict::Retry(format!("no answer in time ({root}); check the network and the server"));
    }
    Verdict::Retry(format!("the connection failed ({root}); check the network and the server"))
}

/// `searched` has a line for each place: its name and why there was nothing.
fn no_credentials(searched: &str) -> Verdict {
    let places = searched
        .replace("the credential provider was not enabled: ", "")
        .replace("the credential provider was not enabled", "nothing there");
    let places: Vec<_> = places.lines().map(str::trim).filter(|place| !place.is_empty()).collect();
    Verdict::Denied(format!(
        "no credentials were found ({}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile in [sink.s3]",
        places.join(", ")
    ))
}

/// An error and what caused it, outermost first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, code: &str, words: &str) -> Verdict {
        Answer { status, code: code.to_owned(), words: words.to_owned(), ..Answer::default() }.verdict("b")
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
            assert!(matches!(verdict(status, code, ""), Verdict::Retry(_)), "{status} {code}");
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
        for (status, code) in
            [(400, "EntityTooLarge"), (400, "InvalidRequest"), (400, "KeyTooLongError"), (413, "")]
        {
            assert!(matches!(verdict(status, code, ""), Verdict::Refused(_)), "{status} {code}");
        }
    }

    #[test]
    fn a_bucket_elsewhere_names_its_region() {
        let answer = Answer { status: 301, region: Some("eu-west-2".to_owned()), ..Answer::default() };
        let expected = "bucket 'b' is in eu-west-2; set region = \"eu-west-2\" in [sink.s3]";
        assert_eq!(answer.verdict("b"), Verdict::Fatal(expected.to_owned()));
    }

    #[test]
    fn a_wrong_clock_is_told_by_how_much() {
        let code = "RequestTimeTooSkewed".to_owned();
        let answer = Answer { status: 403, code, ahead_s: Some(-1200), ..Answer::default() };
        let expected = "this machine's clock is 1200 s behind the server's, which the server refuses; set the \
                        clock, as by 'timedatectl set-ntp true'";
        assert_eq!(answer.verdict("b"), Verdict::Retry(expected.to_owned()));
        let of_head =
            |ahead_s| Answer { status: 403, ahead_s: Some(ahead_s), ..Answer::default() }.verdict("b");
        assert_eq!(of_head(-1200), Verdict::Retry(expected.to_owned()), "an answer without words");
        assert!(matches!(of_head(-60), Verdict::Denied(_)), "so far no server minds");
        assert_eq!(server_time_s("Sat, 21 Nov 2026 02:00:00 GMT"), Some(1_795_226_400));
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
    fn every_place_where_credentials_were_sought_is_named() {
        let searched = "\n  Environment: the credential provider was not enabled: environment variable not set\
                        \n  Profile: the credential provider was not enabled\n  Ec2: disabled";
        let expected = "no credentials were found (Environment: environment variable not set, Profile: nothing \
                        there, Ec2: disabled); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile in \
                        [sink.s3]";
        assert_eq!(no_credentials(searched), Verdict::Denied(expected.to_owned()));
        assert_eq!(one_clause("a; b\r\nc"), "a, bc");
    }

    #[test]
    fn the_servers_own_words_are_part_of_the_message() {
        let expected = "the server answered 400 InvalidTag (The tag is too long)";
        assert_eq!(verdict(400, "InvalidTag", "The tag is too long."), Verdict::Refused(expected.to_owned()));
    }

    /// As an HTTP client wraps what the resolver or the TLS library says.
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Wrapped(&'static str, #[source] std::io::Error);

    #[test]
    fn a_name_a_certificate_and_a_refusal_are_told_apart() {
        let refused = Wrapped("client error (Connect)", std::io::ErrorKind::ConnectionRefused.into());
        assert!(matches!(unanswered(&refused), Verdict::Retry(why) if why.contains("nothing listens there")));
        let unknown =
            std::io::Error::other("failed to lookup address information: Name or service not known");
        let verdict = unanswered(&Wrapped("dns error", unknown));
        assert!(
            matches!(verdict, Verdict::Retry(why) if why.starts_with("its name is not known (failed to lookup"))
        );
        let untrusted = std::io::Error::other("invalid peer certificate: UnknownIssuer");
        let verdict = unanswered(&Wrapped("client error (Connect)", untrusted));
        assert!(
            matches!(verdict, Verdict::Retry(why) if why.contains("(invalid peer certificate: UnknownIssuer)"))
        );
    }
}
