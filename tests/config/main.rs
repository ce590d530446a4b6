//! The configuration, read from files as an operator writes them.

use std::path::Path;
use std::time::Duration;

use livecosmos::config::{Config, SinkPace, SourceSettings};
use livecosmos::payload::{Compression, Format};
use livecosmos::sink::Settings;
use livecosmos::source::SiteRule;
use livecosmos::uploader::Fallback;
use livecosmos_state::{SiteId, TableName};
use tempfile::TempDir;

mod files;
mod servers;
mod sinks;

/// The least that a configuration must say.
const LEAST: &str = r#"
[source]
kind = "csv"
path = "data/{table}.csv"

[sink]
url = "file://./out"

[tables.LEVEL1_X]
site_column = "SITE_ID"
time_column = "DATE_TIME"
"#;

#[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a file in a temporary folder");
}

fn load_in(folder: &Path, text: &str) -> Result<Config, String> {
    let path = folder.join("config.toml");
    write(&path, text.as_bytes());
    let shown = folder.display().to_string();
    Config::load(&path).map_err(|error| error.to_string().replace(&shown, "[DIR]"))
}

fn load(text: &str) -> Result<Config, String> {
    load_in(TempDir::new().expect("a temporary folder").path(), text)
}

/// The message for [`LEAST`] with `old` replaced by `new`.
fn refusal(old: &str, new: &str) -> String {
    assert!(LEAST.contains(old), "{old:?} is not there to be replaced");
    load(&LEAST.replacen(old, new, 1)).expect_err("the configuration was taken")
}

/// The message for [`LEAST`] with `line` at its end, under its table.
fn refusal_of(line: &str) -> String {
    load(&format!("{LEAST}{line}\n")).expect_err("the configuration was taken")
}

#[test]
fn what_is_not_said_has_its_default() {
    let folder = TempDir::new().unwrap();
    let config = load_in(folder.path(), LEAST).unwrap();
    let table = config.table("LEVEL1_X").unwrap();
    let file = folder.path().join("data/LEVEL1_X.csv");
    let SourceSettings::Csv(csv) = &table.source else { panic!("not a CSV: {:?}", table.source) };
    assert_eq!(csv.delimiter, b',');
    assert_eq!(table.source_id, format!("csv:{}", file.display()));
    assert_eq!(table.source.describe(), format!("csv {}", file.display()));
    assert_eq!(table.sink, Settings::Local(folder.path().join("out")));
    assert_eq!(table.shape.site, SiteRule::Column("SITE_ID".to_owned()));
    assert_eq!((table.shape.tie_column.as_deref(), table.shape.sites.as_ref()), (None, None));
    assert_eq!(table.shape.null_values, ["", "NA", "NAN"]);
    assert_eq!(table.shape.time.zone().iana_name(), Some("UTC"));
    assert_eq!(table.shape.future_tolerance_s, 3_600);
    assert_eq!((table.shape.limits.batch_rows_max, table.shape.limits.batch_bytes_max), (10_000, 8 << 20));
    assert!(matches!(table.upload.format, Format::Cr1000x(_)));
    assert_eq!(table.upload.compression, Compression::None);
    assert_eq!((table.upload.in_flight_max, table.upload.memory_bytes_max), (16, 48 << 20));
    assert_eq!(table.upload.key.to_string(), "{site}/{live_table}/{seq}{ext}");
    assert_eq!((table.poll.interval, table.poll.drain), (Duration::from_mins(1), Duration::from_secs(30)));
    assert_eq!(table.poll.fallback, Fallback::Before { seconds: 10_800 });
    assert_eq!((table.poll.jitter, table.pace), (Duration::from_secs(6), SinkPace::default()));
}

#[test]
fn the_jitter_is_a_tenth_of_the_interval_and_a_minute_at_most_unless_it_is_set() {
    let jitter = |poll: &str| {
        let config = load(&format!("{LEAST}\n{poll}")).unwrap();
        config.table("LEVEL1_X").unwrap().poll.jitter
    };
    assert_eq!(jitter("poll.interval = \"10s\""), Duration::from_secs(1));
    assert_eq!(jitter("poll.interval = \"1d\""), Duration::from_mins(1));
    assert_eq!(jitter("poll.interval = \"1d\"\npoll.jitter = \"1d\""), Duration::from_hours(24));
    assert_eq!(jitter("poll.jitter = \"0s\""), Duration::ZERO);
}

