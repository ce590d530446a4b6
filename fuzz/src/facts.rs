//! What an object says of itself, of any text: it is refused, or says the same when it is written again.
//!
//! An input is lines of `name=value`; a name stands for the metadata field `livecosmos-name`.

use std::collections::BTreeMap;

use livecosmos::key::KeyTemplate;
use livecosmos::sink::Facts;
use livecosmos_state::{Cursor, Time};

/// What S3 takes as metadata, names and values together.
const METADATA_BYTES_MAX: usize = 2048;

/// Takes `input` for metadata, and each of its values for a cursor, a time and a key.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let metadata: BTreeMap<String, String> =
        pairs.map(|(name, value)| (format!("livecosmos-{name}"), value.to_owned())).collect();
    for word in metadata.values() {
        check_word(word);
    }
    let Ok(facts) = Facts::from_metadata(&metadata) else { return };
    let written = facts.to_metadata();
    assert!(written.values().all(|value| value == &value.trim().replace('\n', " ")) || !is_plain(&metadata));
    let again = Facts::from_metadata(&written).expect("what was written is read");
    assert_eq!(again.to_metadata(), written);
    // Of the contents only what fits is written: nothing else may change.
    assert_eq!(Facts { contents: facts.contents.clone(), ..again }, facts);
    if bytes(&metadata) < METADATA_BYTES_MAX {
        assert!(bytes(&written) <= METADATA_BYTES_MAX, "{written:?}");
    }
}

fn is_plain(metadata: &BTreeMap<String, String>) -> bool {
    metadata.values().all(|value| value.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn bytes(metadata: &BTreeMap<String, String>) -> usize {
    metadata.iter().map(|(name, value)| "x-amz-meta-".len() + name.len() + value.len()).sum()
}

/// A word has one meaning, and a meaning one word.
fn check_word(word: &str) {
    if let Ok(cursor) = word.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), word);
        assert!(word.bytes().all(|byte| byte.is_ascii_graphic()), "{word}");
    }
    if let Ok(time) = word.parse::<Time>() {
        assert_eq!(time.to_string(), word);
    }
    let table = livecosmos_state::TableName::parse("COSMOS.LEVEL1_T").expect("a table's name");
    let template = KeyTemplate::parse(word).unwrap_or_default();
    if let Some((site, chain, seq)) = template.place_of(&table, word) {
        let begins = if template.is_listed_by_seq() {
            template.stem(&site, &table, &chain, seq)
        } else {
            template.common_prefix(&table, Some(&site))
        };
        assert!(word.starts_with(&begins), "{word} and {begins}");
    }
    let _ = template.site_beside(&table, word);
}
