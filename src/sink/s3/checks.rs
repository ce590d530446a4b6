//! What is checked on each request as it leaves and on each answer as it comes.

use std::net::{Ipv4Addr, Ipv6Addr};

use aws_sdk_s3::config::interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

/// Headers in which a server repeats the checksum of what it stored.
const CHECKSUM_HEADERS: [&str; 3] =
    ["x-amz-checksum-crc64nvme", "x-amz-checksum-crc32", "x-amz-checksum-sha256"];

/// A request that must not leave, or an answer that must not be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CheckError {
    #[error("{0} is not encrypted")]
    PlainHttp(String),
    #[error("the server stored {stored} where {sent} was sent ({header})")]
    Damaged { header: &'static str, sent: String, stored: String },
}

/// Holds for every request, whatever setting, profile or variable its endpoint came from.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) allow_http: bool,
}

impl Intercept for Checks {
    fn name(&self) -> &'static str {
        "livecosmos"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Ok(check_encrypted(context.request().uri(), self.allow_http)?)
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(request), Some(response)) = (context.request(), context.response()) else { return Ok(()) };
        for header in CHECKSUM_HEADERS {
            check_echo(header, request.headers().get(header), response.headers().get(header))?;
        }
        Ok(())
    }
}

/// Refuses plain HTTP to another machine: it shows the data to everybody on the way.
pub(super) fn check_encrypted(url: &str, allow_http: bool) -> Result<(), CheckError> {
    let Some(rest) = url.strip_prefix("http://") else { return Ok(()) };
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    if allow_http || is_loopback(authority) {
        return Ok(());
    }
    Err(CheckError::PlainHttp(format!("http://{authority}")))
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or(authority),
    };
    // With bucket names in the host: `bucket.localhost`.
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

fn check_echo(header: &'static str, sent: Option<&str>, stored: Option<&str>) -> Result<(), CheckError> {
    match (sent, stored) {
        (Some(sent), Some(stored)) if sent != stored => {
            Err(CheckError::Damaged { header, sent: sent.to_owned(), stored: stored.to_owned() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine_unless_allowed() {
        for url in ["http://127.0.0.1:9000/b", "http://127.3.2.1", "http://localhost/b", "http://[::1]:1/b"] {
            assert_eq!(check_encrypted(url, false), Ok(()), "{url}");
        }
        for url in ["http://s3.example:9000/b?x", "http://10.0.0.1", "http://127.0.0.1.example/", "http://[::2]/"] {
            assert!(check_encrypted(url, false).is_err(), "{url}");
            assert_eq!(check_encrypted(url, true), Ok(()), "{url}");
        }
        assert_eq!(check_encrypted("https://s3.example/b", false), Ok(()));
    }

    #[test]
    fn a_checksum_that_comes_back_different_is_damage() {
        let header = CHECKSUM_HEADERS[0];
        assert!(check_echo(header, Some("AAAA"), Some("AAAB")).is_err());
        for (sent, stored) in [(Some("AAAA"), Some("AAAA")), (Some("AAAA"), None), (None, Some("AAAA"))] {
            assert_eq!(check_echo(header, sent, stored), Ok(()));
        }
    }
}