#[test]
fn a_table_overrides_any_key_of_a_section_and_leaves_the_others() {
    let text = format!(
        r#"{LEAST}
        tie_column = "RECORD"
        timezone = "Europe/London"
        sites = ["ALIC1", "BUNNY"]
        columns.SERIAL = "text"
        upload.format = "ndjson"

        [tables.OTHER]
        site = "ALIC1"
        time_column = "TIMESTAMP"

        [tables.OTHER.source]
        path = "/srv/{{live_table}}.db"
        kind = "sqlite"

        [tables.OTHER.upload]
        format = "ndjson"
        compression = "gzip"

        [tables.OTHER.poll]
        fallback = "all"
        "#
    );
    let config = load(&format!("poll.interval = \"90s\"\n{text}")).unwrap();
    let [first, other] = config.tables().collect::<Vec<_>>()[..] else { panic!("two tables were written") };
    assert_eq!((first.table.as_str(), other.table.as_str()), ("LEVEL1_X", "OTHER"));
    assert_eq!(first.upload.format, Format::Ndjson);
    assert_eq!(first.shape.tie_column.as_deref(), Some("RECORD"));
    assert_eq!(first.shape.time.zone().iana_name(), Some("Europe/London"));
    assert_eq!(
        first.shape.sites.as_ref().map(|sites| sites.contains(&SiteId::parse("BUNNY").unwrap())),
        Some(true)
    );
    assert!(first.shape.text_columns.contains("SERIAL") && other.shape.text_columns.is_empty());
    assert_eq!(other.source_id, "sqlite:/srv/OTHER.db");
    assert_eq!(other.shape.site, SiteRule::Fixed(SiteId::parse("ALIC1").unwrap()));
    assert_eq!((first.upload.compression, other.upload.compression), (Compression::None, Compression::Gzip));
    assert_eq!(
        (first.poll.interval, other.poll.interval),
        (Duration::from_secs(90), Duration::from_secs(90))
    );
    assert_eq!(
        (first.poll.fallback, other.poll.fallback),
        (Fallback::Before { seconds: 10_800 }, Fallback::All)
    );
}

#[test]
fn fills_have_their_share_of_the_puts_and_one_at_least() {
    let fills_max = |lines: &str| {
        let config = load(&format!("{LEAST}{lines}")).unwrap();
        config.table("LEVEL1_X").unwrap().upload.fills_max
    };
    assert_eq!(fills_max(""), 4);
    assert_eq!(fills_max("upload.in_flight_max = 12\nupload.fill_share = 0.5\n"), 6);
    assert_eq!(fills_max("upload.in_flight_max = 12\nupload.fill_share = 0.01\n"), 1);
    assert_eq!(fills_max("upload.in_flight_max = 256\nupload.fill_share = 1.0\n"), 16);
}

#[test]
fn a_column_is_declared_by_its_type_alone_or_with_more() {
    let text = "columns.A = \"float\"\ncolumns.B = { type = \"text\", units = \"degC\" }\n\
                [tables.LEVEL1_X.columns.C]\nname = \"AirTC\"\nunits = \"\"\nprocess = \"Avg\"\n";
    let config = load(&format!("{LEAST}{text}")).unwrap();
    let table = config.table("LEVEL1_X").unwrap();
    let types: Vec<String> =
        table.shape.column_types.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    assert_eq!(types, ["A double", "B text"]);
    assert_eq!(table.shape.text_columns.iter().collect::<Vec<_>>(), ["B"]);
    let Format::Cr1000x(program) = &table.upload.format else { panic!("{:?}", table.upload.format) };
    assert_eq!(program.fields.keys().collect::<Vec<_>>(), ["B", "C"]);
    assert_eq!(program.fields["B"].units.as_deref(), Some("degC"));
    let c = &program.fields["C"];
    let said = [&c.name, &c.units, &c.process].map(|text| text.as_deref());
    assert_eq!(said, [Some("AirTC"), Some(""), Some("Avg")]);
}

