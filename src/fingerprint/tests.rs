//! What a fingerprint depends on, and what not.

use std::sync::Arc;

use super::*;

type Cell<'a> = (&'a str, Kind, &'a str);

/// One row at 100.5 s; the time column is called T and stands at `time`.
fn row_at(time: usize, digits: u8, cells: &[Cell<'_>]) -> Rows {
    let mut names: Vec<Box<str>> = cells.iter().map(|(name, ..)| Box::from(*name)).collect();
    names.insert(time, "T".into());
    let mut rows = Rows::new(Arc::new(Schema::untyped(names.into(), time, None)));
    let mut values: Vec<(Kind, &str)> = cells.iter().map(|(_, kind, text)| (*kind, *text)).collect();
    values.insert(time, (Kind::Text, ""));
    for (kind, text) in values {
        rows.push(kind, text);
    }
    rows.end_row(RowTime { time: Time::new(100, 500_000_000).unwrap(), digits });
    rows
}

fn print_of(rows: &Rows) -> Fingerprint {
    of_rows(rows, Some("ID"))[0]
}

const A: Cell<'_> = ("A", Kind::Number, "0.10");
const B: Cell<'_> = ("B", Kind::Text, "x");
const ID: Cell<'_> = ("ID", Kind::Number, "7");

#[test]
fn a_fingerprint_is_the_same_for_ever() {
    // SHA-256 by another implementation: python3 -c 'import hashlib, struct; …', over the bytes that the
    // head of the module describes.
    let found = print_of(&row_at(0, 1, &[A, B, ID]));
    assert_eq!(found, Fingerprint { row: 0x821d_7a6a_0bcb_fe16, version: 0x3960_ba22 }, "{found:x?}");
}

#[test]
fn the_order_of_columns_digits_nulls_and_kinds_change_nothing() {
    let expected = print_of(&row_at(0, 1, &[A, B, ID]));
    let same: [&[Cell<'_>]; 4] = [
        &[ID, B, A],
        &[A, B, ("NEW", Kind::Null, ""), ID],
        &[("A", Kind::Text, "0.10"), B, ID],
        &[A, B, ("id", Kind::Number, "7")],
    ];
    for cells in &same[..3] {
        assert_eq!(print_of(&row_at(1, 9, cells)), expected, "{cells:?}");
    }
    assert_eq!(print_of(&row_at(0, 0, same[3])).row, expected.row, "a tie column is found in any case");
}

#[test]
fn any_other_value_is_another_version_of_the_same_row() {
    let expected = print_of(&row_at(0, 1, &[A, B, ID]));
    let others: [&[Cell<'_>]; 5] = [
        &[("A", Kind::Number, "0.1"), B, ID],
        &[A, ("B", Kind::Null, ""), ID],
        &[A, ("B", Kind::Text, ""), ID],
        &[A, ("C", Kind::Text, "x"), ID],
        // The same bytes, parted elsewhere.
        &[("A", Kind::Text, "0.1"), ("0B", Kind::Text, "x"), ID],
    ];
    for cells in others {
        let found = print_of(&row_at(0, 1, cells));
        assert_eq!(found.row, expected.row, "{cells:?}");
        assert_ne!(found.version, expected.version, "{cells:?}");
    }
}

#[test]
fn a_time_and_a_tie_name_the_row() {
    let rows = row_at(0, 1, &[A, B, ID]);
    let expected = print_of(&rows);
    assert_ne!(print_of(&row_at(0, 1, &[A, B, ("ID", Kind::Number, "8")])).row, expected.row);
    assert_ne!(of_rows(&rows, None)[0].row, expected.row);
    assert_eq!(of_rows(&rows, Some("GONE")), of_rows(&rows, None));
    assert_eq!(of_rows(&rows, None)[0].version, expected.version);
}

/// `cargo test --release fingerprint -- --ignored --nocapture`
#[test]
#[ignore = "measures, asserts nothing that could fail"]
fn how_long_a_fingerprint_takes() {
    let names: Vec<String> = (0..20).map(|number| format!("COLUMN_{number}")).collect();
    let cells: Vec<Cell<'_>> = names.iter().map(|name| (name.as_str(), Kind::Number, "12.345")).collect();
    let rows = row_at(0, 0, &cells);
    let begun = std::time::Instant::now();
    let mut printer = Printer::new(rows.schema(), None);
    let sum = (0..1_000_000).fold(0_u64, |sum, _| sum.wrapping_add(printer.print(&rows, 0).row));
    println!("{} ns a row of 20 columns ({sum})", begun.elapsed().as_nanos() / 1_000_000);
}
