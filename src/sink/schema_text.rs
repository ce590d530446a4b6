//! The columns of an object in its metadata.

use std::fmt;

use percent_encoding::utf8_percent_encode;

use super::contents::ENCODED;
use crate::column_type::ColumnType;
use crate::rows::Schema;

/// The columns of an object, in their order: `SITE_ID:text,DATE_TIME:timestamptz,TA:double`. Names are
/// percent-encoded; `+12` at the end stands for 12 columns more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaText(Box<str>);

impl SchemaText {
    /// The columns of `schema`.
    #[must_use]
    pub fn of(schema: &Schema) -> Self {
        let columns = schema.columns.iter().zip(&schema.types);
        let spelled = columns.map(|(name, kind)| format!("{}:{kind}", utf8_percent_encode(name, ENCODED)));
        Self(spelled.collect::<Vec<_>>().join(",").into())
    }

    /// As much of it as `bytes` hold, with the number of columns that are left out; `None` where not even one
    /// column fits.
    pub(super) fn within(&self, bytes: usize) -> Option<String> {
        if self.0.len() <= bytes {
            return Some(self.0.to_string());
        }
        let starts: Vec<usize> = columns_of(&self.0).map(|(start, _)| start).collect();
        (1..starts.len()).rev().find_map(|kept| {
            let shown = format!("{},+{}", &self.0[..starts[kept] - 1], starts.len() - kept);
            (shown.len() <= bytes).then_some(shown)
        })
    }

    /// Reads what was shown.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_column =
            |column: &str| column.split_once(':').is_some_and(|(_, kind)| kind.parse::<ColumnType>().is_ok());
        let is_count =
            |rest: &str| rest.strip_prefix('+').is_some_and(|count| count.parse::<usize>().is_ok());
        let last = columns_of(text).count().checked_sub(1)?;
        columns_of(text)
            .enumerate()
            .all(|(at, (_, column))| is_column(column) || (at == last && is_count(column)))
            .then(|| Self(text.into()))
    }
}

impl fmt::Display for SchemaText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parts of a list of columns, with where they begin: commas within brackets part nothing.
fn columns_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_inside = false;
    let parts = text.split(move |c| {
        is_inside = (is_inside || c == '(') && c != ')';
        c == ',' && !is_inside
    });
    parts.scan(0, |next, part| {
        let start = *next;
        *next += part.len() + 1;
        Some((start, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_wide_schema_the_first_columns_are_told_and_how_many_more_there_are() {
        let columns: Vec<Box<str>> = (0..300).map(|at| format!("COLUMN_{at}").into()).collect();
        let types = vec![ColumnType::Decimal { precision: 12, scale: 4 }; 300].into();
        let wide = SchemaText::of(&Schema { columns: columns.into(), types, time: 0, site: None });
        for bytes in 30..2000 {
            let shown = wide.within(bytes).unwrap();
            assert!(shown.len() <= bytes && shown.len() + 30 > bytes, "{shown}");
            assert!(shown.starts_with("COLUMN_0:decimal(12,4),"), "{shown}");
            let (kept, left) = shown.rsplit_once(",+").unwrap();
            assert_eq!(columns_of(kept).count() + left.parse::<usize>().unwrap(), 300);
            assert_eq!(SchemaText::parse(&shown).unwrap().to_string(), shown);
        }
        assert_eq!(wide.within(20), None);
        assert_eq!(wide.within(usize::MAX), Some(wide.to_string()));
        for text in ["", "A", "A:number", "A:text,", "+1,A:text", "A:text,+", "A:decimal(1,2)"] {
            assert_eq!(SchemaText::parse(text), None, "{text}");
        }
    }
}
