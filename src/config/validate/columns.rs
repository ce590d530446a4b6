//! What is declared of single columns.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::super::column::RawColumn;
use super::super::raw::{ColumnKind, RawFormat, RawTable};
use super::{Check, Checked};
use crate::column_type::ColumnType;
use crate::payload::{Format, cr1000x};

/// Columns whose values are text whatever they look like.
pub(super) fn texts(raw: &RawTable) -> BTreeSet<String> {
    let texts = declared(raw).filter(|(_, kind)| *kind == ColumnKind::Text);
    texts.map(|(name, _)| name.to_owned()).collect()
}

/// The types that are declared.
pub(super) fn types(raw: &RawTable) -> BTreeMap<String, ColumnType> {
    let of_format = |kind| match kind {
        ColumnKind::Text => ColumnType::Text,
        ColumnKind::Integer => ColumnType::Integer,
        ColumnKind::Float => ColumnType::Double,
        ColumnKind::Boolean => ColumnType::Boolean,
        ColumnKind::Date => ColumnType::Date,
        ColumnKind::Timestamp => ColumnType::Timestamp { is_instant: false, is_nanos: false },
        ColumnKind::Timestamptz => ColumnType::TIME,
    };
    declared(raw).map(|(name, kind)| (name.to_owned(), of_format(kind))).collect()
}

fn declared(raw: &RawTable) -> impl Iterator<Item = (&str, ColumnKind)> {
    raw.columns.iter().filter_map(|(name, column)| Some((name.get_ref().as_str(), column.kind?)))
}

impl Check<'_> {
    /// How rows are spelled, with what a CR1000X document says of its fields.
    pub(super) fn format(&self, table: &RawTable) -> Checked<Format> {
        let fields = self.fields(table)?;
        Ok(match table.upload.format {
            RawFormat::Ndjson => Format::Ndjson,
            RawFormat::Json => Format::Json,
            RawFormat::Csv => Format::Csv,
            RawFormat::Parquet => Format::Parquet,
            RawFormat::Cr1000x => Format::Cr1000x(cr1000x::Program { fields, ..cr1000x::Program::default() }),
        })
    }

    fn fields(&self, table: &RawTable) -> Checked<BTreeMap<String, cr1000x::Field>> {
        let mut fields = BTreeMap::new();
        let mut names = BTreeSet::new();
        for (column, RawColumn { name, units, process, .. }) in &table.columns {
            let written = [("name", name), ("units", units), ("process", process)];
            let first = written.into_iter().find_map(|(key, value)| Some((key, value.as_ref()?)));
            let Some((key, value)) = first else { continue };
            if table.upload.format != RawFormat::Cr1000x {
                let what = format!("{key} stands in the head of format \"cr1000x\" alone; remove it");
                return Err(self.at(value, what));
            }
            if let Some(name) = name.as_ref().filter(|name| !names.insert(name.get_ref().as_str())) {
                let what = format!("two columns are given the name '{}'; name them apart", name.get_ref());
                return Err(self.at(name, what));
            }
            self.text(name.as_ref(), "name")?;
            let text = |value: &Option<Spanned<String>>| value.as_ref().map(|text| text.get_ref().clone());
            let field = cr1000x::Field { name: text(name), units: text(units), process: text(process) };
            fields.insert(column.get_ref().clone(), field);
        }
        Ok(fields)
    }
}
