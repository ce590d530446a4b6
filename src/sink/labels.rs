//! What goes with a batch to a receiver that keeps no metadata of its own: which batch it is, and what it holds.
//! HTTP sends it as headers, MQTT 5 as user properties.

use aws_lc_rs::digest::{SHA256, digest};

use super::{Facts, Object};
use crate::base64;

/// Media type of the payload.
pub(super) const CONTENT_TYPE: &str = "content-type";
/// Compression of the payload, if there is one.
const CONTENT_ENCODING: &str = "content-encoding";
/// Which batch this is; the same for each attempt at it.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The digest of the payload as it is sent (RFC 9530).
const CONTENT_DIGEST: &str = "content-digest";

/// Names in lower case, and values of printable ASCII.
pub(super) fn of(object: &Object) -> Vec<(String, String)> {
    let encoding = object.content_encoding.map(|encoding| (CONTENT_ENCODING, encoding.to_owned()));
    let own = [
        (CONTENT_TYPE, object.content_type.to_owned()),
        (CONTENT_DIGEST, content_digest(&object.bytes)),
        (IDEMPOTENCY_KEY, idempotency_key(&object.facts)),
    ];
    let own = own.into_iter().chain(encoding).map(|(name, value)| (name.to_owned(), value));
    own.chain(object.facts.to_metadata()).collect()
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
