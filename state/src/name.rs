//! The names that become parts of paths and object keys: checked once, then trusted.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest site id, in bytes.
const SITE_ID_BYTES_MAX: usize = 64;
/// The longest table name with its schema, in bytes.
const TABLE_NAME_BYTES_MAX: usize = 128;
/// The longest name of a sink, in bytes.
const SINK_NAME_BYTES_MAX: usize = 32;
/// The longest name of a chain, in bytes.
const CHAIN_NAME_BYTES_MAX: usize = 64;

/// What the names of fills begin with that work off what a live chain jumped over.
const CATCH_UP: &str = "catchup-";

/// A name that was refused, and the rule it broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} is not allowed; use {rule}")]
pub struct InvalidName {
    kind: &'static str,
    text: String,
    rule: &'static str,
}

/// A station's code: 1 to 64 of `A-Z a-z 0-9 _ -`. Checked once, in [`SiteId::parse`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SiteId(Arc<str>);

impl SiteId {
    /// Checks `text` and makes it a site id.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let fits = (1..=SITE_ID_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
            return Ok(Self(text.into()));
        }
        let rule = "1 to 64 of A-Z a-z 0-9 _ -";
        Err(InvalidName { kind: "site id", text: text.to_owned(), rule })
    }

    /// The code as the source writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a table, `[SCHEMA.]TABLE`, at most 128 bytes. Checked once, in [`TableName::parse`].
///
/// Each part is a letter followed by any of `A-Z a-z 0-9 _ $ #`. A table that is stored in several sinks has a
/// state for each: behind an `@` stands the name of the sink, where it is not the first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName(Arc<str>);

impl TableName {
    /// Checks `text` and makes it a table name.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let (name, sink) = text.split_once('@').map_or((text, None), |(name, sink)| (name, Some(sink)));
        let parts_ok = match name.split_once('.') {
            Some((schema, table)) => is_identifier(schema) && is_identifier(table),
            None => is_identifier(name),
        };
        if !parts_ok || name.len() > TABLE_NAME_BYTES_MAX {
            let rule =
                "[SCHEMA.]TABLE, each part a letter and then any of A-Z a-z 0-9 _ $ #, at most 128 bytes";
            return Err(InvalidName { kind: "table name", text: text.to_owned(), rule });
        }
        if sink.is_some_and(|sink| !is_sink_name(sink)) {
            let rule = "TABLE@SINK, the sink 1 to 32 of a-z 0-9 -, a letter first";
            return Err(InvalidName { kind: "sink name", text: text.to_owned(), rule });
        }
        Ok(Self(text.into()))
    }

    /// The whole name, with its schema and its sink if it has them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in the source: without the sink.
    #[must_use]
    pub fn in_source(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(name, _)| name)
    }

    /// The sink, where it is not the first.
    #[must_use]
    pub fn sink(&self) -> Option<&str> {
        self.0.split_once('@').map(|(_, sink)| sink)
    }

    /// The same table, without the sink.
    #[must_use]
    pub fn without_sink(&self) -> Self {
        if self.sink().is_none() { self.clone() } else { Self(self.in_source().into()) }
    }

    /// The part after the dot, or the whole name when there is none.
    #[must_use]
    pub fn table(&self) -> &str {
        let name = self.in_source();
        name.split_once('.').map_or(name, |(_, table)| table)
    }

    /// The part before the dot.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.in_source().split_once('.').map(|(schema, _)| schema)
    }
}

/// The name of a chain of objects: `live`, `late`, or a fill's. 1 to 64 of `a-z 0-9 -`, a letter
/// first. Checked once, in [`ChainName::parse`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainName(Cow<'static, str>);

impl ChainName {
    /// The chain that follows the source's front.
    pub const LIVE: Self = Self(Cow::Borrowed("live"));
    /// The chain of rows that came late.
    pub const LATE: Self = Self(Cow::Borrowed("late"));

