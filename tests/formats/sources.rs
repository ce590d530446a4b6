//! Rows of a CSV file, whose types nobody knows but the configuration.

use crate::support::daemon::{Livecosmos, Workdir, workdir};
use crate::witness::{duckdb, pandas, python};

const ROWS: &str = "SITE_ID,DATE_TIME,TA,RECORD,OK,SEEN,NOTE\n\
    ALIC1,2025-01-01T00:00:00.0,0.10,1,true,2025-01-01 00:00:00,\n\
    ALIC1,2025-01-01T00:30:00.0,-4.25,2,0,2025-01-01 00:30:00.5,\"a \"\"b\"\", c\"\n\
    ALIC1,2025-01-01T01:00:00.0,1e2,,FALSE,2025-01-01T01:00,007\n\
    ALIC1,2025-01-01T01:30:00.0,lost,9223372036854775808,maybe,soon,NA\n";

fn stored(format: &str, columns: &str) -> Workdir {
    let work = workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"rows.csv\"\n[sink]\nurl = \"file://./stored\"\n\
         [upload]\nformat = \"{format}\"\nbatch_rows_max = 3\n[poll]\nfallback = \"all\"\n\
         [tables.X]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n{columns}"
    ));
    work.write("rows.csv", ROWS);
    let _ = work.livecosmos().table("X").arg("--once").run().expect_code(0);
    work
}

const TYPES: &str =
    "columns = { TA = \"float\", RECORD = \"integer\", OK = \"boolean\", SEEN = \"timestamp\" }\n";

#[test]
fn declared_columns_of_a_file_have_types_in_parquet_and_what_does_not_fit_is_beside_them() {
    let work = stored("parquet", TYPES);
    let seen = duckdb(&work);
    assert_eq!(
        seen.types(),
        [
            "SITE_ID VARCHAR",
            "DATE_TIME TIMESTAMP WITH TIME ZONE",
            "TA DOUBLE",
            "RECORD BIGINT",
            "OK BOOLEAN",
            "SEEN TIMESTAMP",
            "NOTE VARCHAR",
            "_rescued_data VARCHAR"
        ]
    );
    assert_eq!(seen.column("TA"), ["0.1", "-4.25", "100.0", "-"]);
    assert_eq!(seen.column("RECORD"), ["1", "2", "-", "-"]);
    assert_eq!(seen.column("OK"), ["true", "false", "false", "-"]);
    assert_eq!(seen.column("SEEN"), ["2025-01-01 00:00:00", "2025-01-01 00:30:00.5", "-", "-"]);
    assert_eq!(seen.column("NOTE"), ["-", "a \"b\", c", "007", "-"]);
    assert_eq!(
        seen.column("_rescued_data"),
        [
            "-",
            "-",
            r#"{"SEEN":"2025-01-01T01:00"}"#,
            r#"{"TA":"lost","RECORD":"9223372036854775808","OK":"maybe","SEEN":"soon"}"#
        ]
    );
    let seen = pandas(&work);
    assert_eq!(
        seen.types()[1..4],
        ["DATE_TIME datetime64[us, UTC]", "TA float64", "RECORD float64"],
        "pandas knows no integers with nulls"
    );
    assert_eq!(seen.column("TA"), ["0.1", "-4.25", "100.0", "-"]);
    assert_eq!(seen.column("DATE_TIME")[1], "2025-01-01T00:30:00+00:00");
}

#[test]
fn csv_is_read_as_it_was_written_by_others_with_nulls_apart_from_empty_texts() {
    let work = stored("csv", "null_values = [\"NA\"]\n");
    let seen = duckdb(&work);
    assert_eq!(seen.column("TA"), ["0.10", "-4.25", "1e2", "lost"]);
    assert_eq!(seen.column("NOTE"), ["", "a \"b\", c", "007", "-"]);
    assert_eq!(seen.column("DATE_TIME")[0], "2025-01-01T00:00:00.0Z");
    let seen = pandas(&work);
    assert_eq!(seen.column("TA"), ["0.10", "-4.25", "1e2", "lost"]);
    assert_eq!(seen.column("NOTE"), ["", "a \"b\", c", "007", ""], "pandas does not look at quotes");
}

#[test]
fn an_array_is_read_by_others_as_ndjson_is_and_each_object_is_one() {
    let array = stored("json", "null_values = [\"NA\"]\n");
    let objects = crate::support::objects::in_folder(&array.path("stored"));
    assert!(objects.keys().any(|key| key.ends_with("/00000000000000000001.json")), "{:?}", objects.keys());
    for object in objects.values() {
        let rows: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_slice(object).expect("an array of objects");
        assert!((1..=3).contains(&rows.len()));
    }
    let lines = stored("ndjson", "null_values = [\"NA\"]\n");
    assert_eq!(duckdb(&array), duckdb(&lines));
    let seen = python(&array);
    assert_eq!(seen, python(&lines));
    assert_eq!(seen.column("TA"), ["0.10", "-4.25", "1e2", "lost"]);
    assert_eq!(seen.column("NOTE"), ["", "a \"b\", c", "007", "-"]);
    assert_eq!(seen.column("OK"), ["true", "0", "FALSE", "maybe"]);
    assert_eq!(seen.column("DATE_TIME")[3], "2025-01-01T01:30:00.0Z");
}

#[test]
fn verify_and_reconcile_read_every_format_back() {
    for (format, columns) in [("csv", ""), ("parquet", TYPES), ("parquet", ""), ("ndjson", ""), ("json", "")]
    {
        let work = stored(format, columns);
        let command = |name: &str| Livecosmos::new(work.folder()).arg(name).arg(work.config()).table("X");
        let verified = command("verify").arg("--output").arg("json").run().expect_code(0);
        let verified: serde_json::Value = serde_json::from_str(&verified.stdout).expect("JSON");
        assert_eq!(verified["tables"][0]["rows"], 4, "{format}: {verified}");
        assert_eq!(verified["tables"][0]["findings"], serde_json::json!([]), "{format}: {verified}");
        // Counted, and then compared row by row with the source.
        let backfill = command("reconcile").arg("--state-dir").arg(work.state_dir());
        let _ = backfill.run().expect_code(0);
    }
}

#[test]
fn one_object_and_its_file_say_its_schema() {
    let work = stored("parquet", TYPES);
    let claims = crate::support::objects::in_folder(&work.path("stored/.livecosmos"));
    let claim = claims.values().next().expect("a claim");
    let claim = String::from_utf8_lossy(claim);
    let schema =
        "SITE_ID:text,DATE_TIME:timestamptz,TA:double,RECORD:integer,OK:boolean,SEEN:timestamp,NOTE:text";
    assert!(claim.contains(schema), "{claim}");
}
