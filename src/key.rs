//! Object keys: the one place that makes them, and reads them back.
//!
//! A key is decided by site, table, chain and seq alone (I3), so that a batch that is tried again
//! after a crash meets its own key, and never another's. Two tokens are therefore always parted by
//! a `/`, which no site, table or chain can hold: no two places share a key.

mod place;

use std::fmt;

use livecosmos_state::{ChainName, SiteId, TableName};

/// Room for the longest site, table and chain in the 1,024 bytes that S3 allows a key.
const TEMPLATE_BYTES_MAX: usize = 256;

/// Decimal digits of a seq in a key: enough for every `u64`, so that keys sort as numbers do.
const SEQ_DIGITS: usize = 20;

const TOKENS: [(&str, Token); 6] = [
    ("site", Token::Site),
    ("table", Token::Table),
    ("live_table", Token::LiveTable),
    ("chain", Token::Chain),
    ("seq", Token::Seq),
    ("ext", Token::Ext),
];

/// How keys are made: literal text and tokens, checked once in [`KeyTemplate::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate {
    text: Box<str>,
    /// Before `{seq}`.
    head: Box<[Part]>,
    /// Literal text between `{seq}` and `{ext}`, or the end.
    tail: Box<str>,
    /// Whether the key ends in `{ext}`.
    has_ext: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Token(Token),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Site,
    Table,
    LiveTable,
    Chain,
    Seq,
    Ext,
}

/// A template that was refused: the rule it broke; and after a semicolon, the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTemplate(String);

impl KeyTemplate {
    /// Checks `text` and makes it a template.
    ///
    /// # Errors
    /// [`InvalidTemplate`], with the remedy.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(refused(format!(
                "the key template is longer than {TEMPLATE_BYTES_MAX} bytes; shorten it"
            )));
        }
        let mut parts = split(text)?;
        let has_ext = parts.pop_if(|part| *part == Part::Token(Token::Ext)).is_some();
        let tail = match parts.pop_if(|part| matches!(part, Part::Literal(_))) {
            Some(Part::Literal(tail)) => tail,
            _ => Box::default(),
        };
        if parts.pop() != Some(Part::Token(Token::Seq)) {
            return Err(refused(
                "the key template must end in '{seq}{ext}'; move {seq} and {ext} to its end",
            ));
        }
        check_head(&parts)?;
        check_literals(text)?;
        Ok(Self { text: text.into(), head: parts.into(), tail, has_ext })
    }

    /// The key of object `seq` of a chain, ending in `ext` (with its dot).
    #[must_use]
    pub fn key(&self, site: &SiteId, table: &TableName, chain: &ChainName, seq: u64, ext: &str) -> String {
        let mut key = self.stem(site, table, chain, seq);
        if self.has_ext {
            key.push_str(ext);
        }
        key
    }

    /// The key without its `{ext}`, which is no part of an object's identity.
    #[must_use]
    pub fn stem(&self, site: &SiteId, table: &TableName, chain: &ChainName, seq: u64) -> String {
        format!("{}{seq:0SEQ_DIGITS$}{}", self.prefix(site, table, chain), self.tail)
    }

    /// What the keys of one chain start with. On the live chain those of other chains do so too:
    /// [`KeyTemplate::seq_of`] tells them apart.
    #[must_use]
    pub fn prefix(&self, site: &SiteId, table: &TableName, chain: &ChainName) -> String {
        let mut prefix = String::new();
        for part in &self.head {
            prefix.push_str(match part {
                Part::Literal(text) => text,
                Part::Token(Token::Site) => site.as_str(),
                Part::Token(Token::Table) => table.as_str(),
                Part::Token(Token::LiveTable) => live_table(table),
                Part::Token(_) => chain.as_str(),
            });
        }
        if *chain != ChainName::LIVE {
            prefix.push_str(chain.as_str());
            prefix.push('.');
        }
        prefix
    }

    /// What the keys of all chains of a site start with; of all sites of the table, without one.
    #[must_use]
    pub fn common_prefix(&self, table: &TableName, site: Option<&SiteId>) -> String {
        let mut prefix = String::new();
        for part in &self.head {
            prefix.push_str(match (part, site) {
                (Part::Literal(text), _) => text,
                (Part::Token(Token::Site), Some(site)) => site.as_str(),
                (Part::Token(Token::Table), _) => table.as_str(),
                (Part::Token(Token::LiveTable), _) => live_table(table),
                (Part::Token(_), _) => break,
            });
        }
        prefix
    }

    /// Where the keys of a site's other chains begin: behind those of the live one, unless the template parts
    /// chains before `{seq}`.
    #[must_use]
    pub fn beside(&self, table: &TableName, site: &SiteId) -> String {
        if self.head.contains(&Part::Token(Token::Chain)) {
            return self.common_prefix(table, Some(site));
        }
        self.stem(site, table, &ChainName::LIVE, u64::MAX)
    }

    /// Which place in which chain `key` is, if it is one of this table.
    #[must_use]
    pub fn place_of(&self, table: &TableName, key: &str) -> Option<(SiteId, ChainName, u64)> {
        let (mut rest, mut site, mut named) = (key, None, None);
        let mut parts = self.head.iter().peekable();
        while let Some(part) = parts.next() {
            let token = match part {
                Part::Literal(text) => {
                    rest = rest.strip_prefix(&**text)?;
                    continue;
                }
                Part::Token(token) => token,
            };
            // No value holds a slash: it ends where the text before the next slash begins.
            let behind = match parts.peek() {
                Some(Part::Literal(text)) => text.split('/').next().unwrap_or_default(),
                _ => "",
            };
            let value = rest.split('/').next().unwrap_or_default().strip_suffix(behind)?;
            rest = &rest[value.len()..];
            match token {
                Token::Site => site = Some(SiteId::parse(value).ok()?),
                Token::Chain => named = Some(ChainName::parse(value).ok()?),
                Token::Table if value == table.as_str() => {}
                Token::LiveTable if value == live_table(table) => {}
                _ => return None,
            }
        }
        let chain = match rest.split_once('.') {
            Some((name, _)) if !name.starts_with(|c: char| c.is_ascii_digit()) => {
                ChainName::parse(name).ok()?
            }
            _ => ChainName::LIVE,
        };
        let site = site?;
        let seq = self.seq_of(&site, table, &chain, key)?;
        (named.is_none_or(|named| named == chain)).then_some((site, chain, seq))
    }

    /// The seq of `key`, if it is one of that chain, whatever its `{ext}`.
    #[must_use]
    pub fn seq_of(&self, site: &SiteId, table: &TableName, chain: &ChainName, key: &str) -> Option<u64> {
        let rest = key.strip_prefix(&self.prefix(site, table, chain))?;
        let (digits, rest) = rest.split_at_checked(SEQ_DIGITS)?;
        let ext = rest.strip_prefix(&*self.tail)?;
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        let ext_fits = ext.is_empty() || (self.has_ext && is_ext(ext));
        if all_digits && ext_fits { digits.parse().ok() } else { None }
    }
}

