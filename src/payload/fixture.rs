//! Batches for the tests of the formats.

use std::sync::Arc;

use livecosmos_state::{Cursor, SiteId, Time};
use proptest::prelude::*;

use crate::column_type::ColumnType;
use crate::rows::{Batch, Kind, RowTime, Rows, Schema};

/// A value with its kind.
pub(super) type Cell = (Kind, String);

/// Any columns and rows: names and texts of any characters, numbers of any spelling.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) time: usize,
    /// The cell of the time column is not looked at.
    pub(super) rows: Vec<(RowTime, Vec<Cell>)>,
}

/// The rows of ALIC1 in a batch.
pub(super) fn batch(table: &Table) -> Batch {
    let columns = table.columns.iter().map(|name| name.as_str().into()).collect();
    let schema = Arc::new(Schema::untyped(columns, table.time, None));
    let mut rows = Rows::new(schema);
    for (time, cells) in &table.rows {
        for (column, (kind, text)) in cells.iter().enumerate() {
            if column == table.time { rows.push(Kind::Text, "") } else { rows.push(*kind, text) }
        }
        rows.end_row(*time);
    }
    Batch {
        site: SiteId::parse("ALIC1").unwrap(),
        rows,
        to: Cursor::Start,
        is_cut: false,
        is_at_border: false,
        newest: None,
    }
}

pub(super) fn row_time(seconds: i64, nanos: u32, digits: u8) -> RowTime {
    RowTime { time: Time::new(seconds, nanos).unwrap(), digits }
}

/// The same table with types.
pub(super) fn typed_batch(table: &Table, types: &[ColumnType]) -> Batch {
    let kind = |at: usize| if at == table.time { types[at].of_time() } else { types[at] };
    let types = (0..table.columns.len()).map(kind).collect();
    let untyped = batch(table);
    let schema = Schema { types, ..(**untyped.rows.schema()).clone() };
    let mut rows = Rows::new(Arc::new(schema));
    for (row, time) in untyped.rows.times().iter().enumerate() {
        untyped.rows.values(row).for_each(|value| rows.push(value.kind, value.text));
        rows.end_row(*time);
    }
    Batch { rows, ..untyped }
}

fn any_type() -> impl Strategy<Value = ColumnType> {
    prop_oneof![
        Just(ColumnType::Text),
        Just(ColumnType::Integer),
        Just(ColumnType::Real),
        Just(ColumnType::Double),
        Just(ColumnType::Boolean),
        Just(ColumnType::Date),
        Just(ColumnType::Bytes),
        (1..=38_u8, 0..=38_u8)
            .prop_map(|(precision, scale)| ColumnType::Decimal { precision, scale: scale.min(precision) }),
        any::<(bool, bool)>()
            .prop_map(|(is_instant, is_nanos)| ColumnType::Timestamp { is_instant, is_nanos }),
    ]
}

/// A cell of a column of type `kind`: mostly one that fits, spelled in one of many ways.
fn cell_of(kind: ColumnType) -> BoxedStrategy<Cell> {
    let pattern = match kind {
        ColumnType::Text => return any_cell().boxed(),
        ColumnType::Integer => "-?[0-9]{1,19}|0|-0|007",
        ColumnType::Real | ColumnType::Double => {
            r"-?[0-9]{1,8}(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?|-?0\.[0-9]{2}|\.5|NaN|-inf"
        }
        ColumnType::Decimal { .. } => r"-?[0-9]{1,9}(\.[0-9]{1,5})?|-0\.0|0",
        ColumnType::Boolean => "true|false|T|no|0|1",
        ColumnType::Date => "20[0-9]{2}-1[0-2]-[0-3][0-9]",
        ColumnType::Timestamp { .. } => {
            r"(19|20)[0-9]{2}-1[0-2]-[0-2][1-9][T ][01][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(|Z|\+00|\+05:30)"
        }
        ColumnType::Bytes => "([A-Za-z0-9+/]{4}){0,3}(|Zg==)",
    };
    let fitting = pattern.prop_map(|text: String| (Kind::Text, text));
    prop_oneof![8 => fitting, 1 => any_cell()].boxed()
}

/// Any columns with types, and values that fit them or do not.
pub(super) fn any_typed_table() -> impl Strategy<Value = (Table, Vec<ColumnType>)> {
    let columns = prop::collection::btree_map("(?s).{1,12}", any_type(), 1..9);
    columns.prop_flat_map(|columns| {
        let (names, types): (Vec<String>, Vec<ColumnType>) = columns.into_iter().unzip();
        let cells: Vec<BoxedStrategy<Cell>> = types.iter().map(|kind| cell_of(*kind)).collect();
        let rows = prop::collection::vec((any_time(), cells), 1..20);
        let width = names.len();
        (Just(names), 0..width, rows, Just(types))
            .prop_map(|(columns, time, rows, types)| (Table { columns, time, rows }, types))
    })
}

fn any_cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        Just((Kind::Null, String::new())),
        any::<bool>().prop_map(|truth| (Kind::Bool, truth.to_string())),
        r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?".prop_map(|text| (Kind::Number, text)),
        r"(?s)[\x00-\x22\\]{0,3}.{0,12}".prop_map(|text| (Kind::Text, text)),
        "20[0-9]{2}-1[0-2]-[0-2][1-9]".prop_map(|text| (Kind::Text, text)),
    ]
}

fn any_time() -> impl Strategy<Value = RowTime> {
    (0..4_000_000_000_i64, 0..1_000_000_000_u32, 0..=9_u8).prop_map(|(seconds, nanos, digits)| {
        let step = 10_u32.pow(9 - u32::from(digits));
        row_time(seconds, nanos / step * step, digits)
    })
}

fn any_row(width: usize) -> impl Strategy<Value = (RowTime, Vec<Cell>)> {
    (any_time(), prop::collection::vec(any_cell(), width))
}

pub(super) fn any_table() -> impl Strategy<Value = Table> {
    prop::collection::btree_set("(?s).{1,12}", 1..9).prop_flat_map(|columns| {
        let columns: Vec<String> = columns.into_iter().collect();
        let width = columns.len();
        let rows = prop::collection::vec(any_row(width), 1..20);
        (Just(columns), 0..width, rows).prop_map(|(columns, time, rows)| Table { columns, time, rows })
    })
}
