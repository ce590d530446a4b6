//! Which keys an object can have.

use super::SinkError;

/// The folder of the sink's own files. No object lives in it.
pub(super) const OWN_FOLDER: &str = ".livecosmos";

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
