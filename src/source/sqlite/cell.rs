//! Spells a stored value for the arena.

use std::collections::BTreeSet;

use rusqlite::types::ValueRef;

use crate::base64;
use crate::rows::{Kind, Rows};
use crate::source::TableShape;

/// How the cells of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The time: its cell is left empty.
    Time,
    /// Always text: the site, and what is declared so.
    Text,
    /// By what is stored.
    Plain,
}

/// The roles of `columns`.
pub(super) fn roles(
    columns: &[Box<str>],
    time: usize,
    site: Option<usize>,
    texts: &BTreeSet<String>,
) -> Vec<Role> {
    let role = |at: usize| match at {
        _ if at == time => Role::Time,
        _ if Some(at) == site || texts.contains(&*columns[at]) => Role::Text,
        _ => Role::Plain,
    };
    (0..columns.len()).map(role).collect()
}

/// Pushes one cell; the error is why the row cannot be sent.
///
/// An infinity is no JSON number: it becomes a null, and `infinities` counts it.
pub(super) fn push(
    rows: &mut Rows,
    role: Role,
    stored: ValueRef<'_>,
    shape: &TableShape,
    scratch: &mut String,
    infinities: &mut u64,
) -> Result<(), &'static str> {
    if role == Role::Time {
        rows.push(Kind::Text, "");
        return Ok(());
    }
    if let ValueRef::Text(bytes) = stored {
        let text =
            std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8; store it as UTF-8 or as a blob")?;
        let is_null = shape.null_values.iter().any(|null| null == text);
        if is_null {
            rows.push(Kind::Null, "");
        } else {
            rows.push(Kind::Text, text);
        }
        return Ok(());
    }
    scratch.clear();
    let kind = match stored {
        ValueRef::Real(number) if !number.is_finite() => {
            *infinities += 1;
            Kind::Null
        }
        _ => spell(stored, scratch),
    };
    rows.push(if kind == Kind::Number && role == Role::Text { Kind::Text } else { kind }, scratch);
    Ok(())
}

/// Appends what is stored to `text`: a number in its shortest form that reads back as the same.
pub(super) fn spell(stored: ValueRef<'_>, text: &mut String) -> Kind {
    use std::fmt::Write as _;
    match stored {
        ValueRef::Null => Kind::Null,
        ValueRef::Text(bytes) => {
            text.push_str(&String::from_utf8_lossy(bytes));
            Kind::Text
        }
        ValueRef::Blob(bytes) => {
            base64::push(text, bytes);
            Kind::Text
        }
        ValueRef::Integer(number) => {
            write!(text, "{number}").expect("a String takes every write");
            Kind::Number
        }
        // Not Display, which writes 1e300 with all its zeros.
        ValueRef::Real(number) => {
            write!(text, "{number:?}").expect("a String takes every write");
            Kind::Number
        }
    }
}
