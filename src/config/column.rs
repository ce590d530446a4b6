//! What may be said of one column: `NAME = "text"`, or a table of its own.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::raw::ColumnKind;

/// A column as it is declared.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct RawColumn {
    #[serde(rename = "type")]
    pub(crate) kind: Option<ColumnKind>,
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) units: Option<Spanned<String>>,
    pub(crate) process: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for RawColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindOrTable)
    }
}

struct KindOrTable;

impl<'de> Visitor<'de> for KindOrTable {
    type Value = RawColumn;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type such as \"text\", or a table with type, name, units or process")
    }

    fn visit_str<E: Error>(self, kind: &str) -> Result<RawColumn, E> {
        let kind = ColumnKind::deserialize(kind.into_deserializer())?;
        Ok(RawColumn { kind: Some(kind), ..RawColumn::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawColumn, A::Error> {
        RawColumn::deserialize(MapAccessDeserializer::new(map))
    }
}