impl Default for KeyTemplate {
    /// `{site}/{live_table}/{seq}{ext}`.
    fn default() -> Self {
        let slash = || Part::Literal("/".into());
        Self {
            text: "{site}/{live_table}/{seq}{ext}".into(),
            head: [Part::Token(Token::Site), slash(), Part::Token(Token::LiveTable), slash()].into(),
            tail: Box::default(),
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

/// Whether `text` can be an `{ext}`. A digit behind the dot is the seq of a chain whose name is a number.
fn is_ext(text: &str) -> bool {
    text.strip_prefix('.')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.contains('/'))
}

fn refused(message: impl Into<String>) -> InvalidTemplate {
    InvalidTemplate(message.into())
}

fn split(text: &str) -> Result<Vec<Part>, InvalidTemplate> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        if open > 0 {
            parts.push(Part::Literal(rest[..open].into()));
        }
        let name = rest[open..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((name, after)) = name else {
            return Err(refused("a brace of the key template has no partner; write tokens as {site}"));
        };
        let token = TOKENS.iter().find(|(known, _)| *known == name).map(|(_, token)| *token);
        parts.push(Part::Token(token.ok_or_else(|| unknown_token(name))?));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.into()));
    }
    Ok(parts)
}

fn unknown_token(name: &str) -> InvalidTemplate {
    let known = TOKENS.map(|(known, _)| format!("{{{known}}}")).join(", ");
    refused(format!("the key template has an unknown token '{{{name}}}'; known are {known}"))
}

