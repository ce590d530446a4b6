//! What an error of the SDK or of the server means for the one who runs the daemon.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::answer::Answer;
use super::checks::CheckError;
use super::rights::{Right, Rights};
use crate::sink::SinkError;
use crate::sink::settings::S3Settings;
use crate::sink::words::one_clause;

/// The bucket as messages name it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    text: String,
    bucket: String,
    rights: Rights,
}

impl Place {
    pub(super) fn new(settings: &S3Settings, endpoint: Option<&str>) -> Self {
        let slash = if settings.prefix.is_empty() { "" } else { "/" };
        let at = endpoint.map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        let text = format!("s3://{}{slash}{}{at}", settings.bucket, settings.prefix);
        Self { text, bucket: settings.bucket.clone(), rights: Rights::new(settings) }
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
        SinkError::Away(format!(
            "cannot {action} in {self}: the answer broke off ({why}); check the network and the server"
        ))
    }

    /// Says that `action`, which needs `right`, failed here, why, and what follows from it.
    pub(super) fn explain<E>(
        &self,
        action: &str,
        right: Right,
        error: &SdkError<E, HttpResponse>,
    ) -> SinkError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let start = format!("cannot {action} in {self}: ");
        let verdict = match error.raw_response() {
            Some(response) => match find::<CheckError>(error) {
                Some(check) => check.verdict(),
                None => Answer::read(response, error).verdict(&self.bucket, self.rights.remedy(right)),
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
pub(super) enum Verdict {
    Retry(String),
    Away(String),
    Busy(String, Option<Duration>),
    Refused(String),
    Denied(String),
    Fatal(String),
}

impl Verdict {
    fn into_error(self, start: &str) -> SinkError {
        match self {
            Self::Retry(why) => SinkError::Retry(format!("{start}{why}")),
            Self::Away(why) => SinkError::Away(format!("{start}{why}")),
            Self::Busy(why, wait) => SinkError::Busy { words: format!("{start}{why}"), wait },
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
            Self::ListCut => Verdict::Away(format!("{self}; check the network and the server")),
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

/// What is wrong where no answer came.
fn unanswered(error: &(dyn Error + 'static)) -> Verdict {
    if let Some(check) = find::<CheckError>(error) {
        return check.verdict();
    }
    let texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    let root = &root(error);
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
        return Verdict::Away(format!("credentials could not be had ({root}); check where they come from"));
    }
    if let Some(io) = find::<std::io::Error>(error)
        && io.kind() == std::io::ErrorKind::ConnectionRefused
    {
        return Verdict::Away(
            "nothing listens there (connection refused); start the server or correct the endpoint".into(),
        );
    }
    if says("dns error") || says("failed to lookup address") {
        return Verdict::Away(format!(
            "its name is not known ({root}); correct the endpoint or check the DNS"
        ));
    }
    if says("certificate") {
        return Verdict::Away(format!(
            "its certificate is not trusted ({root}); renew it, or name its authority by ca in [sink.s3]"
        ));
    }
    if says("corrupt message") {
        return Verdict::Away(format!(
            "it does not speak TLS ({root}); use http:// in the endpoint, or its TLS port"
        ));
    }
    if says("timeout") || says("timed out") {
        return Verdict::Away(format!("no answer in time ({root}); check the network and the server"));
    }
    Verdict::Away(format!("the connection failed ({root}); check the network and the server"))
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

/// What caused an error in the first place, in one clause.
pub(super) fn root(error: &(dyn Error + 'static)) -> String {
    one_clause(&chain(error).last().map_or_else(String::new, ToString::to_string))
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

    #[test]
    fn every_place_where_credentials_were_sought_is_named() {
        let searched = "\n  Environment: the credential provider was not enabled: environment variable not set\
                        \n  Profile: the credential provider was not enabled\n  Ec2: disabled";
        let expected = "no credentials were found (Environment: environment variable not set, Profile: nothing \
                        there, Ec2: disabled); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile in \
                        [sink.s3]";
        assert_eq!(no_credentials(searched), Verdict::Denied(expected.to_owned()));
    }

    /// As an HTTP client wraps what the resolver or the TLS library says.
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Wrapped(&'static str, #[source] std::io::Error);

    #[test]
    fn a_name_a_certificate_and_a_refusal_are_told_apart() {
        let refused = Wrapped("client error (Connect)", std::io::ErrorKind::ConnectionRefused.into());
        assert!(matches!(unanswered(&refused), Verdict::Away(why) if why.contains("nothing listens there")));
        let unknown =
            std::io::Error::other("failed to lookup address information: Name or service not known");
        let verdict = unanswered(&Wrapped("dns error", unknown));
        assert!(
            matches!(verdict, Verdict::Away(why) if why.starts_with("its name is not known (failed to lookup"))
        );
        let untrusted = std::io::Error::other("invalid peer certificate: UnknownIssuer");
        let verdict = unanswered(&Wrapped("client error (Connect)", untrusted));
        assert!(
            matches!(verdict, Verdict::Away(why) if why.contains("(invalid peer certificate: UnknownIssuer)"))
        );
    }
}
