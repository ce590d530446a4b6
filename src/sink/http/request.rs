//! The headers of a request: what it holds, and which batch it is.

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::base64;
use crate::sink::{Facts, Object};

/// Which batch this is; the same for each attempt at it.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The digest of the body as it is sent (RFC 9530).
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The headers that `object` goes with.
pub(super) fn headers(object: &Object) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        // Sites, tables and facts are printable ASCII.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, object.content_type);
    if let Some(encoding) = object.content_encoding {
        set(CONTENT_ENCODING, encoding);
    }
    set(CONTENT_DIGEST, &content_digest(&object.bytes));
    set(IDEMPOTENCY_KEY, &idempotency_key(&object.facts));
    for (name, value) in object.facts.to_metadata() {
        if let Ok(name) = HeaderName::try_from(name) {
            set(name, &value);
        }
    }
    headers
}

/// Instance, table, site, chain and seq: of one state there is one such batch.
fn idempotency_key(facts: &Facts) -> String {
    let Facts { instance, table, site, chain, seq, .. } = facts;
    format!("\"{instance}/{table}/{site}/{chain}/{seq}\"")
}

fn content_digest(bytes: &[u8]) -> String {
    let mut text = "sha-256=:".to_owned();
    base64::push(&mut text, digest(&SHA256, bytes).as_ref());
    text.push(':');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_spelled_as_in_the_standard() {
        // RFC 9530, appendix D.
        let text = content_digest(b"{\"hello\": \"world\"}\n");
        assert_eq!(text, "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
    }
}
