//! What is checked on each request as it leaves and on each answer as it comes.

use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef,
    BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

use crate::sink::encrypted::plain_to_another_machine;

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
    #[error("the list of keys broke off")]
    ListCut,
}

/// Lets no request leave unencrypted, whatever setting, profile or variable its endpoint came from.
#[derive(Debug)]
pub(super) struct Encrypted {
    pub(super) allow_http: bool,
}

impl Intercept for Encrypted {
    fn name(&self) -> &'static str {
        "livecosmos encrypted"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Ok(check_encrypted(context.request().uri(), self.allow_http)?)
    }
}

/// Compares the checksum that one request sends with the one that its answer repeats.
#[derive(Debug, Default)]
pub(super) struct Echo {
    /// Header and value as sent, from when the request leaves.
    sent: Mutex<Option<(&'static str, String)>>,
}

impl Intercept for Echo {
    fn name(&self) -> &'static str {
        "livecosmos echo"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request().headers();
        let sent = CHECKSUM_HEADERS.into_iter().find_map(|name| Some((name, headers.get(name)?.to_owned())));
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = sent;
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((header, sent)) = sent.as_ref() else { return Ok(()) };
        Ok(check_echo(header, sent, context.response().headers().get(header))?)
    }
}

/// Believes a list of keys only if it is there to its end: the SDK takes one that breaks off, where no
/// length told so, for a shorter one.
#[derive(Debug)]
pub(super) struct WholeList;

impl Intercept for WholeList {
    fn name(&self) -> &'static str {
        "livecosmos whole list"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let body = response.body().bytes().unwrap_or_default();
        if response.status().is_success() && !is_whole_list(body) {
            return Err(CheckError::ListCut.into());
        }
        Ok(())
    }
}

fn is_whole_list(body: &[u8]) -> bool {
    body.trim_ascii_end().ends_with(b"ListBucketResult>")
}

/// Refuses plain HTTP to another machine: it shows the data to everybody on the way.
pub(super) fn check_encrypted(url: &str, allow_http: bool) -> Result<(), CheckError> {
    match plain_to_another_machine(url).filter(|_| !allow_http) {
        Some(authority) => Err(CheckError::PlainHttp(format!("http://{authority}"))),
        None => Ok(()),
    }
}

fn check_echo(header: &'static str, sent: &str, stored: Option<&str>) -> Result<(), CheckError> {
    match stored {
        Some(stored) if stored != sent => {
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
        for url in
            ["http://s3.example:9000/b?x", "http://10.0.0.1", "http://127.0.0.1.example/", "http://[::2]/"]
        {
            assert!(check_encrypted(url, false).is_err(), "{url}");
            assert_eq!(check_encrypted(url, true), Ok(()), "{url}");
        }
        assert_eq!(check_encrypted("https://s3.example/b", false), Ok(()));
    }

    #[test]
    fn a_list_is_whole_when_its_last_element_is_closed() {
        for whole in
            ["<ListBucketResult></ListBucketResult>", "<a:ListBucketResult>\n</a:ListBucketResult>\n"]
        {
            assert!(is_whole_list(whole.as_bytes()), "{whole}");
        }
        for cut in ["", "<ListBucketResult><Key>a", "<ListBucketResult></ListBucketResult", "<html></html>"] {
            assert!(!is_whole_list(cut.as_bytes()), "{cut}");
        }
    }

    #[test]
    fn a_checksum_that_comes_back_different_is_damage() {
        let header = CHECKSUM_HEADERS[0];
        assert!(check_echo(header, "AAAA", Some("AAAB")).is_err());
        assert_eq!(check_echo(header, "AAAA", Some("AAAA")), Ok(()));
        assert_eq!(check_echo(header, "AAAA", None), Ok(()));
    }
}
