//! Object keys: the one place that makes them, and reads them back.
//!
//! A key names its object's site, and its place in a chain: by seq, or by a digest of its bytes where the
//! template has no `{seq}`. What names site, table and chain comes first and is parted by `/`, which none of
//! them can hold, so that no two places share a key and the objects of a site are listed together. Behind
//! that may stand what changes from object to object.
//!
//! What a template promises follows from its tokens. Where the chain alone decides a key, create-if-absent
//! keeps any two writers apart (I3). Where the rows decide it too, two writers may store the same rows under
//! two keys: the sink is then asked before each put, and a key that was tried is settled before another
//! is (`uploader/scattered.rs`).

mod order;
mod partition;
mod place;
mod promise;
mod template;
mod token;

use std::fmt;

use livecosmos_state::{ChainName, Cursor, SiteId, TableName, Time};

pub use partition::{Partition, Span};
pub use place::Marks;
pub use promise::Promise;
pub use template::InvalidTemplate;
use token::{Part, Token};

/// Decimal digits of a seq in a key: enough for every `u64`, so that keys sort as numbers do.
const SEQ_DIGITS: usize = 20;

/// Templates that have a name.
const PRESETS: [(&str, &str); 3] = [
    ("chain", "{site}/{live_table}/{seq}{ext}"),
    ("hive", "dataset={live_table}/site={site}/date={date}/{seq}{ext}"),
    // As the predecessor named its objects, by the newest row's time instead of that of the upload.
    ("iot-swarm", "{site}/LIVE_{live_table}/{to_ms}-{md5}"),
];

/// How keys are made: literal text and tokens, checked once in [`KeyTemplate::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate {
    text: Box<str>,
    /// What all objects of a chain have in common.
    head: Box<[Part]>,
    /// What follows, without `{ext}`.
    rest: Box<[Part]>,
    /// Whether the key ends in `{ext}`.
    has_ext: bool,
}

/// An object to be named.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Whose rows.
    pub site: &'a SiteId,
    /// From which table.
    pub table: &'a TableName,
    /// On which chain,
    pub chain: &'a ChainName,
    /// and at which place in it.
    pub seq: u64,
    /// Ending, with its dot.
    pub ext: &'a str,
    /// What it holds, where that is known.
    pub content: Option<Content<'a>>,
}

/// What an object holds, as far as keys tell.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Where its predecessor ended.
    pub from: &'a Cursor,
    /// Where it ends.
    pub to: &'a Cursor,
    /// The earliest time among its rows.
    pub first: Time,
    /// The newest time among its rows.
    pub last: Time,
    /// Its bytes, as they are stored.
    pub bytes: &'a [u8],
}

impl KeyTemplate {
    /// The key of an object. Where its content is not known, tokens that depend on it stay as they are.
    #[must_use]
    pub fn key_of(&self, named: &Named<'_>) -> String {
        self.spell(named, *named.chain != ChainName::LIVE)
    }

    /// A second key for an object of a template without `{seq}`, for where its key is taken by another
    /// object with the very same bytes: it names its place besides.
    #[must_use]
    pub fn key_apart(&self, named: &Named<'_>) -> String {
        self.spell(named, true)
    }

    /// The key of object `seq` of a chain whose content is not known.
    #[must_use]
    pub fn key(&self, site: &SiteId, table: &TableName, chain: &ChainName, seq: u64, ext: &str) -> String {
        self.key_of(&Named { site, table, chain, seq, ext, content: None })
    }

    fn spell(&self, named: &Named<'_>, is_marked: bool) -> String {
        let mut key = self.head_of(named.site, named.table, named.chain);
        let head_len = key.len();
        for part in &self.rest {
            match part {
                Part::Literal(text) => key.push_str(text),
                Part::Token(token) => {
                    if *token == Token::Seq && is_marked {
                        key.push_str(&chain_mark(named.chain));
                    }
                    key.push_str(&token.spell(named));
                }
            }
        }
        if is_marked && !self.has_seq() {
            let last = key.rfind('/').map_or(0, |slash| slash + 1);
            key.insert_str(
                last.max(head_len),
                &format!("{}{:0SEQ_DIGITS$}.", chain_mark(named.chain), named.seq),
            );
        }
        if self.has_ext {
            key.push_str(named.ext);
        }
        key
    }

    fn head_of(&self, site: &SiteId, table: &TableName, chain: &ChainName) -> String {
        let mut head = String::new();
        for part in &self.head {
            head.push_str(match part {
                Part::Literal(text) => text,
                Part::Token(Token::Chain) => chain.as_str(),
                Part::Token(token) => token.spell_static(table, site),
            });
        }
        head
    }

    /// Whether an object's place in its chain can be read from its key.
    #[must_use]
    pub fn has_seq(&self) -> bool {
        self.rest.contains(&Part::Token(Token::Seq))
    }

    /// The partition of time that keys name, if they name any.
    #[must_use]
    pub fn partition(&self) -> Option<Partition> {
        self.tokens().filter_map(Token::partition).max()
    }

    fn tokens(&self) -> impl Iterator<Item = Token> {
        self.head.iter().chain(&self.rest).filter_map(|part| match part {
            Part::Token(token) => Some(*token),
            Part::Literal(_) => None,
        })
    }
}

impl Default for KeyTemplate {
    /// `{site}/{live_table}/{seq}{ext}`.
    fn default() -> Self {
        let slash = || Part::Literal("/".into());
        Self {
            text: PRESETS[0].1.into(),
            head: [Part::Token(Token::Site), slash(), Part::Token(Token::LiveTable), slash()].into(),
            rest: [Part::Token(Token::Seq)].into(),
            has_ext: true,
        }
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The table's name without its schema and without `LEVEL1_`.
#[must_use]
pub fn live_table(table: &TableName) -> &str {
    let name = table.table();
    name.strip_prefix("LEVEL1_").filter(|rest| !rest.is_empty()).unwrap_or(name)
}

/// What tells a chain in a key: no digit and no literal before `{seq}` begins a chain's name and a dot.
fn chain_mark(chain: &ChainName) -> String {
    format!("{chain}.")
}

#[cfg(test)]
mod tests;
