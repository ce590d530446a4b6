//! Reads keys back: whose object it is, and where in its chain.

use livecosmos_state::{ChainName, SiteId, TableName};

use super::token::{Part, Token};
use super::{KeyTemplate, SEQ_DIGITS, live_table};

/// What a key tells of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Whose rows.
    pub site: SiteId,
    /// On which chain.
    pub chain: ChainName,
    /// Its place there; without `{seq}`, only for objects that are marked with it.
    pub seq: Option<u64>,
}

/// What is read of a key's head.
#[derive(Default)]
struct Head {
    site: Option<SiteId>,
    chain: Option<ChainName>,
}

impl KeyTemplate {
    /// What `key` tells, if it is one of this table.
    #[must_use]
    pub fn marks_of(&self, table: &TableName, key: &str) -> Option<Marks> {
        let (Head { site, chain: named }, rest) = self.read_head(table, key)?;
        let (chain, seq) = self.read_rest(rest)?;
        let marks = Marks { site: site?, chain, seq };
        named.is_none_or(|named| named == marks.chain).then_some(marks)
    }

    /// Which place in which chain `key` is, if it is one of this table and tells.
    #[must_use]
    pub fn place_of(&self, table: &TableName, key: &str) -> Option<(SiteId, ChainName, u64)> {
        let Marks { site, chain, seq } = self.marks_of(table, key)?;
        Some((site, chain, seq?))
    }

    /// The seq of `key`, if it is one of that chain, whatever its `{ext}`.
    #[must_use]
    pub fn seq_of(&self, site: &SiteId, table: &TableName, chain: &ChainName, key: &str) -> Option<u64> {
        let marks = self.marks_of(table, key)?;
        marks.seq.filter(|_| marks.site == *site && marks.chain == *chain)
    }

    /// The site among whose objects `key` stands without being one of them, by its folder alone.
    #[must_use]
    pub fn site_beside(&self, table: &TableName, key: &str) -> Option<SiteId> {
        if self.marks_of(table, key).is_some() {
            return None;
        }
        if let Some((head, _)) = self.read_head(table, key).filter(|_| !self.is_listed_by_seq()) {
            return head.site;
        }
        let (folder, _) = key.rsplit_once('/')?;
        let before_seq = match self.head.last() {
            Some(Part::Literal(text)) => text.rsplit('/').next().unwrap_or_default(),
            _ => "",
        };
        self.read_head(table, &format!("{folder}/{before_seq}")).filter(|(_, rest)| rest.is_empty())?.0.site
    }

    fn read_head<'a>(&self, table: &TableName, key: &'a str) -> Option<(Head, &'a str)> {
        let (mut head, mut rest) = (Head::default(), key);
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
                Token::Site => head.site = Some(SiteId::parse(value).ok()?),
                Token::Chain => head.chain = Some(ChainName::parse(value).ok()?),
                Token::Table if value == table.in_source() => {}
                Token::LiveTable if value == live_table(table) => {}
                _ => return None,
            }
        }
        Some((head, rest))
    }

    /// The chain and the seq that what follows the head tells.
    fn read_rest(&self, text: &str) -> Option<(ChainName, Option<u64>)> {
        let (mut chain, mut seq, unmarked);
        let mut rest = text;
        (chain, seq) = (ChainName::LIVE, None);
        if !self.has_seq() {
            let last = text.rfind('/').map_or(0, |slash| slash + 1);
            if let Some((marked, of_chain, after)) = split_mark(&text[last..]) {
                let after = after.strip_prefix('.')?;
                (chain, seq) = (marked, Some(of_chain));
                unmarked = format!("{}{after}", &text[..last]);
                rest = &unmarked;
            }
        }
        for part in &self.rest {
            rest = match part {
                Part::Literal(text) => rest.strip_prefix(&**text)?,
                Part::Token(Token::Seq) => {
                    let (marked, of_chain, after) = match split_mark(rest) {
                        Some(marked) if marked.0 != ChainName::LIVE => marked,
                        _ => split_seq(rest).map(|(seq, after)| (ChainName::LIVE, seq, after))?,
                    };
                    (chain, seq) = (marked, Some(of_chain));
                    after
                }
                Part::Token(token) => token.split_from(rest)?.1,
            };
        }
        let is_end = rest.is_empty() || (self.has_ext && is_ext(rest));
        is_end.then_some((chain, seq))
    }
}

/// A chain's name, a dot and a seq at the beginning of `text`; and what follows.
fn split_mark(text: &str) -> Option<(ChainName, u64, &str)> {
    let (name, rest) = text.split_once('.')?;
    let chain = ChainName::parse(name).ok()?;
    let (seq, rest) = split_seq(rest)?;
    Some((chain, seq, rest))
}

fn split_seq(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = text.split_at_checked(SEQ_DIGITS)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { Some((digits.parse().ok()?, rest)) } else { None }
}

/// Whether `text` can be an `{ext}`: a letter follows the dot.
fn is_ext(text: &str) -> bool {
    text.strip_prefix('.')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site_beside(template: &str, key: &str) -> Option<String> {
        let table = TableName::parse("COSMOS.LEVEL1_T").unwrap();
        let template = KeyTemplate::parse(template).unwrap();
        template.site_beside(&table, key).map(|site| site.to_string())
    }

    #[test]
    fn a_stranger_is_known_by_its_folder() {
        let template = "raw/{site}/{live_table}/x-{seq}-y{ext}";
        for key in ["raw/ALIC1/T/readme.txt", "raw/ALIC1/T/7.json", "raw/ALIC1/T/x-00000000000000000007.json"]
        {
            assert_eq!(site_beside(template, key).as_deref(), Some("ALIC1"), "{key}");
        }
        let ours = "raw/ALIC1/T/x-00000000000000000007-y.json";
        let late = "raw/ALIC1/T/x-late.00000000000000000007-y.json";
        for key in
            [ours, late, "raw/ALIC1/U/readme.txt", "raw/A B/T/x", "raw/ALIC1/T", "raw/ALIC1/T/deep/x", ""]
        {
            assert_eq!(site_beside(template, key), None, "{key}");
        }
    }

    #[test]
    fn a_stranger_among_dates_is_known_by_its_site() {
        let of = |key: &str| site_beside("hive", key);
        assert_eq!(of("dataset=T/site=ALIC1/date=2025-01-02/readme.txt").as_deref(), Some("ALIC1"));
        assert_eq!(of("dataset=T/site=ALIC1/_SUCCESS").as_deref(), Some("ALIC1"));
        assert_eq!(of("dataset=T/site=ALIC1/date=2025-01-02/00000000000000000007.ndjson"), None);
        assert_eq!(of("dataset=U/site=ALIC1/_SUCCESS"), None);
    }
}
