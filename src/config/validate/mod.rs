//! From what is written to what is meant: every value is checked once, here.

mod clouds;
mod columns;
mod mqtt;
mod oracle;
mod s3;
mod secret;
mod server;
mod shape;
mod sink;
mod source;
mod upload;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use livecosmos_state::{ChainName, SiteId, TableName};
use toml::Spanned;

pub use upload::{parse_fallback, parse_time};

use super::document::{ConfigError, Document, Span, TableTree};
use super::units::{HumanDuration, HumanSize, show_duration, show_size};
use super::{TableConfig, digest};

type Checked<T> = Result<T, ConfigError>;

/// Checks every table of the document, and that no two of them meet in the sink.
pub(super) fn tables(document: &Document) -> Checked<BTreeMap<TableName, TableConfig>> {
    let mut tables: BTreeMap<TableName, TableConfig> = BTreeMap::new();
    for tree in document.tables()? {
        let span = tree.sink.as_ref().map_or_else(|| tree.name.span(), Spanned::span);
        let config = table(document, tree)?;
        if let Some(other) = tables.values().find(|other| share_keys(&config, other)) {
            let what = format!("tables {} and {} would store under the same keys", other.table, config.table);
            let remedy = if other.table.in_source() == config.table.in_source() {
                "give one another url"
            } else {
                "put {table} into the key template, or give one another sink"
            };
            return Err(document.error(&span, what, remedy));
        }
        if let Some(other) = tables.values().find(|other| mqtt::share_client(&config, other)) {
            let what = format!(
                "tables {} and {} would push each other out: they have one client_id",
                other.table, config.table
            );
            return Err(document.error(&span, what, "put {table} into client_id under [sink.mqtt]"));
        }
        tables.insert(config.table.clone(), config);
    }
    if tables.is_empty() {
        return Err(
            document.lacks("there is no table under [tables]", "add [tables.NAME] for each table to follow")
        );
    }
    Ok(tables)
}

fn table(document: &Document, tree: TableTree<'_>) -> Checked<TableConfig> {
    let name = tree.name.clone();
    let table = table_name(document, &name)?;
    let stored = name_in_sink(document, &table, tree.sink.as_ref())?;
    let sink_of = tree.sink.clone();
    let raw = tree.read(document)?;
    let section =
        sink_of.as_ref().map_or_else(|| "sink".to_owned(), |name| format!("sinks.{}", name.get_ref()));
    let check = Check { document, table: &table, header: name.span(), sink: section };

    let upload = check.upload(&raw)?;
    let limits = check.limits(&raw.upload, &upload.key)?;
    let poll = check.poll(&raw)?;
    let (time, fold) = check.time(&raw)?;
    let future_tolerance_s = check.future_tolerance_s(&raw.poll)?;
    let settle_s = check.settle_s(&raw)?;
    let shape = check.shape(&raw, time, (future_tolerance_s, settle_s), limits)?;
    let (source, source_id) = check.source(&raw, &shape)?;
    let sink = check.sink(&raw.sink)?;
    let pace = check.sink_pace(&raw.sink)?;
    check.key_fits(raw.upload.key.as_ref(), &upload.key, &sink)?;
    let time_format = raw.time_format.as_ref().map(|format| format.get_ref().as_str());
    let digest = digest::of(&upload.format, &shape, fold, time_format);
    Ok(TableConfig { table: stored, source_id, source, shape, sink, pace, upload, poll, digest })
}

fn table_name(document: &Document, name: &Spanned<String>) -> Checked<TableName> {
    let text = name.get_ref();
    if text.contains('@') {
        let what = format!("[tables.\"{text}\"] names a sink");
        return Err(document.error(&name.span(), what, "name the table alone, and its sinks in sinks = []"));
    }
    TableName::parse(text).map_err(|error| document.error_of(&name.span(), &error.to_string()))
}

