//! Batches for the tests of the formats.

use std::sync::Arc;

use livecosmos_state::{Cursor, SiteId, Time};
use proptest::prelude::*;

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
    let schema = Arc::new(Schema { columns, time: table.time, site: None });
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

fn any_cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        Just((Kind::Null, String::new())),
        any::<bool>().prop_map(|truth| (Kind::Bool, truth.to_string())),
        r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?".prop_map(|text| (Kind::Number, text)),
        r"(?s)[\x00-\x22\\]{0,3}.{0,12}".prop_map(|text| (Kind::Text, text)),
        "20[0-9]{2}-1[0-2]-[0-2][1-9]".prop_map(|text| (Kind::Text, text)),
    ]
}

fn any_row(width: usize) -> impl Strategy<Value = (RowTime, Vec<Cell>)> {
    let time = (0..4_000_000_000_i64, 0..1_000_000_000_u32, 0..=9_u8).prop_map(|(seconds, nanos, digits)| {
        let step = 10_u32.pow(9 - u32::from(digits));
        row_time(seconds, nanos / step * step, digits)
    });
    (time, prop::collection::vec(any_cell(), width))
}

pub(super) fn any_table() -> impl Strategy<Value = Table> {
    prop::collection::btree_set("(?s).{1,12}", 1..9).prop_flat_map(|columns| {
        let columns: Vec<String> = columns.into_iter().collect();
        let width = columns.len();
        let rows = prop::collection::vec(any_row(width), 1..20);
        (Just(columns), 0..width, rows).prop_map(|(columns, time, rows)| Table { columns, time, rows })
    })
}
