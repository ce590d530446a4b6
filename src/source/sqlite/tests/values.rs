//! What is stored, and how it leaves.

use super::*;
use crate::column_type::ColumnType;

#[test]
fn every_storage_class_leaves_as_what_it_is() {
    let database = Database::new(
        "CREATE TABLE MET (SITE_ID INTEGER, DATE_TIME TEXT, V, CODE INTEGER);
         CREATE INDEX MET_SITE_TIME ON MET (SITE_ID, DATE_TIME);",
    );
    let stored = [
        ("9223372036854775807", Kind::Number, "9223372036854775807"),
        ("0.1", Kind::Number, "0.1"),
        ("4.0", Kind::Number, "4.0"),
        ("-1e300", Kind::Number, "-1e300"),
        ("1.163385E-05", Kind::Number, "1.163385e-5"),
        ("9e999", Kind::Null, ""),
        ("NULL", Kind::Null, ""),
        ("'0.10'", Kind::Text, "0.10"),
        ("'NAN'", Kind::Null, ""),
        ("'N\"W é'", Kind::Text, "N\"W é"),
        ("x'00ff10'", Kind::Text, "AP8Q"),
    ];
    for (minute, (value, ..)) in stored.iter().enumerate() {
        database.run(&format!("INSERT INTO MET VALUES (17, '2025-01-01 00:{minute:02}', {value}, 5)"));
    }
    let (mut recorder, mut shape) = (Recorder::default(), shape());
    shape.text_columns.insert("CODE".to_owned());
    let pass = read(&database, shape, &mut recorder);
    let expected = stored.map(|(_, kind, text)| (kind, text.to_owned()));
    assert_eq!(recorder.column("V"), expected);
    assert_eq!(recorder.column("CODE")[0], (Kind::Text, "5".to_owned()));
    assert_eq!(recorder.column("SITE_ID")[0], (Kind::Text, "17".to_owned()));
    assert_eq!(recorder.column("DATE_TIME")[0], (Kind::Text, String::new()));
    assert_eq!(recorder.batches[0].site, site("17"));
    assert!(pass.notices[0].contains("infinite numbers"), "{:?}", pass.notices);
}

#[test]
fn columns_of_a_strict_table_have_types_and_those_of_another_only_if_they_are_declared() {
    let columns = "(SITE_ID TEXT, DATE_TIME TEXT, N INTEGER, R REAL, B BLOB, A ANY)";
    let row = "INSERT INTO MET VALUES ('A', '2025-01-01 00:00', 1, 0.5, x'00', 2);";
    for (strict, expected) in [
        ("STRICT", ["text", "timestamptz", "integer", "double", "bytes", "boolean"]),
        ("", ["text", "timestamptz", "text", "text", "text", "boolean"]),
    ] {
        // SQLite knows ANY of tables that are STRICT alone, and takes it for a name elsewhere.
        let database = Database::new(&format!("CREATE TABLE MET {columns} {strict}; {row}"));
        let (mut recorder, mut shape) = (Recorder::default(), shape());
        shape.column_types.insert("A".to_owned(), ColumnType::Boolean);
        let _ = read(&database, shape, &mut recorder);
        let types = recorder.batches[0].rows.schema().types.iter().map(ToString::to_string);
        assert_eq!(types.collect::<Vec<_>>(), expected, "{strict}");
    }
}

#[test]
fn times_that_are_numbers_are_read_in_their_unit_with_its_digits() {
    for (unit, stored, expected, digits) in [
        (TimeUnit::Seconds, "1735689600", "2025-01-01T00:00:00Z", 0),
        (TimeUnit::Milliseconds, "1735689600250", "2025-01-01T00:00:00.250Z", 3),
        (TimeUnit::Microseconds, "1735689600250001", "2025-01-01T00:00:00.250001Z", 6),
        (TimeUnit::Seconds, "1735689600.1", "2025-01-01T00:00:00.100Z", 1),
        (TimeUnit::Milliseconds, "1735689600250.5", "2025-01-01T00:00:00.250500Z", 4),
        (TimeUnit::Seconds, "-0.25", "1969-12-31T23:59:59.750Z", 2),
    ] {
        let database = Database::new(
            "CREATE TABLE MET (SITE_ID TEXT, DATE_TIME NUMERIC); CREATE INDEX I ON MET (SITE_ID, DATE_TIME);",
        );
        database.run(&format!("INSERT INTO MET VALUES ('A', {stored})"));
        let mut recorder = Recorder::default();
        let open =
            || SqliteSource::open(Settings { time_unit: unit, ..database.settings() }, shape()).unwrap();
        open().pass(&start(), &mut recorder).unwrap();
        assert_eq!(recorder.batches[0].rows.times()[0].digits, digits, "{stored}");
        assert_eq!(recorder.take(), [format!("A {expected}")]);
        database.run(&format!("INSERT INTO MET VALUES ('A', {stored} + 1)"));
        open().pass(&start(), &mut recorder).unwrap();
        assert_eq!(recorder.take().len(), 1, "the position is found again: {stored}");
    }
}

