//! What both formats and every compression promise.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::fixture::{Table, any_table, batch, row_time};
use super::*;
use crate::rows::Kind;

const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

fn formats() -> [Format; 2] {
    [Format::Ndjson, Format::Cr1000x(cr1000x::Program::default())]
}

fn ndjson(table: &Table) -> String {
    let encoded = Format::Ndjson.encode(&batch(table), Compression::None).unwrap();
    String::from_utf8(encoded.bytes.to_vec()).unwrap()
}

/// The same lines by other means: `serde_json` for names and texts, jiff for times.
fn expected_ndjson(table: &Table) -> String {
    let mut expected = String::new();
    for (time, cells) in &table.rows {
        for (column, (kind, text)) in cells.iter().enumerate() {
            let name = serde_json::to_string(&table.columns[column]).unwrap();
            let separator = if column == 0 { '{' } else { ',' };
            let value = match kind {
                _ if column == table.time => {
                    let timestamp = crate::clock::to_timestamp(time.time).unwrap();
                    format!("\"{timestamp:.*}\"", usize::from(time.digits))
                }
                Kind::Null => "null".to_owned(),
                Kind::Text => serde_json::to_string(text).unwrap(),
                Kind::Number | Kind::Bool => text.clone(),
            };
            write!(expected, "{separator}{name}:{value}").unwrap();
        }
        expected.push_str("}\n");
    }
    expected
}

#[test]
fn ndjson_keeps_columns_in_order_and_values_as_they_were_written() {
    let columns = ["SITE_ID", "DATE_TIME", "TA", "RECORD", "WD", "SNOW", "OK"].map(str::to_owned).to_vec();
    let cells = [
        (Kind::Text, "ALIC1"),
        (Kind::Text, ""),
        (Kind::Number, "0.10"),
        (Kind::Number, "123456789012345678901234567890"),
        (Kind::Text, "N\"NW\""),
        (Kind::Null, ""),
        (Kind::Bool, "false"),
    ];
    let cells = cells.map(|(kind, text)| (kind, text.to_owned())).to_vec();
    let table = Table { columns, time: 1, rows: vec![(row_time(1_735_776_000, 500_000_000, 3), cells)] };
    let expected = concat!(
        r#"{"SITE_ID":"ALIC1","DATE_TIME":"2025-01-02T00:00:00.500Z","TA":0.10,"#,
        r#""RECORD":123456789012345678901234567890,"WD":"N\"NW\"","SNOW":null,"OK":false}"#,
        "\n"
    );
    assert_eq!(ndjson(&table), expected);
}

#[test]
fn a_format_and_a_compression_name_themselves_in_the_key_and_the_headers() {
    let [ndjson, cr1000x] = formats();
    assert_eq!((ndjson.extension(), ndjson.content_type()), (".ndjson", "application/x-ndjson"));
    assert_eq!((cr1000x.extension(), cr1000x.content_type()), (".json", "application/json"));
    assert_eq!(ALL.map(Compression::extension), ["", ".gz", ".zst"]);
    assert_eq!(ALL.map(Compression::content_encoding), [None, Some("gzip"), Some("zstd")]);
}

proptest! {
    #[test]
    fn ndjson_is_what_an_independent_writer_would_have_written(table in any_table()) {
        let written = ndjson(&table);
        prop_assert_eq!(&written, &expected_ndjson(&table));
        for line in written.lines() {
            let members: serde_json::Map<String, Json> = serde_json::from_str(line).unwrap();
            prop_assert_eq!(members.len(), table.columns.len());
        }
    }

    #[test]
    fn the_same_batch_gives_the_same_bytes_and_its_digest_ignores_compression(table in any_table()) {
        for format in formats() {
            let plain = format.encode(&batch(&table), Compression::None).unwrap();
            for compression in ALL {
                let first = format.encode(&batch(&table), compression).unwrap();
                let second = format.encode(&batch(&table), compression).unwrap();
                prop_assert_eq!(&first.bytes, &second.bytes);
                prop_assert_eq!(first.digest, plain.digest);
                prop_assert_eq!(first.payload_bytes, plain.bytes.len() as u64);
            }
        }
    }
}
