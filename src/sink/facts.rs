//! What an object says of itself: the metadata from which a site's position can be rebuilt (I5).

use std::collections::BTreeMap;

use livecosmos_state::{ChainName, Cursor, SiteId, TableName, Time};

use super::contents::Contents;

/// The facts of one object, kept as its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The table its rows come from.
    pub table: TableName,
    /// The site its rows belong to.
    pub site: SiteId,
    /// The chain it is part of.
    pub chain: ChainName,
    /// Its place in that chain, from 0.
    pub seq: u64,
    /// Where its predecessor ended.
    pub from: Cursor,
    /// Where it ends.
    pub to: Cursor,
    /// Where its successor begins, if not at `to`: what lies between is left to a fill.
    pub next: Option<Cursor>,
    /// Its rows were sent before: an operator asked for them again.
    pub is_resend: bool,
    /// Number of rows.
    pub rows: u64,
    /// The newest time among its rows.
    pub last_data: Time,
    /// SHA-256 of the payload before compression.
    pub digest: [u8; 32],
    /// Short digest of the settings that shape a payload.
    pub config: String,
    /// UUID of the state that stored it, as 32 hex digits.
    pub instance: String,
    /// Generation of that state when the intent was committed.
    pub generation: u64,
    /// What else it says of its rows.
    pub contents: Contents,
}

/// Metadata that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// A field is not there.
    #[error("its metadata has no '{0}'; it was not stored by livecosmos")]
    Missing(&'static str),
    /// A field is there and means nothing.
    #[error("its metadata says {field} = '{value}', which cannot be read")]
    Unreadable {
        /// Name of the field.
        field: &'static str,
        /// What it holds.
        value: String,
    },
}

const TABLE: &str = "livecosmos-table";
const SITE: &str = "livecosmos-site";
const CHAIN: &str = "livecosmos-chain";
const SEQ: &str = "livecosmos-seq";
const FROM: &str = "livecosmos-from";
const TO: &str = "livecosmos-to";
const NEXT: &str = "livecosmos-next";
const RESEND: &str = "livecosmos-resend";
const ROWS: &str = "livecosmos-rows";
const LAST_DATA: &str = "livecosmos-last-data";
const DIGEST: &str = "livecosmos-sha256";
const CONFIG: &str = "livecosmos-config";
const INSTANCE: &str = "livecosmos-instance";
const GENERATION: &str = "livecosmos-generation";

impl Facts {
    /// Where its successor begins.
    #[must_use]
    pub fn successor(&self) -> &Cursor {
        self.next.as_ref().unwrap_or(&self.to)
    }

    /// As metadata: lower-case names and printable ASCII values, under 2 KiB together unless a tie
    /// column holds very long texts: of [`Contents`] only what fits is in it.
    #[must_use]
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        let next = self.next.as_ref().map(|next| (NEXT, next.to_string()));
        let resend = self.is_resend.then(|| (RESEND, "true".to_owned()));
        let pairs = [
            (TABLE, self.table.to_string()),
            (SITE, self.site.to_string()),
            (CHAIN, self.chain.to_string()),
            (SEQ, self.seq.to_string()),
            (FROM, self.from.to_string()),
            (TO, self.to.to_string()),
            (ROWS, self.rows.to_string()),
            (LAST_DATA, self.last_data.to_string()),
            (DIGEST, hex(&self.digest)),
            (CONFIG, self.config.clone()),
            (INSTANCE, self.instance.clone()),
            (GENERATION, self.generation.to_string()),
        ];
        let mut metadata: BTreeMap<String, String> = pairs
            .into_iter()
            .chain(next)
            .chain(resend)
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        self.contents.add_to(&mut metadata);
        metadata
    }

    /// Reads what [`Facts::to_metadata`] wrote.
    ///
    /// # Errors
    /// [`FactsError`] names the first field that is missing or unreadable.
    pub fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Self, FactsError> {
        let reader = Reader(metadata);
        Ok(Self {
            table: reader.read(TABLE, |text| TableName::parse(text).ok())?,
            site: reader.read(SITE, |text| SiteId::parse(text).ok())?,
            chain: reader.read(CHAIN, |text| ChainName::parse(text).ok())?,
            seq: reader.read(SEQ, |text| text.parse().ok())?,
            from: reader.read(FROM, |text| text.parse().ok())?,
            to: reader.read(TO, |text| text.parse().ok())?,
            next: reader.read_if_there(NEXT, |text| text.parse().ok())?,
            is_resend: reader.read_if_there(RESEND, |text| text.parse().ok())?.unwrap_or(false),
            rows: reader.read(ROWS, |text| text.parse().ok())?,
            last_data: reader.read(LAST_DATA, |text| text.parse().ok())?,
            digest: reader.read(DIGEST, unhex)?,
            config: reader.read(CONFIG, |text| Some(text.to_owned()))?,
            instance: reader.read(INSTANCE, |text| Some(text.to_owned()))?,
            generation: reader.read(GENERATION, |text| text.parse().ok())?,
            contents: Contents::read(&reader)?,
        })
    }
}

/// Reads single fields of metadata.
pub(super) struct Reader<'a>(&'a BTreeMap<String, String>);

impl Reader<'_> {
    fn read<T>(&self, field: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, FactsError> {
        let value = self.0.get(field).ok_or(FactsError::Missing(field))?;
        parse(value).ok_or_else(|| FactsError::Unreadable { field, value: value.clone() })
    }

    pub(super) fn read_if_there<T>(
        &self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, FactsError> {
        self.0.contains_key(field).then(|| self.read(field, parse)).transpose()
    }
}

/// Lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column_type::ColumnType;
    use crate::rows::Schema;
    use crate::sink::DayCounts;
    use crate::sink::SchemaText;

    #[test]
    fn facts_survive_the_way_through_metadata() {
        let time = Time::new(1_735_689_600, 500_000_000).unwrap();
        let facts = Facts {
            table: TableName::parse("COSMOS.LEVEL1_SOILMET_30MIN").unwrap(),
            site: SiteId::parse("ALIC1").unwrap(),
            chain: ChainName::LIVE,
            seq: 7,
            from: Cursor::Start,
            to: Cursor::Row { time, tie: livecosmos_state::Tie::Text("a b:%é".into()) },
            next: Some(Cursor::Row { time, tie: livecosmos_state::Tie::None }),
            is_resend: true,
            rows: 3,
            last_data: time,
            digest: [0xa7; 32],
            config: "0011".into(),
            instance: "ff".repeat(16),
            generation: 12,
            contents: Contents {
                first_data: Some(time),
                days: DayCounts::parse("2025-01-01:3"),
                time_column: Some("Date Zeit (µs)".into()),
                schema: Some(SchemaText::of(&Schema {
                    columns: ["Date Zeit (µs)".into(), "A,:+1".into(), "B".into()].into(),
                    types: [ColumnType::TIME, ColumnType::decimal(12, 4), ColumnType::Text].into(),
                    time: 0,
                    site: None,
                })),
            },
        };
        let metadata = facts.to_metadata();
        assert!(metadata.values().all(|value| value.bytes().all(|byte| (0x21..0x7f).contains(&byte))));
        assert_eq!(Facts::from_metadata(&metadata), Ok(facts));
    }

    #[test]
    fn foreign_metadata_is_named_as_such() {
        assert_eq!(Facts::from_metadata(&BTreeMap::new()), Err(FactsError::Missing(TABLE)));
    }
}
