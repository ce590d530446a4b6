//! The sections `[sinks.NAME]`: each is a further sink, in which a table is stored too.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{ConfigError, Document, merge, unknown};

/// The key of those sections; of a table, that of the names of the sinks it is stored in.
pub(crate) const SINKS: &str = "sinks";

/// The sections that a further sink may have of its own, as `[sinks.NAME.upload]`.
const OF_SINK: [&str; 2] = ["upload", "poll"];

/// The further sinks of a file.
pub(crate) struct Sinks<'a>(Vec<Further<'a>>);

/// One of them.
pub(crate) struct Further<'a> {
    /// Its name where it stands.
    pub(crate) name: Spanned<String>,
    section: DeTable<'a>,
}

impl<'a> Sinks<'a> {
    /// Those that a file has.
    pub(crate) fn of(document: &Document, sinks: Option<Spanned<DeValue<'a>>>) -> Result<Self, ConfigError> {
        let Some(sinks) = sinks else { return Ok(Self(Vec::new())) };
        let sections = table_of(document, sinks, SINKS)?.into_iter().map(|(name, section)| {
            let section = table_of(document, section, &format!("sinks.{}", name.get_ref()))?;
            Ok(Further { name: Spanned::new(name.span(), name.get_ref().to_string()), section })
        });
        Ok(Self(sections.collect::<Result<_, _>>()?))
    }

    /// Those that a table names; all of them, where it has no such list.
    pub(crate) fn chosen(
        &self,
        document: &Document,
        names: Option<Spanned<DeValue<'_>>>,
    ) -> Result<Vec<&Further<'a>>, ConfigError> {
        let Some(names) = names else { return Ok(self.0.iter().collect()) };
        let no_list =
            |span| document.error(&span, "sinks is no list of names", "write it as sinks = [\"archive\"]");
        let span = names.span();
        let DeValue::Array(names) = names.into_inner() else { return Err(no_list(span)) };
        let known: Vec<&str> = self.0.iter().map(Further::name).collect();
        let mut wanted = Vec::new();
        for name in &names {
            let text = name.get_ref().as_str().ok_or_else(|| no_list(name.span()))?;
            if known.is_empty() {
                let what = format!("there is no [sinks.{text}]");
                return Err(document.error(&name.span(), what, "add it, or take the name from this list"));
            }
            if !known.contains(&text) {
                let (what, remedy) = unknown("sink", text, &known);
                return Err(document.error(&name.span(), what, remedy));
            }
            wanted.push(text);
        }
        Ok(self.0.iter().filter(|further| wanted.contains(&further.name())).collect())
    }
}

impl<'a> Further<'a> {
    fn name(&self) -> &str {
        self.name.get_ref()
    }

    /// What holds of a table in this sink: its section in the place of `[sink]`, and its own `upload` and `poll`
    /// over the table's.
    pub(crate) fn lay_on(&self, table: &DeTable<'a>) -> DeTable<'a> {
        let (mut tree, mut sink, mut over) = (table.clone(), self.section.clone(), DeTable::new());
        for key in OF_SINK {
            over.extend(sink.remove_entry(key));
        }
        let nowhere = 0..0;
        let key = Spanned::new(nowhere.clone(), Cow::Borrowed("sink"));
        tree.remove("sink");
        over.insert(key, Spanned::new(nowhere, DeValue::Table(sink)));
        merge(&mut tree, over);
        tree
    }
}

fn table_of<'a>(
    document: &Document,
    value: Spanned<DeValue<'a>>,
    what: &str,
) -> Result<DeTable<'a>, ConfigError> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Ok(table),
        _ => Err(document.error(&span, format!("{what} is no table"), "write [sinks.NAME]")),
    }
}
