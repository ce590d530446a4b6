//! What a bad network or an S3 server in trouble does to one request, and S3's own words for it.

use crate::support::http::Message;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing bad.
    None,
    /// The connection breaks before the server sees the request.
    LoseRequest,
    /// The server sees half of the request's body; then both connections break.
    CutRequest,
    /// The server carries the request out; the connection breaks before the client hears so.
    LoseReply,
    /// The server carries the request out; the client gets half of the reply, then the connection breaks.
    CutReply,
    /// As [`Fault::CutReply`], and no length told the client how much there is: only the break ends it.
    CutReplyWithoutLength,
    /// The server does not see the request; the client hears nothing until it hangs up.
    StallBefore,
    /// The server carries the request out; the client hears nothing until it hangs up.
    Stall,
    /// The server does not see the request; the client gets this status.
    Answer(u16),
    /// The server carries the request out; the client gets this status all the same.
    AnswerAfter(u16),
    /// The server's clock is far from the client's: it refuses the signature (403 `RequestTimeTooSkewed`).
    Skew,
}

impl Fault {
    /// Whether the server sees the whole request.
    pub(super) fn is_forwarded(self) -> bool {
        matches!(
            self,
            Self::None
                | Self::LoseReply
                | Self::CutReply
                | Self::CutReplyWithoutLength
                | Self::Stall
                | Self::AnswerAfter(_)
        )
    }

    /// What the client gets instead of the server's answer.
    pub(super) fn answer(self, method: &str) -> Option<Message> {
        match self {
            Self::Answer(status) | Self::AnswerAfter(status) => Some(refusal(method, status, usual(status))),
            Self::Skew => {
                let mut reply = refusal(method, 403, SKEWED);
                // Of a HEAD this header is all that tells: its answer has no body. Elsewhere it is left out:
                // the SDK would sign what follows with this time, and the real server refuse it.
                if method == "HEAD" {
                    reply.headers.push(("date".to_owned(), "Sat, 01 Jan 2000 00:00:00 GMT".to_owned()));
                }
                Some(reply)
            }
            _ => None,
        }
    }
}

/// Code, message, and further elements, as in
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
type Words = (&'static str, &'static str, &'static str);

const SKEWED: Words = (
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
    "<RequestTime>20260101T000000Z</RequestTime><ServerTime>2000-01-01T00:00:00Z</ServerTime>\
     <MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>",
);

fn usual(status: u16) -> Words {
    match status {
        403 => ("AccessDenied", "Access Denied", ""),
        404 => ("NoSuchKey", "The specified key does not exist.", "<Key>injected</Key>"),
        409 => (
            "ConditionalRequestConflict",
            "The conditional request cannot succeed due to a conflicting operation against this resource.",
            "",
        ),
        412 => (
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
            "<Condition>If-None-Match</Condition>",
        ),
        503 => ("SlowDown", "Please reduce your request rate.", ""),
        _ => ("InternalError", "We encountered an internal error. Please try again.", ""),
    }
}

/// An answer of S3 in its own form. A HEAD gets the status and no word.
fn refusal(method: &str, status: u16, (code, message, more): Words) -> Message {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}\
         <RequestId>4442587FB7D0A2F9</RequestId><HostId>injected</HostId></Error>"
    );
    let mut headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
    let body = if method == "HEAD" { Vec::new() } else { body.into_bytes() };
    if method != "HEAD" {
        headers.push(("content-length".to_owned(), body.len().to_string()));
    }
    Message { start: format!("HTTP/1.1 {status} injected"), headers, body }
}
