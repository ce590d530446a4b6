//! What was written is read, whatever the format and the compression; what was not written is refused.

use proptest::prelude::*;

use super::*;
use crate::column_type::ColumnType;
use crate::fingerprint;
use crate::payload::fixture::{Table, any_table, any_typed_table, batch, row_time, typed_batch};
use crate::payload::{Compression, Format, cr1000x};
use crate::rows::{Batch, Kind, RowTime};
use time::TimeParser;

const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

fn formats() -> [Format; 5] {
    [Format::Ndjson, Format::Cr1000x(program()), Format::Csv, Format::Parquet, Format::Json]
}

/// That renames a field.
fn program() -> cr1000x::Program {
    let field = cr1000x::Field { name: Some("AirTC".to_owned()), ..cr1000x::Field::default() };
    cr1000x::Program { fields: [("A".to_owned(), field)].into(), ..cr1000x::Program::default() }
}

/// A row without its time's cell: names, kinds and texts.
type Named = Vec<(String, Kind, String)>;

fn named(rows: &Rows) -> Vec<(RowTime, Named)> {
    let schema = rows.schema();
    let row = |row: usize| {
        let cells = rows.values(row).zip(&schema.columns).enumerate();
        let others = cells.filter(|(column, _)| *column != schema.time);
        others.map(|(_, (value, name))| (name.to_string(), value.kind, value.text.to_owned())).collect()
    };
    rows.times().iter().enumerate().map(|(at, time)| (*time, row(at))).collect()
}

fn read_all(stored: &[u8], time_column: &str) -> Result<(Vec<Rows>, PayloadSum), ReadError> {
    let mut reader = PayloadReader::new(stored, time_column)?;
    let mut pieces = Vec::new();
    while let Some(rows) = reader.next_rows()? {
        assert!(!rows.is_empty(), "a piece has a row");
        pieces.push(rows);
    }
    Ok((pieces, reader.finish()?))
}

fn complaint(stored: &str) -> String {
    read_all(stored.as_bytes(), "T").expect_err(stored).to_string()
}