#[test]
fn a_row_without_time_or_site_is_rejected_by_its_rowid_and_stops_no_other() {
    for schema_end in ["", "DROP INDEX MET_SITE_TIME;"] {
        let database = Database::usual();
        database.run(schema_end);
        database.run(
            "INSERT INTO MET VALUES (1, 'A', NULL, 1), (2, NULL, '2025-01-01 00:00', 2), (3, '', '2025-01-01 00:00', 3),
             (4, '../x', '2025-01-01 00:00', 4), (5, 'A', 'noon', 5), (6, x'41', '2025-01-01 00:00', 6),
             (7, 'A', '2025-01-01 00:00', 7), (8, 'A', x'32', 8), (9, 'A', 12.5, 9)",
        );
        let mut recorder = Recorder::default();
        read(&database, shape(), &mut recorder);
        let mut rejected: Vec<(&str, &str)> = recorder
            .rejects
            .iter()
            .map(|reject| (reject.identity.as_str(), reject.reason.as_str()))
            .collect();
        rejected.sort_unstable();
        let identities: Vec<&str> = rejected.iter().map(|(identity, _)| *identity).collect();
        assert_eq!(
            identities,
            ["MET:1", "MET:2", "MET:3", "MET:4", "MET:5", "MET:6", "MET:8", "MET:9"],
            "{schema_end}"
        );
        assert!(rejected[0].1.contains("no time") && rejected[3].1.contains("\"../x\""), "{rejected:?}");
        assert!(rejected[4].1.contains("'noon' is no time"), "{rejected:?}");
        let fifth = recorder.rejects.iter().find(|reject| reject.identity == "MET:5").unwrap();
        assert_eq!((fifth.position.as_str(), fifth.row.as_str()), ("table MET, rowid 5", "5,A,noon,5.0"));
        assert_eq!(fifth.site.as_deref(), Some("A"));
        assert_eq!(recorder.take(), ["A 2025-01-01T00:00:00Z"]);
    }
}

#[test]
fn a_text_that_is_not_utf8_is_rejected_and_leaves_no_trace_in_the_batch() {
    let database = Database::usual();
    database.run("ALTER TABLE MET ADD NOTE TEXT");
    database.run("INSERT INTO MET VALUES (1, 'A', '2025-01-01 00:00', 1, 'ok'), (2, 'A', '2025-01-01 00:30', 2, CAST(x'ff41' AS TEXT)), (3, 'A', '2025-01-01 01:00', 3, 'ok')");
    let mut recorder = Recorder::default();
    read(&database, shape(), &mut recorder);
    assert_eq!(recorder.rejects[0].identity, "MET:2");
    assert_eq!(recorder.column("ID"), [(Kind::Number, "1".to_owned()), (Kind::Number, "3".to_owned())]);
}

#[test]
fn a_site_stored_both_as_text_and_as_number_is_read_in_one_way() {
    let database = Database::new(
        "CREATE TABLE MET (SITE_ID, DATE_TIME TEXT); CREATE INDEX I ON MET (SITE_ID, DATE_TIME);",
    );
    database.run("INSERT INTO MET VALUES (17, '2025-01-01 00:00'), ('17', '2025-01-01 00:30')");
    let mut recorder = Recorder::default();
    read(&database, shape(), &mut recorder);
    assert_eq!(recorder.take(), ["17 2025-01-01T00:00:00Z"]);
    assert!(recorder.rejects[0].reason.contains("as text and as number"), "{:?}", recorder.rejects);
}

#[test]
fn a_table_of_one_site_is_read_by_its_time() {
    for schema in [
        "CREATE TABLE MET (DATE_TIME INTEGER PRIMARY KEY, TA REAL);",
        "CREATE TABLE MET (DATE_TIME INTEGER, TA REAL); CREATE INDEX I ON MET (DATE_TIME);",
        "CREATE TABLE MET (DATE_TIME INTEGER, TA REAL);",
    ] {
        let database = Database::new(schema);
        database.run("INSERT INTO MET VALUES (1735689601, 1), (1735689600, 2)");
        let shape = TableShape { site: SiteRule::Fixed(site("ALIC1")), ..shape() };
        let mut recorder = Recorder::default();
        read(&database, shape.clone(), &mut recorder);
        assert_eq!(recorder.take(), ["ALIC1 2025-01-01T00:00:00Z", "ALIC1 2025-01-01T00:00:01Z"], "{schema}");
        database.run("INSERT INTO MET VALUES (1735689602, 3)");
        read(&database, shape, &mut recorder);
        assert_eq!(recorder.take(), ["ALIC1 2025-01-01T00:00:02Z"], "{schema}");
    }
}

#[test]
fn a_view_and_a_table_without_rowid_are_read_too() {
    for (schema, insert) in [
        (
            "CREATE TABLE MET (SITE_ID TEXT, DATE_TIME TEXT, PRIMARY KEY (SITE_ID, DATE_TIME)) WITHOUT ROWID;",
            "MET",
        ),
        ("CREATE TABLE BASE (SITE_ID TEXT, DATE_TIME TEXT); CREATE VIEW MET AS SELECT * FROM BASE;", "BASE"),
    ] {
        let database = Database::new(schema);
        let mut recorder = Recorder::default();
        for minute in 0..3 {
            database.run(&format!("INSERT INTO {insert} VALUES ('A', '2025-01-01 00:0{minute}')"));
            let known = recorder.cursors.keys().cloned().collect();
            database.open(shape()).unwrap().pass(&Start { known, ..start() }, &mut recorder).unwrap();
            assert_eq!(recorder.take(), [format!("A 2025-01-01T00:0{minute}:00Z")], "{schema}");
        }
    }
}
