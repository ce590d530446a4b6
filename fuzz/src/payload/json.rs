//! What an independent reader of JSON says of a payload.

use std::fmt;

use livecosmos::rows::{Kind, Rows};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object's members in their order, with the text of their values.
struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// What livecosmos read of `payload` is what `serde_json` reads of it.
pub(super) fn assert_agrees(payload: &[u8], read: &[Rows], time_column: &str) {
    let is_document = payload.starts_with(br#"{"head":{"#);
    if is_document {
        serde_json::from_slice::<IgnoredAny>(payload).expect("a document that is JSON");
        return;
    }
    let objects: Vec<Members> = if payload.starts_with(b"[") {
        serde_json::from_slice(payload).expect("an array that is JSON")
    } else {
        let objects = serde_json::Deserializer::from_slice(payload).into_iter();
        objects.collect::<Result<_, _>>().expect("objects that are JSON")
    };
    let rows: Vec<_> = read.iter().flat_map(super::plain).collect();
    assert_eq!(rows.len(), objects.len(), "a row for each object");
    for (row, Members(members)) in rows.iter().zip(objects) {
        let is_time = |name: &str| name.eq_ignore_ascii_case(time_column);
        let has_exact = members.iter().any(|(name, _)| name == time_column);
        let mut is_skipped = false;
        let others: Vec<(String, Kind, String)> = members
            .iter()
            .filter(|(name, _)| {
                let is_it = !is_skipped && if has_exact { name == time_column } else { is_time(name) };
                is_skipped |= is_it;
                !is_it
            })
            .map(|(name, value)| spelled(name, value))
            .collect();
        assert_eq!(others, row.1);
    }
}

fn spelled(name: &str, value: &str) -> (String, Kind, String) {
    let (kind, text) = match value.as_bytes() {
        [b'"', ..] => (Kind::Text, serde_json::from_str(value).expect("a text that is JSON")),
        b"null" => (Kind::Null, String::new()),
        b"true" | b"false" => (Kind::Bool, value.to_owned()),
        _ => (Kind::Number, value.to_owned()),
    };
    (name.to_owned(), kind, text)
}
