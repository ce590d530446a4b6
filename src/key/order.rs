//! Where the keys of a chain are found in a listing.

use livecosmos_state::{ChainName, SiteId, TableName, Time};

use super::token::{Part, Token, spell_ms, spell_seconds};
use super::{KeyTemplate, SEQ_DIGITS, chain_mark};

/// Milliseconds of as many digits sort as numbers do: from 2001 to 2286.
const SORTED_MS: std::ops::Range<i64> = 1_000_000_000_000..10_000_000_000_000;
/// Dates of the years that have four digits sort as they follow each other: so many seconds, from 0001 to 9999.
const SORTED_DATES_S: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;

impl KeyTemplate {
    /// Whether the keys of a chain follow each other as its objects do: nothing that changes stands before `{seq}`.
    #[must_use]
    pub fn is_listed_by_seq(&self) -> bool {
        self.rest.first() == Some(&Part::Token(Token::Seq))
    }

    /// What the keys of one chain start with, where it is listed by seq. On the live chain those of other
    /// chains do so too: [`KeyTemplate::seq_of`] tells them apart.
    #[must_use]
    pub fn prefix(&self, site: &SiteId, table: &TableName, chain: &ChainName) -> String {
        let mut prefix = self.head_of(site, table, chain);
        if *chain != ChainName::LIVE && self.is_listed_by_seq() {
            prefix.push_str(&chain_mark(chain));
        }
        prefix
    }

    /// The key as far as its seq, where chains are listed by seq.
    #[must_use]
    pub fn stem(&self, site: &SiteId, table: &TableName, chain: &ChainName, seq: u64) -> String {
        format!("{}{seq:0SEQ_DIGITS$}", self.prefix(site, table, chain))
    }

    /// What the keys of all chains of a site start with; of all sites of the table, without one.
    #[must_use]
    pub fn common_prefix(&self, table: &TableName, site: Option<&SiteId>) -> String {
        let mut prefix = String::new();
        for part in &self.head {
            prefix.push_str(match (part, site) {
                (Part::Literal(text), _) => text,
                (Part::Token(Token::Site), None) | (Part::Token(Token::Chain), _) => break,
                (Part::Token(token), Some(site)) => token.spell_static(table, site),
                (Part::Token(Token::Table), None) => table.in_source(),
                (Part::Token(_), None) => super::live_table(table),
            });
        }
        prefix
    }

    /// Where the keys of a site's other chains begin: behind those of the live one, unless the template parts
    /// chains, or objects, before `{seq}`.
    #[must_use]
    pub fn beside(&self, table: &TableName, site: &SiteId) -> String {
        if self.head.contains(&Part::Token(Token::Chain)) || !self.is_listed_by_seq() {
            return self.common_prefix(table, Some(site));
        }
        self.stem(site, table, &ChainName::LIVE, u64::MAX)
    }

    /// A key below which there is no object of seq `seq` or later, on any chain of the site, with a row at or
    /// behind `at`; `None` where keys do not tell so before they tell anything else.
    ///
    /// The time must stand first of all that changes, and the coarser before the finer, so that keys of
    /// later times are listed later.
    #[must_use]
    pub fn bound(&self, table: &TableName, site: &SiteId, at: Time, seq: u64) -> Option<String> {
        if self.head.contains(&Part::Token(Token::Chain)) || !SORTED_DATES_S.contains(&at.seconds) {
            return None;
        }
        let mut bound = self.head_of(site, table, &ChainName::LIVE);
        let mut named = None;
        for part in &self.rest {
            match part {
                Part::Literal(text) => bound.push_str(text),
                Part::Token(token @ (Token::Date | Token::Year)) if named.is_none() => {
                    bound.push_str(&token.spell_partition(at));
                    named = Some(*token);
                }
                Part::Token(token) if follows(*token, named) => {
                    bound.push_str(&token.spell_partition(at));
                    named = Some(*token);
                }
                Part::Token(Token::ToMs) if named.is_none() => {
                    let milliseconds = spell_ms(at);
                    bound.push_str(&milliseconds);
                    return milliseconds.parse().is_ok_and(|ms| SORTED_MS.contains(&ms)).then_some(bound);
                }
                Part::Token(Token::Last) if named.is_none() => {
                    bound.push_str(&spell_seconds(at));
                    return Some(bound);
                }
                Part::Token(Token::Seq) if named.is_some() => {
                    return Some(format!("{bound}{seq:0SEQ_DIGITS$}"));
                }
                Part::Token(_) => break,
            }
        }
        named.map(|_| bound)
    }
}

/// Whether a part of time is the next finer one behind what was named.
fn follows(token: Token, named: Option<Token>) -> bool {
    matches!(
        (named, token),
        (Some(Token::Year), Token::Month)
            | (Some(Token::Month), Token::Day)
            | (Some(Token::Day | Token::Date), Token::Hour)
    )
}
