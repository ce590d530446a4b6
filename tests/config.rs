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
fn limits_of_a_sink_are_a_size_and_a_number_a_second() {
    let limits = "sink.bytes_per_second_max = \"1 MiB\"\nsink.requests_per_second_max = 50";
    let config = load(&format!("{LEAST}\n{limits}")).unwrap();
    let limited = SinkPace { bytes_per_second_max: Some(1 << 20), requests_per_second_max: Some(50) };
    assert_eq!(config.table("LEVEL1_X").unwrap().pace, limited);
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
fn an_s3_sink_takes_its_settings_from_its_own_table() {
    let s3 = r#"url = "s3://bucket/in/{live_table}"
        [sink.s3]
        endpoint = "http://127.0.0.1:9000"
        region = "eu-west-2"
        path_style = true
        profile = "cosmos"
        checksum = "when-required"
        allow_http = true"#;
    let config = load(&LEAST.replace(r#"url = "file://./out""#, s3)).unwrap();
    let Settings::S3(settings) = &config.table("LEVEL1_X").unwrap().sink else { panic!("not S3") };
    assert_eq!((settings.bucket.as_str(), settings.prefix.as_str()), ("bucket", "in/X"));
    assert_eq!(settings.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    assert_eq!(
        (settings.region.as_deref(), settings.profile.as_deref()),
        (Some("eu-west-2"), Some("cosmos"))
    );
    assert_eq!((settings.path_style, settings.allow_http), (Some(true), true));
    assert_eq!(settings.checksum, livecosmos::sink::Checksum::WhenRequired);
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
fn what_is_no_toml_is_placed() {
    insta::assert_snapshot!(refusal("kind = \"csv\"", "kind = csv"), @"[DIR]/config.toml:3:8: string values must be quoted, expected literal string; write it as TOML 1.0 wants it");
    insta::assert_snapshot!(refusal("[sink]", "[sink"), @"[DIR]/config.toml:6:6: unclosed table, expected `]`; write it as TOML 1.0 wants it");
    insta::assert_snapshot!(refusal_of("site_column = \"TWICE\""), @"[DIR]/config.toml:12:1: duplicate key; write it as TOML 1.0 wants it");
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

fn server_config() -> String {
    LEAST
        .replace("\"csv\"", "\"postgres\"")
        .replace("path = \"data/{table}.csv\"", "url = \"postgresql://reader@db/stations\"")
}

/// A table in `PostgreSQL`, with one of its lines replaced.
fn server(old: &str, new: &str) -> String {
    let config = server_config();
    assert!(config.contains(old), "{old} is not in {config}");
    load(&config.replace(old, new)).map_or_else(|error| error, |_| "it is taken".to_owned())
}

#[test]
fn a_server_that_cannot_be_meant_is_refused() {
    let url = |url: &str| server("postgresql://reader@db/stations", url);
    insta::assert_snapshot!(url("postgresql://reader@db/stations"), @"it is taken");
    insta::assert_snapshot!(server("\"postgres\"", "\"postgresql\""), @"it is taken");
    insta::assert_snapshot!(server("url = \"postgresql://reader@db/stations\"", ""), @r#"[DIR]/config.toml:9:9: table LEVEL1_X has no source.url; set url under [source], such as "postgresql://user@host/database?sslmode=verify-full""#);
    insta::assert_snapshot!(url("mysql://db/x"), @"[DIR]/config.toml:4:7: url does not begin with postgresql://; write it as postgresql://user@host:5432/database?sslmode=verify-full");
    insta::assert_snapshot!(url("postgresql://db"), @"[DIR]/config.toml:4:7: url names no host or no database; write it as postgresql://user@host:5432/database?sslmode=verify-full");
    insta::assert_snapshot!(url("postgresql://db/x?sslmode=maybe"), @"[DIR]/config.toml:4:7: unknown sslmode 'maybe'; use disable, prefer, require, verify-ca or verify-full");
    insta::assert_snapshot!(url("postgresql://db/x?sslcert=/c"), @"[DIR]/config.toml:4:7: sslcert and sslkey go together; write it as postgresql://user@host:5432/database?sslmode=verify-full");
    insta::assert_snapshot!(url("postgresql://db/x?nonsense=1"), @"[DIR]/config.toml:4:7: url cannot be read: a parameter is unknown, or a character must be written as %XX; write it as postgresql://user@host:5432/database?sslmode=verify-full");
    let kind = "kind = \"postgres\"";
    let with = |line: &str| server(kind, &format!("{kind}\n{line}"));
    insta::assert_snapshot!(with("path = \"x\""), @"[DIR]/config.toml:4:8: a database server is named by `url`; remove this key");
    insta::assert_snapshot!(with("statements_max = 0"), @"[DIR]/config.toml:4:18: statements_max is 0; use 1 to 64");
    insta::assert_snapshot!(with("statement_timeout = \"0s\""), @"[DIR]/config.toml:4:21: statement_timeout is 0s; use 1s to 1d");
    insta::assert_snapshot!(with("password = \"a\"\npassword_file = \"b\""), @"[DIR]/config.toml:5:17: the password is said twice; keep one of password, password_file and password_credential");
    insta::assert_snapshot!(server("time_column", "time_format = \"%Y-%m-%d\"\ntime_column"), @"[DIR]/config.toml:11:15: a database server has times that are no texts; remove time_format, and name a timestamp column");
    insta::assert_snapshot!(server("site_column = \"SITE_ID\"", "site = \"{station}\""), @r#"[DIR]/config.toml:9:9: site = "{station}" is for files, and the source is a database; set site_column, or site to the one site's id"#);
    insta::assert_snapshot!(refusal("path =", "sites_query = \"SELECT 1\"\npath ="), @"[DIR]/config.toml:4:15: this key is for database servers, and the source is a file; remove it");
}

#[test]
fn a_mysql_server_that_cannot_be_meant_is_refused() {
    let url = |url: &str| {
        let config = server_config().replace("\"postgres\"", "\"mysql\"");
        load(&config.replace("postgresql://reader@db/stations", url))
            .map_or_else(|error| error, |_| "it is taken".to_owned())
    };
    assert_eq!(url("mysql://reader@db,db2:3307/stations?ssl-mode=VERIFY_IDENTITY"), "it is taken");
    insta::assert_snapshot!(url("postgresql://db/x"), @"[DIR]/config.toml:4:7: url does not begin with mysql://; write it as mysql://user@host:3306/database?ssl-mode=VERIFY_IDENTITY");
    insta::assert_snapshot!(url("mysql://db/x?ssl-mode=maybe"), @"[DIR]/config.toml:4:7: unknown ssl-mode 'maybe'; use DISABLED, PREFERRED, REQUIRED or VERIFY_IDENTITY; write it as mysql://user@host:3306/database?ssl-mode=VERIFY_IDENTITY");
    for secret in
        ["mysql://reader:hun?ter2@db/x", "mysql://reader:hun/ter2@db/x", "mysql://reader:hunter2@db"]
    {
        let message = url(secret);
        assert!(!message.contains("hun") && !message.contains("ter2"), "{message}");
    }
}

#[test]
fn a_password_in_a_url_is_in_no_message() {
    for url in [
        "postgresql://reader:hunter2@db",
        "postgresql://reader:hunter2@db/x?nonsense=1",
        "postgresql://reader:hun?ter2@db/x",
        "postgresql://reader:hun/ter2@db/x",
        "postgresql://reader:hunter2@db:port/x",
        "postgres:/reader:hunter2@db/x",
    ] {
        let message = server("postgresql://reader@db/stations", url);
        assert!(!message.contains("hun") && !message.contains("ter2"), "{message}");
    }
}

#[test]
fn a_sink_that_cannot_be_meant_is_refused() {
    insta::assert_snapshot!(refusal("file://./out", "ftp://host/out"), @"[DIR]/config.toml:7:7: sink url 'ftp://host/out' is of no known kind; use file:///folder, file://./folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, https://host/path, mqtts://host:8883, - for stdout or memory:");
    insta::assert_snapshot!(refusal("file://./out", "s3://bucket/{sit}"), @"[DIR]/config.toml:7:7: unknown token '{sit}' in 's3://bucket/{sit}'; known are {table}, {live_table}");
    let s3 =
        |line: &str| refusal("url = \"file://./out\"", &format!("url = \"s3://bucket\"\n[sink.s3]\n{line}"));
    insta::assert_snapshot!(s3("endpoint = \"127.0.0.1:9000\""), @r#"[DIR]/config.toml:9:12: '127.0.0.1:9000' is no endpoint; write it as "https://host:port""#);
    insta::assert_snapshot!(s3("checksum = \"md5\""), @"[DIR]/config.toml:9:12: checksum 'md5' is not known; use crc64nvme, crc32, sha256 or when-required");
    insta::assert_snapshot!(s3("region = \"\""), @"[DIR]/config.toml:9:10: region is empty; give it a value, or remove it");
}

#[test]
fn a_secret_in_a_url_is_refused_and_not_repeated() {
    let sink = |url: &str| format!("url = \"{url}\"");
    let endpoint = |url: &str| format!("url = \"s3://bucket\"\n[sink.s3]\nendpoint = \"{url}\"");
    for new in [
        sink("s3://AKIA:hunter2@bucket/p"),
        sink("s3://AKIA:hun/ter2@bucket/p"),
        sink("s3:/AKIA:hunter2@bucket"),
        sink("AKIA:hunter2@bucket"),
        endpoint("http://AKIA:hunter2@host"),
        endpoint("http://AKIA:/hunter2@host"),
        endpoint("http:/AKIA:hunter2@host"),
        endpoint("AKIA:hunter2@host:9000"),
        endpoint("AKIA:hun/ter2@host"),
        endpoint("hunter2@host"),
    ] {
        let message = refusal("url = \"file://./out\"", &new);
        assert!(!message.contains("hun") && !message.contains("AKIA"), "{message}");
        assert!(message.contains("holds a user or password; remove them"), "{message}");
    }
}

#[test]
fn a_folder_or_a_prefix_may_have_an_at_sign() {
    for url in ["file:///srv/data@home", "file:///srv@home:1", "file://./out@home", "s3://bucket/home@sea"] {
        load(&LEAST.replace("file://./out", url)).expect(url);
    }
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
fn two_tables_that_would_meet_under_the_same_keys_are_refused() {
    let twin = "[tables.X]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"";
    insta::assert_snapshot!(refusal_of(twin), @"[DIR]/config.toml:12:9: tables LEVEL1_X and X would store under the same keys; put {table} into the key template, or give one another sink");
    load(&format!("{LEAST}{twin}\nsink.url = \"file://./elsewhere\"")).expect("another sink parts them");
    load(&format!("upload.key = \"{{site}}/{{table}}/{{seq}}\"\n{LEAST}{twin}"))
        .expect("another key parts them");
}

#[test]
fn the_predecessors_file_is_read_as_it_is() {
    let mapped = [
        "oracle: {\n dsn:\"oracle.example/COSMOS\" user:\"reader\" password:\"hunter2\" }\naws: { bucket:\"b\" bucket_prefix:\"p\" }\n",
        "{ \"aws\": { \"bucket\": \"b\", \"bucket_prefix\": \"p\" }, \"oracle\": { \"dsn\": \"oracle.example/COSMOS\", \"password\": \"hunter2\", \"user\": \"reader\" } }",
        "# ours\noracle:\n  dsn: oracle.example/COSMOS\n  user: reader   # may only read\n  password: 'hunter2'\naws:\n  bucket: b\n  bucket_prefix: p\n",
    ];
    let lines = "dsn='oracle.example/COSMOS'\nuser='reader'\npass='hunter2'\n[sink]\nurl = 's3://b/p'\n";
    for text in mapped.into_iter().chain([lines]) {
        let config = load(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let table = config.table("LEVEL1_SOILMET_30MIN").expect("its tables are known");
        assert_eq!(table.source.describe(), "oracle:oracle.example/COSMOS");
        let SourceSettings::Oracle(settings) = &table.source else { panic!("{:?}", table.source) };
        assert_eq!(settings.user.as_deref(), Some("reader"));
        assert_eq!(table.shape.time_column, "DATE_TIME");
        let Settings::S3(s3) = &table.sink else { panic!("{:?}", table.sink) };
        assert_eq!((s3.bucket.as_str(), s3.prefix.as_str()), ("b", "p"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

#[test]
fn what_the_predecessors_file_lacks_is_named_and_its_password_not_repeated() {
    for text in [
        "dsn='oracle.example/COSMOS'\nuser='reader'\npass='hunter2'\n",
        "# credentials\n\npass='hunter2'\ndsn='oracle.example/COSMOS'\nuser='reader'\n",
        "oracle:\n  dsn: oracle.example/COSMOS\n  password: hunter2\n",
    ] {
        let message = load(text).unwrap_err();
        assert!(!message.contains("hunter2"), "{message}");
        let wanted =
            "has no sink.url; set url under [sink], such as \"file://./out\" or \"s3://bucket/prefix\"";
        assert!(message.ends_with(wanted), "{message}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = TempDir::new().unwrap();
    let message = |name: &str| {
        let shown = folder.path().display().to_string();
        Config::load(&folder.path().join(name)).unwrap_err().to_string().replace(&shown, "[DIR]")
    };
    insta::assert_snapshot!(message("config.tom"), @"[DIR]/config.tom: there is no such file; name a configuration file; config.example.toml shows every key");
    insta::assert_snapshot!(message(""), @"[DIR]/: cannot be read: Is a directory (os error 21); make it a file that this user may read");
    write(&folder.path().join("latin1.toml"), b"# \xb5\n");
    insta::assert_snapshot!(message("latin1.toml"), @"[DIR]/latin1.toml: is not UTF-8 text; save it as UTF-8");
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

#[test]
fn settings_of_s3_that_contradict_each_other_are_refused_where_they_stand() {
    let refusal = |lines: &str| {
        let sink = format!("url = \"s3://my-bucket/raw\"\n[sink.s3]\n{lines}\n");
        refusal("url = \"file://./out\"\n", &sink)
    };
    insta::assert_snapshot!(refusal("kms_key = \"k\""), @r#"[DIR]/config.toml:9:11: kms_key needs encryption = "aws:kms"; set that, or remove it"#);
    for (lines, place, words) in [
        ("encryption = \"AES256\"\nbucket_key = true", "10:14", "needs encryption = \"aws:kms\""),
        ("encryption = \"rot13\"", "9:14", "AES256"),
        ("storage_class = \"DEEP_ARCHIVE\"", "9:17", "use GLACIER_IR"),
        ("storage_class = \"COLD\"", "9:17", "with an endpoint"),
        ("tags = { \"aws:x\" = \"y\" }", "9:10", "AWS's own"),
        ("tags = { a = \"{site}\" }", "9:14", "known are {table}"),
        ("lock_mode = \"compliance\"", "9:13", "set lock_for"),
        ("lock_for = \"30d\"", "9:12", "set lock_mode"),
        ("lock_mode = \"governance\"\nlock_for = \"1s\"", "10:12", "use 1h"),
        (
            "lock_mode = \"governance\"\nlock_for = \"1d\"\nchecksum = \"when-required\"",
            "9:13",
            "comes without a checksum",
        ),
        ("bucket_owner = \"me\"", "9:16", "12 digits"),
        ("endpoint = \"https://h\"\naccelerate = true", "10:14", "remove it, or endpoint"),
        ("endpoint = \"https://h\"\ndual_stack = true", "10:14", "remove it, or endpoint"),
        ("path_style = true\naccelerate = true", "10:14", "remove it, or path_style"),
    ] {
        let message = refusal(lines);
        assert!(message.contains(&format!("config.toml:{place}")), "{lines}: {message}");
        assert!(message.contains(words), "{lines}: {message}");
    }
}

#[test]
fn two_tables_that_would_share_keys_are_found_however_each_is_kept() {
    let table = |name: &str, tag: &str| {
        format!(
            "[tables.{name}]\nsite_column = \"S\"\ntime_column = \"T\"\n\
             sink.s3.tags = {{ kind = \"{tag}\" }}\n"
        )
    };
    let tables = format!("{}{}", table("A", "one"), table("B", "two"));
    let message = load(&format!(
        "[source]\nkind = \"csv\"\npath = \"{{table}}.csv\"\n[sink]\nurl = \"s3://b/p\"\n\
         [upload]\nkey = \"{{site}}/{{seq}}{{ext}}\"\n{tables}"
    ))
    .expect_err("both would store under the same keys");
    assert!(message.contains("would store under the same keys"), "{message}");
}

/// The example of the project, as it is shipped.
const EXAMPLE: &str = include_str!("../config.example.toml");

#[test]
fn the_example_is_a_configuration_and_its_source_exists() {
    let config =
        Config::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml").as_path()).unwrap();
    let table = config.table("LEVEL1_SOILMET_30MIN").unwrap();
    let SourceSettings::Csv(csv) = &table.source else { panic!("not a CSV: {:?}", table.source) };
    assert!(csv.path.is_file(), "{} is missing", csv.path.display());
    assert_eq!(table.poll.fallback, Fallback::All);
}

#[test]
fn the_defaults_that_the_example_shows_are_the_defaults() {
    let folder = TempDir::new().unwrap();
    let is_key =
        |line: &&str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase());
    assert!(EXAMPLE.lines().filter(is_key).count() > 10, "the example shows no defaults");
    let spelled: Vec<&str> =
        EXAMPLE.lines().map(|line| if is_key(&line) { &line[1..] } else { line }).collect();
    let as_shipped = load_in(folder.path(), EXAMPLE).unwrap();
    let spelled_out = load_in(folder.path(), &spelled.join("\n")).unwrap();
    assert_eq!(format!("{as_shipped:?}"), format!("{spelled_out:?}"));
    for url in ["s3://bucket", "gs://bucket", "az://container"] {
        let of = |text: &str| load_in(folder.path(), &text.replace("file://./demo", url)).unwrap();
        assert_eq!(format!("{:?}", of(EXAMPLE)), format!("{:?}", of(&spelled.join("\n"))), "{url}");
    }
}

#[test]
fn every_key_there_is_stands_in_the_example() {
    let known_in = |section: &str| {
        let message = load(&format!("{LEAST}\n[{section}]\nzzzzzzzzzzzz = 1")).unwrap_err();
        let (_, known) =
            message.split_once("; known here are ").expect("an unknown key lists the known ones");
        known.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    for section in ["source", "sink", "sink.s3", "sink.gcs", "sink.azure", "sink.mqtt", "upload", "poll"] {
        let (_, own) =
            EXAMPLE.split_once(&format!("\n[{section}]\n")).expect("the section is in the example");
        let own = own.split("\n[").next().unwrap();
        for key in known_in(&format!("tables.LEVEL1_X.{section}")) {
            let shown =
                own.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} = ")));
            assert!(
                shown || EXAMPLE.contains(&format!("\n[{section}.{key}]\n")),
                "{key} is not under [{section}]"
            );
        }
    }
    let sections = ["source", "sink", "upload", "poll"];
    let (_, own) = EXAMPLE.split_once("\n[tables.LEVEL1_SOILMET_30MIN]\n").expect("the example has a table");
    for key in known_in("tables.OTHER").iter().filter(|key| !sections.contains(&key.as_str())) {
        let starts = |line: &str| {
            line.strip_prefix(key.as_str())
                .is_some_and(|rest| rest.starts_with(" = ") || rest.starts_with('.'))
        };
        assert!(
            own.lines().any(|line| starts(line.trim_start_matches(['#', ' ']))),
            "{key} is not in the example"
        );
    }
}
