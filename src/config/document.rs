//! A configuration file as it stands: where each thing is, what overrides what, and how to say that
//! something is wrong with it.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::predecessor::{self, Translated, is_as_written};
use super::raw::{RawTable, home_of};
use super::sinks::{SINKS, Sinks};

/// Where in the text something stands, in bytes.
pub(crate) type Span = Range<usize>;

/// The sections that hold for every table unless a table says otherwise.
pub(crate) const SECTIONS: [&str; 4] = ["source", "sink", "upload", "poll"];

const TABLES: &str = "tables";

/// How unlike a known name an unknown one may be and still be taken for a slip of it: of five letters,
/// two may be wrong.
const LIKENESS_MIN: f64 = 0.6;

/// What serde calls the types of values, and what an operator writes for them.
const TYPES: [(&str, &str); 4] = [
    ("a string", "a text in quotes"),
    ("i64", "a whole number"),
    ("a boolean", "true or false"),
    ("a sequence", "a list such as [\"a\", \"b\"]"),
];

/// What is wrong with a configuration, where, and what to do. Exit 78.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}; {remedy}")]
pub struct ConfigError {
    /// `file`, or `file:line:column`, both from 1; columns count characters.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// The text of a configuration file with its name.
#[derive(Debug)]
pub(crate) struct Document {
    path: PathBuf,
    text: String,
    /// Lines that are the file's own, where the others were made of them.
    own_lines: Option<usize>,
}

impl Document {
    /// Reads the file. Nothing in a message repeats its lines: they may hold passwords.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let at_file = |what: String, remedy: &str| ConfigError {
            place: path.display().to_string(),
            what,
            remedy: remedy.to_owned(),
        };
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => at_file(
                "there is no such file".to_owned(),
                "name a configuration file; config.example.toml shows every key",
            ),
            _ => at_file(format!("cannot be read: {error}"), "make it a file that this user may read"),
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| at_file("is not UTF-8 text".to_owned(), "save it as UTF-8"))?;
        let (text, own_lines) = match predecessor::translate(&text) {
            Some(Translated { toml, own_lines }) => (toml, Some(own_lines)),
            None => (text, None),
        };
        Ok(Self { path: path.to_owned(), text, own_lines })
    }

    /// The file's name, as given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Says that something is wrong at `span`.
    pub(crate) fn error(
        &self,
        span: &Span,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ConfigError {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let written = || self.text.split('\n').nth(line - 1).is_some_and(is_as_written);
        let is_own = self.own_lines.is_none_or(|own_lines| line <= own_lines && written());
        let place = if is_own {
            format!("{}:{line}:{column}", self.path.display())
        } else {
            self.path.display().to_string()
        };
        ConfigError { place, what: what.into(), remedy: remedy.into() }
    }

    /// As [`Document::error`], of a message that has its remedy after a semicolon.
    pub(crate) fn error_of(&self, span: &Span, message: &str) -> ConfigError {
        let (what, remedy) = message.split_once("; ").unwrap_or((message, "mend this value"));
        self.error(span, what, remedy)
    }

    /// Says that the file as a whole lacks something.
    pub(crate) fn lacks(&self, what: impl Into<String>, remedy: impl Into<String>) -> ConfigError {
        ConfigError { place: self.path.display().to_string(), what: what.into(), remedy: remedy.into() }
    }

    /// Parses the text into a tree for each table and sink it is stored in: the table's own keys over those of
    /// the whole file.
    pub(crate) fn tables(&self) -> Result<Vec<TableTree<'_>>, ConfigError> {
        let root = DeTable::parse(&self.text).map_err(|error| {
            self.error(&error.span().unwrap_or(0..0), error.message(), "write it as TOML 1.0 wants it")
        })?;
        let mut defaults = root.into_inner();
        let tables = defaults.remove(TABLES);
        let sinks = Sinks::of(self, defaults.remove(SINKS))?;
        if let Some(key) = defaults.keys().find(|key| !SECTIONS.contains(&key.get_ref().as_ref())) {
            let known: Vec<&str> = SECTIONS.into_iter().chain([SINKS, TABLES]).collect();
            let (what, remedy) = unknown_key(key.get_ref(), &known);
            return Err(self.error(&key.span(), what, remedy));
        }
        let Some(tables) = tables else {
            return Err(self.lacks("there is no [tables.NAME]", "add one for each table to follow"));
        };
        let span = tables.span();
        let DeValue::Table(tables) = tables.into_inner() else {
            return Err(self.error(&span, "tables is no table", "write [tables.NAME]"));
        };
        let trees = tables.into_iter().map(|(name, own)| self.trees(&name, own, &defaults, &sinks));
        Ok(trees.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The table in the first sink, and in each of the further ones.
    fn trees<'a>(
        &self,
        name: &Spanned<Cow<'a, str>>,
        own: Spanned<DeValue<'a>>,
        defaults: &DeTable<'a>,
        sinks: &Sinks<'a>,
    ) -> Result<Vec<TableTree<'a>>, ConfigError> {
        let span = own.span();
        let DeValue::Table(mut own) = own.into_inner() else {
            let what = format!("tables.{} is no table", name.get_ref());
            return Err(self.error(&span, what, format!("write [tables.{}]", name.get_ref())));
        };
        let further = sinks.chosen(self, own.remove(SINKS))?;
        let mut tree = defaults.clone();
        merge(&mut tree, own);
        let name = Spanned::new(name.span(), name.get_ref().to_string());
        let mut trees = vec![TableTree { name, sink: None, tree: Spanned::new(span, tree) }];
        for further in further {
            let TableTree { name, tree, .. } = &trees[0];
            let in_it = Spanned::new(tree.span(), further.lay_on(tree.get_ref()));
            trees.push(TableTree { name: name.clone(), sink: Some(further.name.clone()), tree: in_it });
        }
        Ok(trees)
    }
}

