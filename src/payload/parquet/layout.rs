//! The schema of a file, and what it says of itself.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};
use serde::{Deserialize, Serialize};

use crate::column_type::{ColumnType, INTEGER_DIGITS_MAX};
use crate::rows::Schema;

/// Name of our entry in a file's key-value metadata.
pub(in crate::payload) const KEY: &str = "livecosmos";

/// Bytes of a decimal that 64 bits do not hold.
pub(super) const DECIMAL_BYTES: usize = 16;

/// Version of [`About`].
const VERSION: u32 = 1;

/// The last column's name, but for underscores where a column is called so.
const RESCUED: &str = "_rescued_data";
/// What it holds.
pub(super) const RESCUED_TYPE: ColumnType = ColumnType::Text;

/// What a file says of itself beside its schema: enough to read its rows as their source wrote them.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::payload) struct About {
    version: u32,
    /// Index of the time column.
    pub(in crate::payload) time: usize,
    /// Types as [`ColumnType`] displays them.
    pub(in crate::payload) types: Vec<String>,
    /// Name of the last column, which holds what does not fit. It is there if nothing does, too, so that all
    /// files of a table are alike.
    pub(in crate::payload) rescued: String,
    /// One for each row group.
    pub(in crate::payload) groups: Vec<Group>,
}

/// A row group.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::payload) struct Group {
    /// Where its spellings begin in the file.
    pub(in crate::payload) at: u64,
    /// How long they are.
    pub(in crate::payload) bytes: u64,
    /// Bytes of its values as the source wrote them.
    pub(in crate::payload) value_bytes: u64,
}

impl About {
    pub(super) fn of(schema: &Schema) -> Self {
        let mut rescued = RESCUED.to_owned();
        while schema.columns.iter().any(|name| **name == *rescued) {
            rescued.push('_');
        }
        Self {
            version: VERSION,
            time: schema.time,
            types: schema.types.iter().map(ToString::to_string).collect(),
            rescued,
            groups: Vec::new(),
        }
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`About::to_text`] wrote.
    pub(in crate::payload) fn parse(text: &str) -> Result<Self, String> {
        let about: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match about.version {
            VERSION => Ok(about),
            other => Err(format!("it is of version {other}, which a newer release wrote")),
        }
    }
}

/// The columns, and behind them the one for what does not fit.
pub(super) fn file_schema(schema: &Schema, about: &About) -> Result<TypePtr, ParquetError> {
    let columns = schema.columns.iter().map(|name| &**name).zip(schema.types.iter().copied());
    let rescued = (about.rescued.as_str(), RESCUED_TYPE);
    let fields = columns.chain([rescued]).map(|(name, kind)| field(name, kind).map(Arc::new));
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("schema").with_fields(fields).build().map(Arc::new)
}

fn field(name: &str, kind: ColumnType) -> Result<Type, ParquetError> {
    let (physical, logical) = match kind {
        ColumnType::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnType::Bytes => (Physical::BYTE_ARRAY, None),
        ColumnType::Integer => (Physical::INT64, None),
        ColumnType::Real => (Physical::FLOAT, None),
        ColumnType::Double => (Physical::DOUBLE, None),
        ColumnType::Boolean => (Physical::BOOLEAN, None),
        ColumnType::Date => (Physical::INT32, Some(LogicalType::Date)),
        ColumnType::Timestamp { is_instant, is_nanos } => {
            let unit = if is_nanos { TimeUnit::NANOS } else { TimeUnit::MICROS };
            (Physical::INT64, Some(LogicalType::timestamp(is_instant, unit)))
        }
        ColumnType::Decimal { precision, scale } => {
            let physical = if precision <= INTEGER_DIGITS_MAX {
                Physical::INT64
            } else {
                Physical::FIXED_LEN_BYTE_ARRAY
            };
            (physical, Some(LogicalType::decimal(scale.into(), precision.into())))
        }
    };
    let mut builder = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    if let ColumnType::Decimal { precision, scale } = kind {
        builder = builder.with_precision(precision.into()).with_scale(scale.into());
        if physical == Physical::FIXED_LEN_BYTE_ARRAY {
            builder = builder.with_length(i32::try_from(DECIMAL_BYTES).unwrap_or(i32::MAX));
        }
    }
    builder.build()
}