proptest! {
    #[test]
    fn what_was_written_is_read_with_its_times_and_as_it_was_spelled(table in any_table()) {
        let batch = batch(&table);
        let expected = named(&batch.rows);
        for format in formats() {
            for compression in ALL {
                let encoded = format.encode(&batch, compression).unwrap();
                let (pieces, sum) = read_all(&encoded.bytes, &table.columns[table.time]).unwrap();
                let mut found: Vec<_> = pieces.iter().flat_map(named).collect();
                if matches!(format, Format::Cr1000x(_)) {
                    // That format shows no fewer digits of a second than six.
                    for ((time, _), (expected, _)) in found.iter_mut().zip(&expected) {
                        prop_assert_eq!(time.digits, expected.digits.max(6));
                        time.digits = expected.digits;
                    }
                }
                if format == Format::Parquet {
                    // There a text is a text, whatever it looks like.
                    let without_kinds = |rows: &[(RowTime, Named)]| -> Vec<_> {
                        let texts = |row: &Named| -> Vec<_> {
                            row.iter().map(|(name, kind, text)| (name.clone(), *kind == Kind::Null, text.clone())).collect()
                        };
                        rows.iter().map(|(time, row)| (*time, texts(row))).collect()
                    };
                    prop_assert_eq!(without_kinds(&found), without_kinds(&expected));
                } else {
                    prop_assert_eq!(&found, &expected);
                }
                let sum_of_encoded =
                    PayloadSum { digest: encoded.digest, payload_bytes: encoded.payload_bytes };
                prop_assert_eq!(sum, sum_of_encoded);
            }
        }
    }

    #[test]
    fn a_row_has_one_fingerprint_in_its_source_and_in_every_payload(table in any_table(), tie in 0..9_usize) {
        let batch = batch(&table);
        let tie = table.columns.get(tie).filter(|name| **name != table.columns[table.time]);
        let tie = tie.map(String::as_str);
        let times = batch.rows.times().iter().map(|row| row.time);
        let expected: Vec<_> = times.zip(fingerprint::of_rows(&batch.rows, tie)).collect();
        for format in formats() {
            let encoded = format.encode(&batch, Compression::Zstd).unwrap();
            let found = fingerprint::of_payload(&encoded.bytes, &table.columns[table.time], tie).unwrap();
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn values_of_every_type_are_read_as_they_were_spelled((table, types) in any_typed_table()) {
        let batch = typed_batch(&table, &types);
        let encoded = Format::Parquet.encode(&batch, Compression::None).unwrap();
        let again = Format::Parquet.encode(&batch, Compression::None).unwrap();
        prop_assert!(encoded.bytes == again.bytes, "the same batch gives the same bytes");
        let (pieces, _) = read_all(&encoded.bytes, &table.columns[table.time]).unwrap();
        prop_assert_eq!(&pieces[0].schema().types, &batch.rows.schema().types);
        let texts = |rows: &Rows| -> Vec<_> {
            let texts = |row: &Named| -> Vec<_> {
                row.iter().map(|(name, kind, text)| (name.clone(), *kind == Kind::Null, text.clone())).collect()
            };
            named(rows).iter().map(|(time, row)| (*time, texts(row))).collect()
        };
        let found: Vec<(RowTime, Vec<_>)> = pieces.iter().flat_map(texts).collect();
        prop_assert_eq!(found, texts(&batch.rows));
        let tie = Some(table.columns[0].as_str());
        let times = batch.rows.times().iter().map(|row| row.time);
        let expected: Vec<_> = times.zip(fingerprint::of_rows(&batch.rows, tie)).collect();
        let found = fingerprint::of_payload(&encoded.bytes, &table.columns[table.time], tie).unwrap();
        prop_assert_eq!(&found, &expected);
    }

    #[test]
    fn a_damaged_file_is_refused_or_read_and_nothing_panics(
        (table, types) in any_typed_table(),
        place in any::<prop::sample::Index>(),
        bits in 1..=255_u8,
    ) {
        let encoded = Format::Parquet.encode(&typed_batch(&table, &types), Compression::None).unwrap();
        let mut bytes = encoded.bytes.to_vec();
        let at = place.index(bytes.len());
        bytes[at] ^= bits;
        if let Ok((_, sum)) = read_all(&bytes, &table.columns[table.time]) {
            prop_assert!(sum.digest != encoded.digest);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_all(&bytes, "T");
        let _ = read_all(&[DOCUMENT_START, &bytes].concat(), "T");
        let _ = read_all(&[b"T,A\r\n2025-01-01T00:00:00Z,", &bytes[..]].concat(), "T");
        let _ = read_all(&[b"PAR1", &bytes[..], b"PAR1"].concat(), "T");
        let _ = read_all(&[b"[", &bytes[..]].concat(), "T");
        let _ = read_all(&[b"[{\"T\":\"2025-01-01T00:00:00Z\",\"A\":1}", &bytes[..]].concat(), "T");
        let _ = read_all(&[b"{\"T\":\"2025-01-01T00:00:00Z\",\"A\":", &bytes[..]].concat(), "T");
    }
}

fn long_batch() -> Batch {
    let row = |number: i64| {
        let cells = vec![
            (Kind::Text, String::new()),
            (Kind::Text, "é\u{1}\"".repeat(40)),
            (Kind::Null, String::new()),
        ];
        (row_time(1_735_689_600 + number, 0, 0), cells)
    };
    let columns = ["DATE_TIME", "A", "N"].map(str::to_owned).to_vec();
    batch(&Table { columns, time: 0, rows: (0..10_000).map(row).collect() })
}

#[test]
fn a_long_payload_comes_in_pieces_of_bounded_size() {
    let batch = long_batch();
    for format in formats() {
        for compression in ALL {
            let encoded = format.encode(&batch, compression).unwrap();
            let (pieces, _) = read_all(&encoded.bytes, "DATE_TIME").unwrap();
            assert!(pieces.len() > 3);
            assert!(pieces.iter().all(|rows| rows.len() <= 4096 && rows.value_bytes() < 300 << 10));
            let found: Vec<_> =
                pieces.iter().flat_map(named).map(|(time, cells)| (time.time, cells)).collect();
            let expected: Vec<_> =
                named(&batch.rows).into_iter().map(|(time, cells)| (time.time, cells)).collect();
            assert!(found == expected, "{format:?} {compression:?}");
        }
    }
}

#[test]
fn a_large_batch_is_cut_into_row_groups_and_says_what_does_not_fit() {
    use parquet::file::metadata::RowGroupMetaData;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    let row = |number: i64| {
        let text = if number % 50_000 == 7 { "lost".to_owned() } else { format!("{}.50", number % 1_000) };
        (row_time(number, 0, 0), vec![(Kind::Text, String::new()), (Kind::Text, text)])
    };
    let columns = ["T", "A"].map(str::to_owned).to_vec();
    let table = Table { columns, time: 0, rows: (0..125_000).map(row).collect() };
    let batch = typed_batch(&table, &[ColumnType::TIME, ColumnType::Double]);
    let encoded = Format::Parquet.encode(&batch, Compression::None).unwrap();
    assert_eq!(encoded.misfits, 3);
    let file = SerializedFileReader::new(encoded.bytes.clone()).unwrap();
    let groups = file.metadata().row_groups().iter();
    assert_eq!(groups.map(RowGroupMetaData::num_rows).collect::<Vec<_>>(), [122_880, 2_120]);
    assert_eq!(file.metadata().file_metadata().created_by(), Some("livecosmos"));
    let (pieces, _) = read_all(&encoded.bytes, "T").unwrap();
    assert!(pieces.iter().all(|rows| rows.len() <= 4096));
    let texts =
        |rows: &Rows| (0..rows.len()).map(|row| rows.value(row, 1).text.to_owned()).collect::<Vec<_>>();
    assert!(pieces.iter().flat_map(texts).eq(texts(&batch.rows)));
}

#[test]
fn a_document_names_its_station() {
    let batch = long_batch();
    let encoded = formats()[1].encode(&batch, Compression::Gzip).unwrap();
    assert_eq!(PayloadReader::new(&encoded.bytes, "DATE_TIME").unwrap().station(), Some("ALIC1"));
    let encoded = formats()[0].encode(&batch, Compression::Gzip).unwrap();
    assert_eq!(PayloadReader::new(&encoded.bytes, "DATE_TIME").unwrap().station(), None);
}

#[test]
fn rows_of_other_columns_begin_another_piece() {
    let payload = concat!(
        r#"{"T":"2025-01-01T00:00:00Z","A":1}"#,
        "\n",
        r#"{"T":"2025-01-01T00:01:00Z","A":2}"#,
        "\n",
        r#"{"T":"2025-01-01T00:02:00Z","A":3,"B":null}"#,
        "\n",
        r#"{"A":4,"T":"2025-01-01T00:03:00Z"}"#,
        "\n",
    );
    let (pieces, _) = read_all(payload.as_bytes(), "T").unwrap();
    let shapes: Vec<_> =
        pieces.iter().map(|rows| (rows.len(), rows.schema().columns.len(), rows.schema().time)).collect();
    assert_eq!(shapes, [(2, 2, 0), (1, 3, 0), (1, 2, 1)]);
}

#[test]
fn an_array_of_no_rows_and_one_with_spaces_are_read() {
    assert!(read_all(b"[]", "T").unwrap().0.is_empty());
    let (pieces, _) =
        read_all(b"[ {\"T\": \"2025-01-01T00:00:00Z\"}\n,\n{\"T\":\"2025-01-01T00:00:01Z\"} ]\n", "T")
            .unwrap();
    assert_eq!(pieces.iter().map(Rows::len).sum::<usize>(), 2);
}

#[test]
fn a_payload_that_was_cut_or_changed_is_refused() {
    let batch = long_batch();
    for format in formats() {
        for compression in ALL {
            let whole = format.encode(&batch, compression).unwrap();
            let cut = &whole.bytes[..whole.bytes.len() - 20];
            assert!(read_all(cut, "DATE_TIME").is_err(), "{format:?} {compression:?}");
        }
    }
    // Cut between two lines, only the digest tells.
    let whole = formats()[0].encode(&batch, Compression::None).unwrap();
    let end = whole.bytes[..whole.bytes.len() / 2].iter().rposition(|byte| *byte == b'\n').unwrap();
    let (_, sum) = read_all(&whole.bytes[..=end], "DATE_TIME").unwrap();
    assert_ne!(sum.digest, whole.digest);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let payloads = [
        "x\r\n",
        "x",
        "x\r\n1,2\r\n",
        "T,A\r\n2025-01-01T00:00:00Z\r\n",
        "T,A\r\n2025-01-01T00:00:00Z,\"1",
        "PAR1PAR1",
        "{x",
        r#"{"A":1}"#,
        r#"{"T":"yesterday"}"#,
        r#"{"T":1}"#,
        r#"{"T":"2025-01-01T00:00:00Z","A":01}"#,
        r#"{"T":"2025-01-01T00:00:00Z","A":[1]}"#,
        r#"{"T":"2025-01-01T00:00:00Z","A":1,"A":2}"#,
        r#"{"T":"2025-01-01T00:00:00Z","A":"\ud800x"}"#,
        r#"{"T":"2025-01-01T00:00:00Z","A":"\ud834 \udd1e"}"#,
        r#"{"T":"2025-01-01T00:00:00Z""#,
        r#"{"head":{"fields":[{"name":"A"}]},"data":[{"time":"2025-01-01T00:00:00","vals":[]}]}"#,
        r#"{"head":{},"data":[]}x"#,
        "[",
        "[1]",
        "[]x",
        r#"[{"T":"2025-01-01T00:00:00Z"},]"#,
        r#"[{"T":"2025-01-01T00:00:00Z"}{"#,
        r#"[{"T":"2025-01-01T00:00:00Z"}"#,
        r#"[{"T":"2025-01-01T00:00:00Z"}][]"#,
        r#"[[{"T":"2025-01-01T00:00:00Z"}]]"#,
        r#"[{"T":"yesterday"}]"#,
    ];
    let complaints = payloads.map(complaint).join("\n");
    insta::assert_snapshot!(complaints, @r#"
    its payload cannot be read at byte 3: its first line is no header with 'T', the column of times
    its payload cannot be read at byte 1: it holds its end where a comma or the end of a line should be
    its payload cannot be read at byte 3: its first line is no header with 'T', the column of times
    its payload cannot be read at byte 27: a row has another number of fields than the header
    its payload cannot be read at byte 28: it holds its end where the end of a quoted field should be
    its payload cannot be read at byte 0: it is no whole Parquet file
    its payload cannot be read at byte 1: it holds 'x' where '"' should be
    its payload cannot be read at byte 0: a row has no time, which should stand in 'T'
    its payload cannot be read at byte 0: 'yesterday' is no time as livecosmos writes it
    its payload cannot be read at byte 0: '1' is no time as livecosmos writes it
    its payload cannot be read at byte 34: it holds '}' where a number by JSON's grammar should be
    its payload cannot be read at byte 32: it holds '[' where a text, a number, true, false or null should be
    its payload cannot be read at byte 0: a row has 'A' twice
    its payload cannot be read at byte 39: it holds 'x' where the second half of a surrogate pair should be
    its payload cannot be read at byte 39: it holds ' ' where the second half of a surrogate pair should be
    its payload cannot be read at byte 27: it holds its end where ',' should be
    its payload cannot be read at byte 81: it holds '}' where as many values as fields should be
    its payload cannot be read at byte 21: it holds 'x' where its end should be
    its payload cannot be read at byte 1: it holds its end where '{' should be
    its payload cannot be read at byte 1: it holds '1' where '{' should be
    its payload cannot be read at byte 2: it holds 'x' where its end should be
    its payload cannot be read at byte 30: it holds ']' where '{' should be
    its payload cannot be read at byte 29: it holds '{' where ',' should be
    its payload cannot be read at byte 29: it holds its end where ',' should be
    its payload cannot be read at byte 30: it holds '[' where its end should be
    its payload cannot be read at byte 1: it holds '[' where '{' should be
    its payload cannot be read at byte 1: 'yesterday' is no time as livecosmos writes it
    "#);
}

#[test]
fn only_times_as_they_are_written_are_read() {
    let mut times = TimeParser::default();
    for (text, seconds, nanos, digits) in [
        ("2025-01-01T00:00:00Z", 1_735_689_600, 0, 0),
        ("2025-01-01T00:00:01.50Z", 1_735_689_601, 500_000_000, 2),
        ("2025-01-01T23:59:59.000000001", 1_735_775_999, 1, 9),
        ("-0001-01-01T00:00:00.0Z", -62_198_755_200, 0, 1),
    ] {
        assert_eq!(times.parse(text), Some(row_time(seconds, nanos, digits)), "{text}");
    }
    for text in [
        "",
        "T",
        "2025-01-01",
        "2025-01-01T24:00:00Z",
        "2025-02-30T00:00:00Z",
        "2025-01-01T00:00:00.Z",
        "2025-01-01T00:00:00.0000000001Z",
        "2025-01-01T00:00:+1Z",
        "2025-01-01t00:00:00Z",
    ] {
        assert_eq!(times.parse(text), None, "{text}");
    }
}
