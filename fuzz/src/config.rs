//! A configuration of any bytes: it is refused with a place and a remedy, or everything in it can be used.

use livecosmos::config::{Config, SourceSettings, TableConfig};
use livecosmos::key::{Content, KeyTemplate, Marks, Named};
use livecosmos::source::csv::CsvSource;
use livecosmos_state::{ChainName, Cursor, SiteId, Time};

use super::folder;

/// Takes `input` for a configuration file.
pub fn check(input: &[u8]) {
    let path = folder::path("livecosmos.toml");
    folder::put(&path, input);
    let config = match Config::load(&path) {
        Ok(config) => config,
        Err(error) => {
            let place = path.display().to_string();
            assert!(error.place.starts_with(&place), "{error:?}");
            assert!(!error.what.is_empty() && !error.remedy.is_empty(), "{error:?}");
            assert_in_file(error.place[place.len()..].trim_start_matches(':'), input);
            return;
        }
    };
    let again = Config::load(&path).expect("what was taken once is taken again");
    assert_eq!(format!("{config:?}"), format!("{again:?}"));
    assert!(config.tables().count() > 0, "a configuration without tables");
    for table in config.tables() {
        assert_usable(table);
        let found = config.table(table.table.as_str()).expect("a table is found by its name");
        assert_eq!(found.table, table.table);
        assert_apart(table, &config);
    }
}

/// `place` is empty, or a line and a column that `input` has.
fn assert_in_file(place: &str, input: &[u8]) {
    if place.is_empty() {
        return;
    }
    let numbers: Vec<usize> = place.split(':').map(|number| number.parse().expect("a number")).collect();
    let [line, column] = numbers[..] else { panic!("no line and column: {place}") };
    let text = std::str::from_utf8(input).expect("a place in a text");
    let found = text.split('\n').nth(line - 1).expect("a line of the file");
    assert!((1..=found.chars().count() + 1).contains(&column), "{place} of {found:?}");
}

fn assert_usable(config: &TableConfig) {
    let TableConfig { shape, upload, poll, .. } = config;
    let limits = shape.limits;
    assert!(limits.batch_rows_max > 0 && limits.batch_bytes_max > 0);
    assert!(limits.group_bytes_max >= limits.batch_bytes_max, "a batch that never fits");
    assert!(upload.memory_bytes_max >= 2 * limits.batch_bytes_max);
    assert!(upload.in_flight_max > 0 && upload.fills_max > 0 && upload.fills_max <= upload.in_flight_max);
    assert!(!poll.interval.is_zero());
    assert!(shape.future_tolerance_s >= 0 && shape.settle_s >= 0);
    assert!(poll.lookback.is_none_or(|lookback| lookback.seconds > 0));
    assert!(
        !config.source_id.is_empty() && !config.digest.is_empty() && !config.source.describe().is_empty()
    );
    if let SourceSettings::Csv(settings) = &config.source {
        CsvSource::open(settings.clone(), shape.clone()).expect("a source that was checked can be opened");
    }
    // Whatever its pattern, it reads any text or says that it cannot.
    let _ = shape.time.read("2025-01-02T03:04:05Z");
    assert_keyed(&upload.key, config);
}

/// A key says which object it is.
fn assert_keyed(template: &KeyTemplate, config: &TableConfig) {
    let site = SiteId::parse("ALIC1").expect("a site id");
    assert_eq!(KeyTemplate::parse(&template.to_string()).as_ref(), Ok(template));
    let (from, at) = (Cursor::Start, Time::MAX);
    let content = Some(Content { from: &from, to: &from, first: at, last: at, bytes: b"" });
    for chain in [ChainName::LIVE, ChainName::LATE] {
        let (table, ext) = (&config.table, config.upload.format.extension());
        let named = Named { site: &site, table, chain: &chain, seq: 7, ext, content };
        let key = template.key_of(&named);
        assert!(key.len() <= 1_024, "{key}");
        let seq = (template.has_seq() || chain != ChainName::LIVE).then_some(7);
        assert_eq!(template.marks_of(table, &key), Some(Marks { site: site.clone(), chain, seq }), "{key}");
    }
}

/// No other table stores under the keys of this one.
fn assert_apart(table: &TableConfig, config: &Config) {
    let site = SiteId::parse("ALIC1").expect("a site id");
    let key = |of: &TableConfig| of.upload.key.key(&site, &of.table, &ChainName::LIVE, 7, "");
    for other in config.tables().filter(|other| other.table != table.table && other.sink == table.sink) {
        assert_ne!(key(table), key(other), "{} and {}", table.table, other.table);
    }
}
