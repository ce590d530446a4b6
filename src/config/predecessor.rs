//! The predecessor's configuration, read as ours: `dsn`, `user` and `pass` alone, or in mappings
//! `oracle` and `aws`.
//!
//! Its tables have their sites in `SITE_ID` and their times, in UTC, in `DATE_TIME`.

use std::collections::BTreeMap;

/// The tables it knew.
const TABLES: [&str; 5] = [
    "LEVEL1_SOILMET_30MIN",
    "LEVEL1_NMDB_1HOUR",
    "LEVEL1_PRECIP_1MIN",
    "LEVEL1_PRECIP_RAINE_1MIN",
    "COSMOS_STATUS_1HOUR",
];

/// What a line begins with that was one of the predecessor's keys.
const TRANSLATED: &str = "source.";

/// What is said in its mappings, by mapping and key.
type Said = BTreeMap<(String, String), String>;

/// The predecessor's configuration as ours.
pub(super) struct Translated {
    /// In TOML.
    pub(super) toml: String,
    /// So many of its lines are those of the file.
    pub(super) own_lines: usize,
}

/// Whether a line of a translated file, or of any other, stands there as it was written.
pub(super) fn is_as_written(line: &str) -> bool {
    !line.starts_with(TRANSLATED)
}

/// The same configuration in TOML; `None` where `text` is not of the predecessor's kind.
pub(super) fn translate(text: &str) -> Option<Translated> {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let word = first.trim_start_matches(['{', ' ', '"', '\'']);
    let end =
        word.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(word.len());
    let (word, rest) = word.split_at(end);
    match rest.trim_start_matches(['"', '\'', ' ']).chars().next()? {
        '=' if matches!(word, "dsn" | "user" | "pass" | "password") => {
            Some(Translated { toml: of_lines(text), own_lines: text.lines().count() })
        }
        ':' if matches!(word, "oracle" | "aws" | "dsn" | "user" | "password") => {
            of_mappings(text).map(|toml| Translated { toml, own_lines: 0 })
        }
        _ => None,
    }
}

/// `dsn='…'` and its like, and what else may follow them in TOML: each stays on its line.
fn of_lines(text: &str) -> String {
    let mut is_head = true;
    let line = |line: &str| {
        is_head &= !line.trim_start().starts_with('[');
        let key = line.split('=').next().unwrap_or_default().trim();
        match key {
            "dsn" | "user" | "password" if is_head => format!("{TRANSLATED}{}", line.trim_start()),
            "pass" if is_head => {
                format!("{TRANSLATED}password{}", line.trim_start().trim_start_matches("pass"))
            }
            _ => line.to_owned(),
        }
    };
    let lines: Vec<String> = text.lines().map(line).collect();
    let has_tables = lines.iter().any(|line| line.trim_start().starts_with("[tables"));
    let mut toml = lines.join("\n");
    toml.push('\n');
    if !has_tables {
        toml.push_str(&tables());
    }
    toml
}

/// YAML or JSON of two levels, as far as this configuration goes.
fn of_mappings(text: &str) -> Option<String> {
    let said = read(text)?;
    let value = |mapping: &str, key: &str| {
        let value = said.get(&(mapping.to_owned(), key.to_owned()))?;
        Some(quoted(value))
    };
    let mut toml = String::from("[source]\nkind = \"oracle\"\n");
    for (key, own) in [("dsn", "dsn"), ("user", "user"), ("password", "password"), ("pass", "password")] {
        if let Some(value) = value("oracle", key).or_else(|| value("", key)) {
            toml.extend([own, " = ", value.as_str(), "\n"]);
        }
    }
    let plain = |key: &str| said.get(&("aws".to_owned(), key.to_owned())).cloned();
    if let Some(bucket) = plain("bucket") {
        let prefix = plain("bucket_prefix").map(|prefix| format!("/{}", prefix.trim_matches('/')));
        let url = format!("s3://{bucket}{}", prefix.unwrap_or_default());
        toml.extend(["[sink]\nurl = ", quoted(&url).as_str(), "\n"]);
    }
    if let Some(endpoint) = value("aws", "endpoint_url") {
        toml.extend(["[sink.s3]\nendpoint = ", endpoint.as_str(), "\n"]);
    }
    toml.push_str(&tables());
    Some(toml)
}

/// A text as TOML writes it, which is as JSON does.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn tables() -> String {
    let table =
        |name: &str| format!("[tables.{name}]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n");
    TABLES.map(table).concat()
}

/// Reads `key: value` pairs, on lines of their own or in braces.
fn read(text: &str) -> Option<Said> {
    let mut said = Said::new();
    let (mut mapping, mut is_in_braces) = (String::new(), false);
    for line in text.lines() {
        if !is_in_braces && !line.starts_with([' ', '\t', '}']) {
            mapping.clear();
        }
        let mut rest = line.trim();
        while !rest.is_empty() && !rest.starts_with('#') {
            if let Some(after) = rest.strip_prefix(['{', '}', ',']) {
                if rest.starts_with('}') {
                    mapping.clear();
                }
                rest = after.trim_start();
                continue;
            }
            let (key, after) = word(rest, &[':'])?;
            rest = after.trim_start().strip_prefix(':')?.trim_start();
            if let Some(after) = rest.strip_prefix('{') {
                (mapping, is_in_braces, rest) = (key, true, after.trim_start());
            } else if rest.is_empty() || rest.starts_with('#') {
                mapping = key;
                break;
            } else {
                let (value, after) = word(rest, &[',', '}'])?;
                said.insert((mapping.clone(), key), value);
                rest = after.trim_start();
            }
        }
    }
    Some(said)
}

/// A word, in quotes or up to one of `ends`, and what follows it.
fn word<'t>(text: &'t str, ends: &[char]) -> Option<(String, &'t str)> {
    if let Some(quote) = text.chars().next().filter(|letter| matches!(letter, '"' | '\'')) {
        let (word, rest) = text[1..].split_once(quote)?;
        return Some((word.to_owned(), rest));
    }
    let end =
        text.find(|letter: char| ends.contains(&letter) || letter.is_whitespace()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (!word.is_empty()).then(|| (word.to_owned(), rest))
}
