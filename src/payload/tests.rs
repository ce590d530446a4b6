//! What all formats and every compression promise.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::fixture::{Table, any_table, batch, row_time};
use super::*;
use crate::rows::Kind;

const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

fn formats() -> [Format; 5] {
    [Format::Ndjson, Format::Cr1000x(cr1000x::Program::default()), Format::Csv, Format::Parquet, Format::Json]
}

fn csv(table: &Table) -> String {
    let encoded = Format::Csv.encode(&batch(table), Compression::None).unwrap();
    String::from_utf8(encoded.bytes.to_vec()).unwrap()
}

fn ndjson(table: &Table) -> String {
    let encoded = Format::Ndjson.encode(&batch(table), Compression::None).unwrap();
    String::from_utf8(encoded.bytes.to_vec()).unwrap()
}

fn json(table: &Table) -> String {
    let encoded = Format::Json.encode(&batch(table), Compression::None).unwrap();
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
fn an_array_has_a_row_a_line_and_none_of_rows_is_one_too() {
    let columns = vec!["T".to_owned(), "V".to_owned()];
    let row = |second: i64, value: &str| {
        (
            row_time(1_735_776_000 + second, 0, 0),
            vec![(Kind::Text, String::new()), (Kind::Number, value.to_owned())],
        )
    };
    let rows = vec![row(0, "0.10"), row(1, "1e2")];
    let table = Table { columns, time: 0, rows };
    let expected = concat!(
        r#"[{"T":"2025-01-02T00:00:00Z","V":0.10},"#,
        "\n",
        r#"{"T":"2025-01-02T00:00:01Z","V":1e2}]"#
    );
    assert_eq!(json(&table), expected);
    assert_eq!(json(&Table { rows: Vec::new(), ..table }), "[]");
}

#[test]
fn csv_tells_a_null_from_an_empty_text_and_a_number_from_a_text_that_looks_like_one() {
    let columns = ["SITE_ID", "DATE_TIME", "A,B", "C"].map(str::to_owned).to_vec();
    let row = |second: i64, a: (Kind, &str), c: (Kind, &str)| {
        let cells = [(Kind::Text, "ALIC1"), (Kind::Text, ""), a, c];
        (row_time(1_735_776_000 + second, 0, 1), cells.map(|(kind, text)| (kind, text.to_owned())).to_vec())
    };
    let rows = vec![
        row(0, (Kind::Number, "0.10"), (Kind::Text, "0.10")),
        row(1, (Kind::Null, ""), (Kind::Text, "")),
        row(2, (Kind::Bool, "true"), (Kind::Text, "true")),
        row(3, (Kind::Text, "a\"b,\r\nc"), (Kind::Text, " d ")),
    ];
    let expected = [
        "SITE_ID,DATE_TIME,\"A,B\",C\r\n",
        "ALIC1,2025-01-02T00:00:00.0Z,0.10,\"0.10\"\r\n",
        "ALIC1,2025-01-02T00:00:01.0Z,,\"\"\r\n",
        "ALIC1,2025-01-02T00:00:02.0Z,true,\"true\"\r\n",
        "ALIC1,2025-01-02T00:00:03.0Z,\"a\"\"b,\r\nc\", d \r\n",
    ];
    assert_eq!(csv(&Table { columns, time: 1, rows }), expected.concat());
}

#[test]
fn the_first_name_of_a_csv_is_never_taken_for_another_format() {
    for name in ["PAR1", "{", "{\"a", "[", "[]", "\u{feff}A"] {
        let rows = vec![(row_time(0, 0, 0), vec![(Kind::Null, String::new()); 2])];
        let text = csv(&Table { columns: vec![name.to_owned(), "T".to_owned()], time: 1, rows });
        assert!(text.starts_with('"'), "{text}");
    }
}

#[test]
fn a_format_and_a_compression_name_themselves_in_the_key_and_the_headers() {
    let [ndjson, cr1000x, csv, parquet, json] = formats();
    assert_eq!((csv.extension(), csv.content_type()), (".csv", "text/csv; charset=utf-8; header=present"));
    assert_eq!((parquet.extension(), parquet.content_type()), (".parquet", "application/vnd.apache.parquet"));
    assert_eq!((ndjson.extension(), ndjson.content_type()), (".ndjson", "application/x-ndjson"));
    assert_eq!((json.extension(), json.content_type()), (".json", "application/json"));
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
    fn an_array_holds_the_objects_of_ndjson_to_the_byte(table in any_table()) {
        let written = json(&table);
        let lines: Vec<String> = ndjson(&table).lines().map(str::to_owned).collect();
        prop_assert_eq!(&written, &format!("[{}]", lines.join(",\n")));
        let items: Vec<&serde_json::value::RawValue> = serde_json::from_str(&written).unwrap();
        let items: Vec<&str> = items.into_iter().map(serde_json::value::RawValue::get).collect();
        prop_assert_eq!(items, lines);
    }

    #[test]
    fn the_room_that_is_made_for_an_array_counts_its_commas_and_brackets(table in any_table()) {
        let batch = batch(&table);
        let more = json(&table).len() - ndjson(&table).len();
        prop_assert!(array::expected_bytes(&batch) - ndjson::expected_bytes(&batch) >= more);
    }

    #[test]
    fn csv_is_what_another_reader_of_rfc_4180_understands(table in any_table()) {
        let written = csv(&table);
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(written.as_bytes());
        let records: Vec<Vec<String>> =
            reader.deserialize().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(&records[0], &table.columns);
        prop_assert_eq!(records.len(), table.rows.len() + 1);
        for (record, (_, cells)) in records[1..].iter().zip(&table.rows) {
            for (at, (field, (_, text))) in record.iter().zip(cells).enumerate() {
                prop_assert!(at == table.time || field == text);
            }
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