/// What the table is called in that sink.
fn name_in_sink(
    document: &Document,
    table: &TableName,
    sink: Option<&Spanned<String>>,
) -> Checked<TableName> {
    let Some(sink) = sink else { return Ok(table.clone()) };
    TableName::parse(&format!("{table}@{}", sink.get_ref()))
        .map_err(|error| document.error_of(&sink.span(), &error.to_string()))
}

/// Whether objects of the two tables could meet under one key.
fn share_keys(one: &TableConfig, other: &TableConfig) -> bool {
    // Any site will do: what a key says of it is the same for both tables.
    let prefix = |config: &TableConfig| {
        SiteId::parse("S").ok().map(|site| config.upload.key.prefix(&site, &config.table, &ChainName::LIVE))
    };
    let (one_begins, other_begins) = (prefix(one).unwrap_or_default(), prefix(other).unwrap_or_default());
    let is_below = one_begins.starts_with(&other_begins) || other_begins.starts_with(&one_begins);
    // What changes before a seq may look like another template's literals.
    let has_mixed = [one, other].iter().any(|config| !config.upload.key.is_listed_by_seq());
    one.sink.is_same_place(&other.sink) && (one_begins == other_begins || (has_mixed && is_below))
}

/// One table being checked.
struct Check<'a> {
    document: &'a Document,
    table: &'a TableName,
    /// Where the table's name stands: the place of what is missing.
    header: Span,
    /// The section that names its sink.
    sink: String,
}

impl Check<'_> {
    /// Says that `value` is wrong; `message` has its remedy after a semicolon.
    fn at<T>(&self, value: &Spanned<T>, message: impl Display) -> ConfigError {
        self.document.error_of(&value.span(), &message.to_string())
    }

    /// The value, which must be there.
    fn required<'r, T>(
        &self,
        value: Option<&'r Spanned<T>>,
        key: &str,
        remedy: &str,
    ) -> Checked<&'r Spanned<T>> {
        value.ok_or_else(|| {
            self.document.error(&self.header, format!("table {} has no {key}", self.table), remedy)
        })
    }

    /// A text that must say something, if it is there.
    fn text(&self, value: Option<&Spanned<String>>, key: &str) -> Checked<Option<String>> {
        match value {
            Some(text) if text.get_ref().trim().is_empty() => {
                Err(self.at(text, format!("{key} is empty; give it a value, or remove it")))
            }
            text => Ok(text.map(|text| text.get_ref().clone())),
        }
    }

    fn number(
        &self,
        value: Option<&Spanned<i64>>,
        key: &str,
        range: &RangeInclusive<i64>,
        default: usize,
    ) -> Checked<usize> {
        let Some(number) = value else { return Ok(default) };
        let fits = Some(*number.get_ref()).filter(|number| range.contains(number));
        fits.and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| self.out_of_range(number, key, number.get_ref(), range.start(), range.end()))
    }

    fn size(
        &self,
        value: Option<&Spanned<HumanSize>>,
        key: &str,
        range: &RangeInclusive<u64>,
        default: usize,
    ) -> Checked<usize> {
        let Some(size) = value else { return Ok(default) };
        let HumanSize(bytes) = *size.get_ref();
        let fits = Some(bytes).filter(|bytes| range.contains(bytes));
        fits.and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(|| {
            self.out_of_range(size, key, show_size(bytes), show_size(*range.start()), show_size(*range.end()))
        })
    }

    fn duration(
        &self,
        value: Option<&Spanned<HumanDuration>>,
        key: &str,
        range: &RangeInclusive<Duration>,
        default: Duration,
    ) -> Checked<Duration> {
        let Some(written) = value else { return Ok(default) };
        let HumanDuration(duration) = *written.get_ref();
        if range.contains(&duration) {
            return Ok(duration);
        }
        let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
        Err(self.out_of_range(written, key, show_duration(duration), least, most))
    }

    fn out_of_range<T>(
        &self,
        value: &Spanned<T>,
        key: &str,
        is: impl Display,
        least: impl Display,
        most: impl Display,
    ) -> ConfigError {
        self.at(value, format!("{key} is {is}; use {least} to {most}"))
    }
}
