//! Which keys an object can have.

use super::SinkError;

/// The folder of the sink's own files. No object lives in it.
pub(super) const OWN_FOLDER: &str = ".livecosmos";

/// The key that [`super::Sink::probe`] tries create-if-absent on, after the prefix.
pub(super) const PROBE: &str = ".livecosmos/probe";
/// What stands there: an operator may find it and wonder.
pub(super) const PROBE_BYTES: &[u8] =
    b"livecosmos tries here whether this server creates an object only where there is none\n";
/// Keys asked for at once; S3 gives no more.
const PAGE_KEYS_MAX: u16 = 1000;
/// Fewer are never asked for: up to ten before the first that is wanted come along, see [`start_after`].
const PAGE_KEYS_MIN: u16 = 32;
/// What S3 allows, prefix included.
const KEY_BYTES_MAX: usize = 1024;

/// Refuses a key that would leave its folder, or that not every sink could hold.
pub(super) fn check(key: &str) -> Result<(), SinkError> {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    let fits = (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control);
    if fits && key.split('/').all(plain) && !is_own(key) {
        return Ok(());
    }
    Err(SinkError::Refused(format!(
        "key {key:?} is not allowed; use at most {KEY_BYTES_MAX} bytes of names with single slashes between \
         them, none of them '.' or '..', the first not '{OWN_FOLDER}'"
    )))
}

/// Whether `key` is one of the sink's own files.
pub(super) fn is_own(key: &str) -> bool {
    key.strip_prefix(OWN_FOLDER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How many keys to ask for at once, where so many are wanted.
pub(super) fn page(wanted: usize) -> u16 {
    u16::try_from(wanted).unwrap_or(PAGE_KEYS_MAX).clamp(PAGE_KEYS_MIN, PAGE_KEYS_MAX)
}

/// A key below `from` with few keys between them: where servers begin is exclusive, and `from` is not.
pub(super) fn start_after<'a>(prefix: &str, from: &'a str) -> Option<&'a str> {
    let last = from.char_indices().next_back()?.0;
    (from > prefix && last > 0).then_some(&from[..last])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_below_its_root() {
        let long = "x".repeat(1025);
        let bad = [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "a/./b",
            "a\0",
            "a\nb",
            ".livecosmos",
            ".livecosmos/probe",
            &long,
        ];
        for key in bad {
            assert!(matches!(check(key), Err(SinkError::Refused(_))), "{key:?} was taken");
        }
        for key in ["a", "a/b", "...", "a..b/c", ".livecosmos2", "a/.livecosmos", "Ä/µ.ndjson", "T#1"] {
            assert!(check(key).is_ok(), "{key:?} was refused");
        }
    }
}