    /// The chain of rows that were taken back from quarantine.
    pub const REQUEUE: Self = Self(Cow::Borrowed("requeue"));

    /// The fill of what object `seq` of the live chain jumped over.
    #[must_use]
    pub fn catch_up(seq: u64) -> Self {
        Self(Cow::Owned(format!("{CATCH_UP}{seq:020}")))
    }

    /// Whether it is a fill of what a live chain jumped over.
    #[must_use]
    pub fn is_catch_up(&self) -> bool {
        self.0.starts_with(CATCH_UP)
    }

    /// Checks `text` and makes it a chain's name.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let fits = text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.len() <= CHAIN_NAME_BYTES_MAX
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits {
            return Ok(Self(Cow::Owned(text.to_owned())));
        }
        let rule = "1 to 64 of a-z 0-9 -, a letter first";
        Err(InvalidName { kind: "chain name", text: text.to_owned(), rule })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#'))
}

fn is_sink_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.len() <= SINK_NAME_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

macro_rules! reads_as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

reads_as_text!(SiteId);
reads_as_text!(TableName);
reads_as_text!(ChainName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_id_is_1_to_64_safe_characters() {
        for good in ["ALIC1", "a", "_", "-", "0", &"x".repeat(64)] {
            assert_eq!(SiteId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "A B", "../x", "a/b", "a.b", "é", "a\n", "a\0", &"x".repeat(65)] {
            assert!(SiteId::parse(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_refused_site_id_says_which_and_what_to_use() {
        let message = SiteId::parse("../etc").unwrap_err().to_string();
        assert_eq!(message, r#"site id "../etc" is not allowed; use 1 to 64 of A-Z a-z 0-9 _ -"#);
    }

    #[test]
    fn a_table_name_splits_at_its_one_dot() {
        let plain = TableName::parse("LEVEL1_SOILMET_30MIN").unwrap();
        assert_eq!((plain.schema(), plain.table()), (None, "LEVEL1_SOILMET_30MIN"));
        let dotted = TableName::parse("COSMOS.SYS$T#1").unwrap();
        assert_eq!((dotted.schema(), dotted.table()), (Some("COSMOS"), "SYS$T#1"));
    }

    #[test]
    fn a_table_name_with_anything_else_is_refused() {
        let long = "x".repeat(129);
        for bad in ["", ".", "A.", ".A", "A.B.C", "1A", "_A", "A-B", "A B", "A/B", "A.1", "Ä", &long] {
            assert!(TableName::parse(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_table_may_be_named_with_a_further_sink_which_its_source_does_not_know() {
        let archived = TableName::parse("COSMOS.MET@archive-2").unwrap();
        assert_eq!((archived.schema(), archived.table()), (Some("COSMOS"), "MET"));
        assert_eq!((archived.in_source(), archived.sink()), ("COSMOS.MET", Some("archive-2")));
        assert_eq!(archived.without_sink(), TableName::parse("COSMOS.MET").unwrap());
        assert_eq!(archived.as_str(), "COSMOS.MET@archive-2");
        let long = format!("MET@{}", "x".repeat(33));
        for bad in ["MET@", "@archive", "MET@A", "MET@1", "MET@a/b", "MET@a.b", "MET@a@b", &long] {
            let message = TableName::parse(bad).unwrap_err().to_string();
            assert!(message.contains(bad), "{message}");
        }
    }

    #[test]
    fn names_are_checked_again_when_they_are_deserialized() {
        assert_eq!(serde_json::from_str::<SiteId>(r#""ALIC1""#).unwrap(), SiteId::parse("ALIC1").unwrap());
        assert!(serde_json::from_str::<SiteId>(r#""a/b""#).is_err());
        assert!(serde_json::from_str::<TableName>(r#""1""#).is_err());
        assert_eq!(serde_json::to_string(&TableName::parse("S.T").unwrap()).unwrap(), r#""S.T""#);
    }
}