/// What the file says of one table.
#[derive(Debug)]
pub(crate) struct TableTree<'a> {
    /// The table's name where it stands.
    pub(crate) name: Spanned<String>,
    /// The sink's name where it stands, if it is not the first.
    pub(crate) sink: Option<Spanned<String>>,
    tree: Spanned<DeTable<'a>>,
}

impl TableTree<'_> {
    /// Reads the keys; an unknown one is answered with where it belongs, or the one that is most like it.
    pub(crate) fn read(self, document: &Document) -> Result<RawTable, ConfigError> {
        RawTable::deserialize(Deserializer::from(self.tree)).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let (what, remedy) = explain(error.message());
            document.error(&span, what, remedy)
        })
    }
}

/// Lays `over` on `under`, table by table; every value keeps its place in the text.
pub(super) fn merge<'a>(under: &mut DeTable<'a>, over: DeTable<'a>) {
    for (key, value) in over {
        match under.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut) {
            Some(DeValue::Table(below)) if value.get_ref().is_table() => {
                if let DeValue::Table(above) = value.into_inner() {
                    merge(below, above);
                }
            }
            _ => {
                under.remove(key.get_ref().as_ref());
                under.insert(key, value);
            }
        }
    }
}

/// Turns a message of serde into what is wrong and what to do.
///
/// Its wordings are those of `serde::de::Error::unknown_field` and `unknown_variant` (the name and then
/// the known ones, each between backticks) and of `invalid_type`.
fn explain(message: &str) -> (String, String) {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let name = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.collect();
    if message.starts_with("unknown field") {
        return unknown_key(name, &known);
    }
    if message.starts_with("unknown variant") {
        return unknown("value", name, &known);
    }
    let wrong_type = message.strip_prefix("invalid type: ").and_then(|types| types.split_once(", expected "));
    if let Some((is, wanted)) = wrong_type {
        let wanted = TYPES.iter().find(|(name, _)| *name == wanted).map_or(wanted, |(_, shown)| shown);
        return (format!("this is the {}", is.replace('`', "")), format!("write {wanted}"));
    }
    let (what, remedy) = message.split_once("; ").unwrap_or((message, "mend this value"));
    (what.to_owned(), remedy.to_owned())
}

fn unknown_key(key: &str, known: &[&str]) -> (String, String) {
    match home_of(key) {
        Some(home) => (format!("unknown key '{key}'"), format!("it belongs under {home}")),
        None => unknown("key", key, known),
    }
}

/// What to say of a name that nobody knows.
pub(crate) fn unknown(kind: &str, name: &str, known: &[&str]) -> (String, String) {
    let remedy = match most_like(name, known) {
        Some(meant) => format!("did you mean '{meant}'?"),
        None => format!("known here are {}", known.join(", ")),
    };
    (format!("unknown {kind} '{name}'"), remedy)
}

/// The name among `known` for which `name` is probably a slip.
#[must_use]
pub fn most_like<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let likeness = |other: &str| strsim::normalized_damerau_levenshtein(&name, &other.to_lowercase());
    let scored = known.iter().map(|candidate| (likeness(candidate), *candidate));
    let best = scored.filter(|(score, _)| *score >= LIKENESS_MIN).max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(best.1)
}