/// Checks what stands before `{seq}`: it must name the site, and hold its tokens apart.
fn check_head(head: &[Part]) -> Result<(), InvalidTemplate> {
    if !head.contains(&Part::Token(Token::Site)) {
        return Err(refused("the key template does not name the site before {seq}; add '{site}/'"));
    }
    if head.iter().any(|part| matches!(part, Part::Token(Token::Seq | Token::Ext))) {
        return Err(refused(
            "the key template has {seq} or {ext} more than once; keep them at its end alone",
        ));
    }
    let mut parted = true;
    for part in head {
        match part {
            Part::Literal(text) => parted |= text.contains('/'),
            Part::Token(_) if parted => parted = false,
            Part::Token(_) => return Err(not_parted()),
        }
    }
    if parted { Ok(()) } else { Err(not_parted()) }
}

fn not_parted() -> InvalidTemplate {
    refused(
        "two tokens of the key template are not parted by a '/'; two places could share a key, so put one between",
    )
}

/// Checks the template as a path: the same key must mean the same thing in a folder and in a bucket.
fn check_literals(text: &str) -> Result<(), InvalidTemplate> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"{}/_-.=+!,@".contains(&byte);
    if let Some(other) = text.chars().find(|c| !u8::try_from(*c).is_ok_and(allowed)) {
        return Err(refused(format!(
            "the key template holds {other:?}; use A-Z a-z 0-9 / _ - . = + ! , @ between its tokens"
        )));
    }
    if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(refused("the key template has an empty, '.' or '..' segment; remove it"));
    }
    if text.starts_with(".livecosmos") {
        return Err(refused(
            "the key template starts with '.livecosmos', which is kept for livecosmos; choose another",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn site(text: &str) -> SiteId {
        SiteId::parse(text).unwrap()
    }

    fn table(text: &str) -> TableName {
        TableName::parse(text).unwrap()
    }

    fn refusal(template: &str) -> String {
        KeyTemplate::parse(template).unwrap_err().to_string()
    }

    #[test]
    fn the_default_template_spells_site_live_table_and_seq() {
        let template = KeyTemplate::default();
        assert_eq!(Ok(&template), KeyTemplate::parse(&template.to_string()).as_ref());
        let (site, table) = (site("ALIC1"), table("COSMOS.LEVEL1_SOILMET_30MIN"));
        assert_eq!(
            template.key(&site, &table, &ChainName::LIVE, 7, ".ndjson.gz"),
            "ALIC1/SOILMET_30MIN/00000000000000000007.ndjson.gz"
        );
        assert_eq!(
            template.stem(&site, &table, &ChainName::LIVE, 7),
            "ALIC1/SOILMET_30MIN/00000000000000000007"
        );
        assert_eq!(template.prefix(&site, &table, &ChainName::LIVE), "ALIC1/SOILMET_30MIN/");
    }

    #[test]
    fn another_chain_is_named_in_the_key_and_lists_after_the_live_one() {
        let template = KeyTemplate::default();
        let (site, table) = (site("ALIC1"), table("T"));
        let late = template.key(&site, &table, &ChainName::LATE, 0, ".json");
        assert_eq!(late, "ALIC1/T/late.00000000000000000000.json");
        assert!(template.key(&site, &table, &ChainName::LIVE, u64::MAX, ".json") < late);
        assert_eq!(template.seq_of(&site, &table, &ChainName::LIVE, &late), None);
        assert_eq!(template.seq_of(&site, &table, &ChainName::LATE, &late), Some(0));
    }

    #[test]
    fn a_seq_is_read_from_any_extension_and_from_nothing_else() {
        let template = KeyTemplate::parse("a/{table}/{site}/b-{seq}-c{ext}").unwrap();
        let (site, table) = (site("S"), table("T"));
        let seq_of = |key: &str| template.seq_of(&site, &table, &ChainName::LIVE, key);
        assert_eq!(seq_of("a/T/S/b-00000000000000000012-c.ndjson"), Some(12));
        assert_eq!(seq_of("a/T/S/b-00000000000000000012-c"), Some(12));
        for other in [
            "a/T/S/b-00000000000000000012.ndjson",
            "a/T/S/b-0000000000000000001x-c.ndjson",
            "a/T/S/b-12-c.ndjson",
            "a/T/S/b-00000000000000000012-c~",
            "a/T/S/b-00000000000000000012-c.d/x",
            "a/T/S2/b-00000000000000000012-c.ndjson",
            "a/T/S/b-99999999999999999999-c.ndjson",
            "a/T/S/b-000000000000000000é12-c",
            "",
        ] {
            assert_eq!(seq_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_refused_template_says_what_to_write() {
        insta::assert_snapshot!(refusal("{site}/{date}/{seq}{ext}"), @"the key template has an unknown token '{date}'; known are {site}, {table}, {live_table}, {chain}, {seq}, {ext}");
        insta::assert_snapshot!(refusal("{live_table}/{seq}{ext}"), @"the key template does not name the site before {seq}; add '{site}/'");
        insta::assert_snapshot!(refusal("{site}/{live_table}{ext}"), @"the key template must end in '{seq}{ext}'; move {seq} and {ext} to its end");
        insta::assert_snapshot!(refusal("{seq}/{site}{ext}"), @"the key template must end in '{seq}{ext}'; move {seq} and {ext} to its end");
        insta::assert_snapshot!(refusal("{site}/{seq}/{seq}{ext}"), @"the key template has {seq} or {ext} more than once; keep them at its end alone");
        insta::assert_snapshot!(refusal("{site}_{live_table}/{seq}"), @"two tokens of the key template are not parted by a '/'; two places could share a key, so put one between");
        insta::assert_snapshot!(refusal("{site}-{seq}"), @"two tokens of the key template are not parted by a '/'; two places could share a key, so put one between");
        insta::assert_snapshot!(refusal("{site/{seq}"), @"the key template has an unknown token '{site/{seq}'; known are {site}, {table}, {live_table}, {chain}, {seq}, {ext}");
        insta::assert_snapshot!(refusal("{site}}/{seq}"), @"a brace of the key template has no partner; write tokens as {site}");
        insta::assert_snapshot!(refusal("/{site}/{seq}{ext}"), @"the key template has an empty, '.' or '..' segment; remove it");
        insta::assert_snapshot!(refusal("../{site}/{seq}{ext}"), @"the key template has an empty, '.' or '..' segment; remove it");
        insta::assert_snapshot!(refusal("a b/{site}/{seq}{ext}"), @"the key template holds ' '; use A-Z a-z 0-9 / _ - . = + ! , @ between its tokens");
        insta::assert_snapshot!(refusal(".livecosmos/{site}/{seq}"), @"the key template starts with '.livecosmos', which is kept for livecosmos; choose another");
        insta::assert_snapshot!(refusal(&format!("{}/{{site}}/{{seq}}", "a".repeat(250))), @"the key template is longer than 256 bytes; shorten it");
    }

    /// Literals and tokens in any order: most are refused, and those that are not must keep places apart.
    fn templates() -> impl Strategy<Value = KeyTemplate> {
        let part = prop::sample::select(vec![
            "{site}",
            "{table}",
            "{live_table}",
            "{chain}",
            "/",
            "_",
            "-",
            ".",
            "a",
        ]);
        prop::collection::vec(part, 1..8)
            .prop_map(|parts| parts.concat() + "{seq}{ext}")
            .prop_filter_map("refused", |text| KeyTemplate::parse(&text).ok())
    }

    proptest! {
        #[test]
        fn two_places_of_a_table_never_share_a_key(
            template in templates(),
            sites in prop::array::uniform2("[aA0_-]{1,3}"),
            chains in prop::array::uniform2(prop::sample::select(vec!["live", "late", "a", "a-a", "a0", "a00000000000000000001"])),
            seqs in prop::array::uniform2(0..3_u64),
        ) {
            let table = table("T_a");
            let places = [0, 1].map(|i| (site(&sites[i]), ChainName::parse(chains[i]).unwrap(), seqs[i]));
            let keys = places.clone().map(|(site, chain, seq)| template.key(&site, &table, &chain, seq, ".json"));
            prop_assert_eq!(places[0] == places[1], keys[0] == keys[1], "{} {:?}", template, keys);
            for (site, chain, seq) in &places {
                let key = template.key(site, &table, chain, *seq, ".json");
                prop_assert_eq!(template.seq_of(site, &table, chain, &key), Some(*seq));
                prop_assert_eq!(template.place_of(&table, &key), Some((site.clone(), chain.clone(), *seq)));
                prop_assert!(key.starts_with(&template.common_prefix(&table, Some(site))));
                prop_assert!(key.starts_with(&template.common_prefix(&table, None)));
                prop_assert!(key.starts_with(&template.stem(site, &table, chain, *seq)));
            }
            if places[0] != places[1] && (&places[0].0, &places[0].1) != (&places[1].0, &places[1].1) {
                prop_assert_eq!(template.seq_of(&places[0].0, &table, &places[0].1, &keys[1]), None);
            }
        }
    }
}
