//! A short name for the settings under which rows become the bytes they become.

use std::fmt::Write as _;

use aws_lc_rs::digest;

use crate::payload::Format;
use crate::source::{Fold, SiteRule, TableShape};

/// Bytes of the hash that are kept: enough to tell the few configurations of a table apart.
const KEPT_BYTES: usize = 6;

/// SHA-256, shortened, of everything in the configuration that decides how a given row is spelled.
///
/// Where batches are cut and how they are compressed or sent is no part of it.
pub(crate) fn of(format: &Format, shape: &TableShape, fold: Fold, time_format: Option<&str>) -> String {
    let mut text = String::new();
    let mut put = |key: &str, value: &str| {
        // A length before each value keeps two lists from reading alike.
        let _ = writeln!(text, "{key}={}:{value}", value.len());
    };
    match format {
        Format::Ndjson => put("format", "ndjson"),
        Format::Json => put("format", "json"),
        Format::Csv => put("format", "csv"),
        Format::Parquet => {
            put("format", "parquet");
            for (column, kind) in &shape.column_types {
                put("typed", column);
                put("type", &kind.to_string());
            }
        }
        Format::Cr1000x(program) => {
            put("format", "cr1000x");
            put("program", &program.name);
            put("version", &program.version);
            for (column, field) in &program.fields {
                put("field", column);
                let said = [("name", &field.name), ("units", &field.units), ("process", &field.process)];
                for (key, value) in said {
                    if let Some(value) = value {
                        put(key, value);
                    }
                }
            }
        }
    }
    match &shape.site {
        SiteRule::Column(name) => put("site_column", name),
        SiteRule::Fixed(site) => put("site", site.as_str()),
        SiteRule::Template(template) => put("site_template", template),
    }
    put("time_column", &shape.time_column);
    put("time_format", time_format.unwrap_or_default());
    put("timezone", shape.time.zone().iana_name().unwrap_or_default());
    put(
        "fold",
        match fold {
            Fold::Earlier => "earlier",
            Fold::Later => "later",
            Fold::Reject => "reject",
        },
    );
    shape.null_values.iter().for_each(|null| put("null", null));
    shape.text_columns.iter().for_each(|column| put("text", column));

    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref().iter().take(KEPT_BYTES).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