#[test]
fn a_format_that_cannot_be_meant_is_refused() {
    insta::assert_snapshot!(refusal_of("upload.format = \"xml\""), @"[DIR]/config.toml:12:17: unknown value 'xml'; known here are cr1000x, ndjson, json, csv, parquet");
    insta::assert_snapshot!(refusal_of("upload = { format = \"parquet\", compression = \"gzip\" }"), @r#"[DIR]/config.toml:12:46: a Parquet file compresses its columns itself, and readers expect it so; remove compression, or set it to "none" for this table"#);
    insta::assert_snapshot!(refusal_of("columns.A = \"number\""), @"[DIR]/config.toml:12:13: unknown value 'number'; known here are text, integer, float, boolean, date, timestamp, timestamptz");
    insta::assert_snapshot!(refusal_of("columns.A = 5"), @r#"[DIR]/config.toml:12:13: this is the integer 5; write a type such as "text", or a table with type, name, units or process"#);
    insta::assert_snapshot!(refusal_of("columns.A = { unit = \"m\" }"), @"[DIR]/config.toml:12:15: unknown key 'unit'; did you mean 'units'?");
    insta::assert_snapshot!(refusal_of("columns = { A = { name = \"X\" }, B = { name = \"X\" } }"), @"[DIR]/config.toml:12:46: two columns are given the name 'X'; name them apart");
    insta::assert_snapshot!(refusal_of("columns.A = { units = \"m\" }\nupload.format = \"ndjson\""), @r#"[DIR]/config.toml:12:23: units stands in the head of format "cr1000x" alone; remove it"#);
    let none = "upload = { format = \"parquet\", compression = \"none\" }\n";
    assert!(load(&format!("{LEAST}{none}")).is_ok());
}

#[test]
fn a_fallback_is_a_duration_a_date_or_all() {
    let fallback = |text: &str| livecosmos::config::parse_fallback(text);
    let at = |text: &str| Ok(Fallback::At(text.parse().unwrap()));
    assert_eq!(fallback("90m"), Ok(Fallback::Before { seconds: 5_400 }));
    assert_eq!(fallback("all"), Ok(Fallback::All));
    assert_eq!(fallback("2025-01-01"), at("2025-01-01T00:00:00Z"));
    assert_eq!(fallback("2025-01-01T01:30:00+01:00"), at("2025-01-01T00:30:00Z"));
    insta::assert_snapshot!(fallback("yesterday").unwrap_err(), @r#"'yesterday' is no fallback; use a duration such as "3h", a date such as "2025-01-01" or "2025-01-01T12:00:00Z", or "all""#);
}

#[test]
fn only_what_shapes_a_payload_changes_the_digest() {
    let digest =
        |line: &str| load(&format!("{LEAST}{line}\n")).unwrap().table("LEVEL1_X").unwrap().digest.clone();
    let plain = digest("");
    assert_eq!(plain.len(), 12);
    for line in [
        "poll.interval = \"5s\"",
        "upload.compression = \"zstd\"",
        "upload.batch_rows_max = 5",
        "sites = [\"A\"]",
    ] {
        assert_eq!(digest(line), plain, "{line}");
    }
    let shaping = [
        "upload.format = \"ndjson\"",
        "upload.format = \"json\"",
        "timezone = \"Europe/London\"",
        "fold = \"later\"",
        "time_format = \"%Y-%m-%d %H:%M:%S\"",
        "null_values = [\"\"]",
        "null_values = [\"\", \"NA\", \"NAN\", \"x\"]",
        "columns.SERIAL = \"text\"",
        "columns.SERIAL = { units = \"m\" }",
        "columns.SERIAL = { process = \"m\" }",
        "upload.format = \"csv\"",
        "upload.format = \"parquet\"",
        "upload.format = \"parquet\"\ncolumns.SERIAL = \"float\"",
        "upload.format = \"parquet\"\ncolumns.SERIAL = \"integer\"",
    ];
    let mut seen: Vec<String> = shaping.iter().map(|line| digest(line)).chain([plain]).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), shaping.len() + 1, "two of them share a digest");
}

#[test]
fn an_unknown_key_is_placed_and_the_likely_one_is_named() {
    insta::assert_snapshot!(refusal("kind =", "kidn ="), @"[DIR]/config.toml:3:1: unknown key 'kidn'; did you mean 'kind'?");
    insta::assert_snapshot!(refusal_of("poll.intervall = \"60s\""), @"[DIR]/config.toml:12:6: unknown key 'intervall'; did you mean 'interval'?");
    insta::assert_snapshot!(refusal_of("time_colum = \"DATE_TIME\""), @"[DIR]/config.toml:12:1: unknown key 'time_colum'; did you mean 'time_column'?");
    insta::assert_snapshot!(refusal_of("upload.qqq = 1"), @"[DIR]/config.toml:12:8: unknown key 'qqq'; known here are format, compression, batch_rows_max, batch_bytes_max, in_flight_max, memory_max, fill_share, key");
    insta::assert_snapshot!(refusal_of("[tables.LEVEL1_X.sink.s3]\nendpoit = \"http://h\""), @"[DIR]/config.toml:13:1: unknown key 'endpoit'; did you mean 'endpoint'?");
    insta::assert_snapshot!(refusal_of("[pol]\ninterval = \"60s\""), @"[DIR]/config.toml:12:2: unknown key 'pol'; did you mean 'poll'?");
    insta::assert_snapshot!(refusal_of("columns.TA = \"txt\""), @"[DIR]/config.toml:12:14: unknown value 'txt'; did you mean 'text'?");
}

#[test]
fn a_column_counts_characters_and_not_bytes() {
    insta::assert_snapshot!(refusal_of("columns = { 'Ä' = \"text\" , 'µ' = \"txt\" }"), @"[DIR]/config.toml:12:34: unknown value 'txt'; did you mean 'text'?");
}

#[test]
fn a_key_that_belongs_to_a_section_is_sent_there() {
    insta::assert_snapshot!(refusal_of("interval = \"60s\""), @"[DIR]/config.toml:12:1: unknown key 'interval'; it belongs under [poll]");
    insta::assert_snapshot!(refusal("kind =", "site_column = \"S\"\nkind ="), @"[DIR]/config.toml:3:1: unknown key 'site_column'; it belongs under [tables.NAME]");
    insta::assert_snapshot!(refusal("\n[source]", "interval = \"60s\"\n[source]"), @"[DIR]/config.toml:1:1: unknown key 'interval'; it belongs under [poll]");
    insta::assert_snapshot!(refusal_of("endpoint = \"http://h\""), @"[DIR]/config.toml:12:1: unknown key 'endpoint'; it belongs under [sink.s3]");
}

#[test]
fn what_is_missing_is_named_with_what_to_write() {
    insta::assert_snapshot!(refusal("kind = \"csv\"", ""), @r#"[DIR]/config.toml:9:9: table LEVEL1_X has no source.kind; set kind = "csv", "sqlite", "postgres", "mysql" or "oracle" under [source]"#);
    insta::assert_snapshot!(refusal("path = \"data/{table}.csv\"", ""), @r#"[DIR]/config.toml:9:9: table LEVEL1_X has no source.path; set path under [source], such as "data/{table}.csv""#);
    insta::assert_snapshot!(refusal("url = \"file://./out\"", ""), @r#"[DIR]/config.toml:9:9: table LEVEL1_X has no sink.url; set url under [sink], such as "file://./out" or "s3://bucket/prefix""#);
    insta::assert_snapshot!(refusal("site_column = \"SITE_ID\"", ""), @r#"[DIR]/config.toml:9:9: table LEVEL1_X does not say how a row's site is found; set site_column, or site to an id, "{station}" or "{file_stem}""#);
    insta::assert_snapshot!(refusal("time_column = \"DATE_TIME\"", ""), @"[DIR]/config.toml:9:9: table LEVEL1_X has no time_column; set time_column to the name of the column that holds the time");
    insta::assert_snapshot!(load("").unwrap_err(), @"[DIR]/config.toml: there is no [tables.NAME]; add one for each table to follow");
    insta::assert_snapshot!(load("[tables]").unwrap_err(), @"[DIR]/config.toml: there is no table under [tables]; add [tables.NAME] for each table to follow");
    insta::assert_snapshot!(load("tables = 1").unwrap_err(), @"[DIR]/config.toml:1:10: tables is no table; write [tables.NAME]");
    insta::assert_snapshot!(load("tables.X = 1").unwrap_err(), @"[DIR]/config.toml:1:12: tables.X is no table; write [tables.X]");
    insta::assert_snapshot!(load("sink = 1\n[tables.X]").unwrap_err(), @"[DIR]/config.toml:1:8: this is the integer 1; write a table, such as [sink]");
}

#[test]
fn a_source_that_cannot_be_meant_is_refused() {
    insta::assert_snapshot!(refusal("\"csv\"", "\"cvs\""), @"[DIR]/config.toml:3:8: unknown value 'cvs'; did you mean 'csv'?");
    insta::assert_snapshot!(refusal("{table}", "{site}"), @"[DIR]/config.toml:4:8: unknown token '{site}' in 'data/{site}.csv'; known are {table}, {live_table}");
    let message = refusal("{table}", "{table}[a-");
    assert!(
        message.starts_with("[DIR]/config.toml:4:8: path \"[DIR]/data/LEVEL1_X[a-.csv\" is no pattern"),
        "{message}"
    );
    assert!(message.ends_with("; mend it under [source]"), "{message}");
    insta::assert_snapshot!(refusal("path =", "delimiter = \"::\"\npath ="), @r#"[DIR]/config.toml:4:13: delimiter is not one ASCII character; use ",", ";", "|" or "\t""#);
    insta::assert_snapshot!(refusal("path =", "id = \" \"\npath ="), @"[DIR]/config.toml:4:6: id is empty; give it a value, or remove it");
    insta::assert_snapshot!(refusal("\"csv\"", "\"sqlite\"\ndelimiter = \";\""), @"[DIR]/config.toml:4:13: a database has no delimiter; remove this key");
    let sqlite =
        LEAST.replace("\"csv\"", "\"sqlite\"").replace("site_column = \"SITE_ID\"", "site = \"{station}\"");
    insta::assert_snapshot!(load(&sqlite).unwrap_err(), @r#"[DIR]/config.toml:9:9: site = "{station}" is for files, and the source is a database; set site_column, or site to the one site's id"#);
}

#[test]
fn durations_sizes_and_counts_have_limits_that_are_named() {
    insta::assert_snapshot!(refusal_of("poll.interval = 60"), @r#"[DIR]/config.toml:12:17: 60 has no unit; write a number and a unit such as "500ms", "60s", "90m", "3h", "2d" or "1w""#);
    insta::assert_snapshot!(refusal_of("poll.interval = \"60\""), @r#"[DIR]/config.toml:12:17: '60' is no duration; write a number and a unit such as "500ms", "60s", "90m", "3h", "2d" or "1w""#);
    insta::assert_snapshot!(refusal_of("poll.interval = \"1ms\""), @"[DIR]/config.toml:12:17: interval is 1ms; use 100ms to 7d");
    insta::assert_snapshot!(refusal_of("poll.drain = \"2 h\""), @"[DIR]/config.toml:12:14: drain is 2h; use 0s to 1h");
    insta::assert_snapshot!(refusal_of("poll.future_tolerance = \"400d\""), @"[DIR]/config.toml:12:25: future_tolerance is 400d; use 0s to 366d");
    insta::assert_snapshot!(refusal_of("poll.fallback = \"a while\""), @r#"[DIR]/config.toml:12:17: 'a while' is no fallback; use a duration such as "3h", a date such as "2025-01-01" or "2025-01-01T12:00:00Z", or "all""#);
    insta::assert_snapshot!(refusal_of("upload.batch_bytes_max = \"8 MB!\""), @r#"[DIR]/config.toml:12:26: '8 MB!' is no size; write a whole number and a unit such as "500 kB", "8 MiB" or "1 GiB""#);
    insta::assert_snapshot!(refusal_of("upload.batch_bytes_max = \"2 GiB\""), @"[DIR]/config.toml:12:26: batch_bytes_max is 2 GiB; use 1 KiB to 1 GiB");
    insta::assert_snapshot!(refusal_of("upload.batch_bytes_max = \"32 MiB\""), @"[DIR]/config.toml:12:26: batch_bytes_max of 32 MiB does not fit twice into memory_max of 48 MiB; lower the one or raise the other");
    insta::assert_snapshot!(refusal_of("upload.memory_max = \"8 MiB\""), @"[DIR]/config.toml:12:21: batch_bytes_max of 8 MiB does not fit twice into memory_max of 8 MiB; lower the one or raise the other");
    insta::assert_snapshot!(refusal_of("upload.batch_rows_max = 0"), @"[DIR]/config.toml:12:25: batch_rows_max is 0; use 1 to 1000000");
    insta::assert_snapshot!(refusal_of("sink.bytes_per_second_max = \"1 B\""), @"[DIR]/config.toml:12:29: bytes_per_second_max is 1 B; use 1 KiB to 1024 GiB");
    insta::assert_snapshot!(refusal_of("sink.requests_per_second_max = 0"), @"[DIR]/config.toml:12:32: requests_per_second_max is 0; use 1 to 100000");
    insta::assert_snapshot!(refusal_of("poll.jitter = \"61s\""), @"[DIR]/config.toml:12:15: jitter is 1m 1s; use 0s to 1m");
    insta::assert_snapshot!(refusal_of("upload.in_flight_max = -1"), @"[DIR]/config.toml:12:24: in_flight_max is -1; use 1 to 256");
    insta::assert_snapshot!(refusal_of("upload.in_flight_max = \"many\""), @r#"[DIR]/config.toml:12:24: this is the string "many"; write a whole number"#);
    insta::assert_snapshot!(refusal_of("upload.key = \"{date}/{site}/{seq}\""), @"[DIR]/config.toml:12:14: {site} of the key template stands behind {date}, which changes from object to object, so a site could not be listed by itself; put {site} before it");
}

#[test]
fn a_shape_that_cannot_be_meant_is_refused() {
    insta::assert_snapshot!(refusal("LEVEL1_X", "\"X; DROP TABLE Y\""), @r#"[DIR]/config.toml:9:9: table name "X; DROP TABLE Y" is not allowed; use [SCHEMA.]TABLE, each part a letter and then any of A-Z a-z 0-9 _ $ #, at most 128 bytes"#);
    insta::assert_snapshot!(refusal_of("site = \"ALIC1\""), @"[DIR]/config.toml:12:8: site and site_column are both set; keep the one that fits the source");
    insta::assert_snapshot!(refusal("site_column = \"SITE_ID\"", "site = \"../ALIC1\""), @r#"[DIR]/config.toml:10:8: site id "../ALIC1" is not allowed; use 1 to 64 of A-Z a-z 0-9 _ -"#);
    insta::assert_snapshot!(refusal("site_column = \"SITE_ID\"", "site = \"{file}\""), @"[DIR]/config.toml:10:8: '{file}' is no site; use an id, or {station} or {file_stem}");
    insta::assert_snapshot!(refusal_of("sites = []"), @"[DIR]/config.toml:12:9: sites is empty, so nothing would be sent; name sites, or remove it for all");
    insta::assert_snapshot!(refusal_of("sites = [\"ALIC1\", \"a/b\"]"), @r#"[DIR]/config.toml:12:19: site id "a/b" is not allowed; use 1 to 64 of A-Z a-z 0-9 _ -"#);
    insta::assert_snapshot!(refusal_of("tie_column = \"DATE_TIME\""), @"[DIR]/config.toml:12:14: tie_column and time_column are both 'DATE_TIME'; name two columns");
    insta::assert_snapshot!(refusal_of("timezone = \"Europe/Londn\""), @"[DIR]/config.toml:12:12: there is no time zone 'Europe/Londn'; did you mean 'Europe/London'?");
    insta::assert_snapshot!(refusal_of("timezone = \"+01:00\""), @r#"[DIR]/config.toml:12:12: there is no time zone '+01:00'; use a name such as "UTC", "Europe/London" or "Etc/GMT-1""#);
    insta::assert_snapshot!(refusal_of("time_format = \"%H:%M\""), @r#"[DIR]/config.toml:12:15: time_format '%H:%M' does not name a whole date; write it as strftime does, such as "%d/%m/%Y %H:%M:%S""#);
    insta::assert_snapshot!(refusal_of("time_format = \"%Q\""), @r#"[DIR]/config.toml:12:15: time_format '%Q' does not name a whole date; write it as strftime does, such as "%d/%m/%Y %H:%M:%S""#);
    insta::assert_snapshot!(refusal_of("fold = \"never\""), @"[DIR]/config.toml:12:8: unknown value 'never'; known here are earlier, later, reject");
    insta::assert_snapshot!(refusal_of("null_values = \"NA\""), @r#"[DIR]/config.toml:12:15: this is the string "NA"; write a list such as ["a", "b"]"#);
}

#[test]
fn an_unknown_table_names_the_likely_one() {
    let config = load(LEAST).unwrap();
    let message = config.table("LEVEL1_Y").unwrap_err().to_string();
    assert!(
        message.ends_with("config.toml: unknown table 'LEVEL1_Y'; did you mean 'LEVEL1_X'?"),
        "{message}"
    );
    assert!(config.table("all").unwrap_err().to_string().ends_with("; known here are LEVEL1_X"));
    assert_eq!(config.table("LEVEL1_X").unwrap().table, TableName::parse("LEVEL1_X").unwrap());
}
