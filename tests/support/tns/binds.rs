//! Binds: what type the client declared, and what value it sent.

use super::cell::unordered;
use super::number;
use super::time::Time;
use super::wire::{Incomplete, Reader};

/// The type a bind was declared with. Which one it is decides whether the database can use an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindType {
    /// VARCHAR2 or CHAR, in the database's character set.
    Text,
    /// The same in the national one.
    NationalText,
    /// NUMBER.
    Number,
    /// `BINARY_FLOAT` or `BINARY_DOUBLE`.
    Binary,
    /// DATE.
    Date,
    /// TIMESTAMP.
    Timestamp,
    /// TIMESTAMP WITH TIME ZONE.
    TimestampTz,
    /// TIMESTAMP WITH LOCAL TIME ZONE.
    TimestampLtz,
    /// RAW.
    Raw,
    /// Any other, by its number.
    Other(u8),
}

/// A bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Its name in the statement, without the colon.
    pub name: String,
    /// The type it was declared with.
    pub kind: BindType,
    /// Its value as text, times like `2026-11-20T08:30:00.000000001`; `None` is a null.
    pub value: Option<String>,
    /// Its value as it was on the wire.
    pub wire: Vec<u8>,
}

/// How a bind, or a column that the client defines, was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// The type's number.
    pub code: u8,
    /// 2 is the national character set.
    pub charset_form: u8,
}

impl Declared {
    /// Reads one declaration.
    pub fn read(reader: &mut Reader<'_>, has_column_id: bool) -> Result<Self, Incomplete> {
        let code = reader.u8()?;
        reader.raw(3)?; // flags, precision, scale
        reader.skip_uints(3)?; // size, elements, flags
        reader.counted_bytes()?; // object type
        reader.skip_uints(2)?; // its version, character set
        let charset_form = reader.u8()?;
        reader.uint()?; // characters, or bytes of a LOB to send ahead
        if has_column_id {
            reader.uint()?;
        }
        Ok(Self { code, charset_form })
    }

    fn kind(self) -> BindType {
        match (self.code, self.charset_form) {
            (1 | 96, 2) => BindType::NationalText,
            (1 | 8 | 96, _) => BindType::Text,
            (2, _) => BindType::Number,
            (100 | 101, _) => BindType::Binary,
            (12, _) => BindType::Date,
            (180, _) => BindType::Timestamp,
            (181, _) => BindType::TimestampTz,
            (231, _) => BindType::TimestampLtz,
            (23 | 24, _) => BindType::Raw,
            (other, _) => BindType::Other(other),
        }
    }
}

/// Puts names, declarations and values together.
pub fn join(sql: &str, declared: &[Declared], values: &[Vec<u8>]) -> Vec<Bind> {
    let names = names(sql);
    let declared_and_sent = declared.iter().zip(values).enumerate();
    declared_and_sent
        .map(|(at, (declared, wire))| Bind {
            name: names.get(at).cloned().unwrap_or_default(),
            kind: declared.kind(),
            value: (!wire.is_empty()).then(|| text(*declared, wire)),
            wire: wire.clone(),
        })
        .collect()
}

fn text(declared: Declared, wire: &[u8]) -> String {
    match declared.kind() {
        BindType::Text => String::from_utf8_lossy(wire).into_owned(),
        BindType::NationalText => {
            let units: Vec<u16> = wire.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        BindType::Number => number::decode(wire),
        BindType::Binary => binary(&unordered(wire)),
        BindType::Date | BindType::Timestamp | BindType::TimestampTz | BindType::TimestampLtz => {
            Time::from_bytes(wire).to_string()
        }
        BindType::Raw | BindType::Other(_) => super::crypto::to_hex(wire),
    }
}

fn binary(bytes: &[u8]) -> String {
    if let Ok(bytes) = bytes.try_into() {
        f64::from_be_bytes(bytes).to_string()
    } else {
        f32::from_be_bytes(bytes.try_into().expect("four bytes where there are not eight")).to_string()
    }
}

/// The placeholders of a statement in their order, outside of quotes and comments.
pub fn names(sql: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = sql;
    while let Some(at) = rest.find([':', '\'', '"', '-', '/']) {
        let (found, after) = (&rest[at..], &rest[at + 1..]);
        rest = match found.as_bytes()[0] {
            b':' => {
                let end = after.find(|char: char| !char.is_alphanumeric() && !"_$#".contains(char));
                let (name, behind) = after.split_at(end.unwrap_or(after.len()));
                if !name.is_empty() {
                    names.push(name.to_owned());
                }
                behind
            }
            b'-' if found.starts_with("--") => behind(found, "\n"),
            b'/' if found.starts_with("/*") => behind(found, "*/"),
            b'\'' => behind(after, "'"),
            b'"' => behind(after, "\""),
            _ => after,
        };
    }
    names
}

fn behind<'a>(text: &'a str, end: &str) -> &'a str {
    text.find(end).map_or("", |at| &text[at + end.len()..])
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn placeholders_are_found_outside_of_quotes_and_comments() {
        let sql = "SELECT ':no' /* :nor */ FROM t WHERE a = :a AND \":x\" > :b1 -- :c\n AND c IN (:a,:d)";
        assert_eq!(names(sql), ["a", "b1", "a", "d"]);
    }
}
