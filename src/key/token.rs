//! What may stand in a key template, and how it is spelled.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use livecosmos_state::{Cursor, SiteId, TableName, Time};
use md5::{Digest as _, Md5};

use super::{Content, Named, Partition, SEQ_DIGITS, live_table};
use crate::sink::hex;

/// Text as it stands, or a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(Box<str>),
    Token(Token),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Site,
    Table,
    LiveTable,
    Chain,
    Seq,
    From,
    FromMs,
    To,
    ToMs,
    First,
    Last,
    Date,
    Year,
    Month,
    Day,
    Hour,
    Md5,
    Sha256,
    Ext,
}

pub(super) const TOKENS: [(&str, Token); 19] = [
    ("site", Token::Site),
    ("table", Token::Table),
    ("live_table", Token::LiveTable),
    ("chain", Token::Chain),
    ("seq", Token::Seq),
    ("from", Token::From),
    ("from_ms", Token::FromMs),
    ("to", Token::To),
    ("to_ms", Token::ToMs),
    ("first", Token::First),
    ("last", Token::Last),
    ("date", Token::Date),
    ("year", Token::Year),
    ("month", Token::Month),
    ("day", Token::Day),
    ("hour", Token::Hour),
    ("md5", Token::Md5),
    ("sha256", Token::Sha256),
    ("ext", Token::Ext),
];

/// The longest time or place in a file, in a key.
const VALUE_BYTES_MAX: usize = 40;

impl Token {
    pub(super) fn name(self) -> &'static str {
        TOKENS.iter().find(|(_, token)| *token == self).map_or("", |(name, _)| name)
    }

    /// Whether all keys of a chain agree in it.
    pub(super) fn is_of_chain(self) -> bool {
        matches!(self, Self::Site | Self::Table | Self::LiveTable | Self::Chain)
    }

    /// Whether the chain before an object decides it, whatever rows the object has.
    pub(super) fn is_decided(self) -> bool {
        self.is_of_chain() || matches!(self, Self::Seq | Self::From | Self::FromMs | Self::Ext)
    }

    pub(super) fn is_digest(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha256)
    }

    /// Whether it tells when the rows are.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::From | Self::FromMs | Self::To | Self::ToMs | Self::First | Self::Last)
    }

    /// The part of time that it names.
    pub(super) fn partition(self) -> Option<Partition> {
        match self {
            Self::Hour => Some(Partition::Hour),
            Self::Day | Self::Date => Some(Partition::Day),
            Self::Month => Some(Partition::Month),
            Self::Year => Some(Partition::Year),
            _ => None,
        }
    }

    /// Length of its value, where all its values have one.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Self::Seq => Some(SEQ_DIGITS),
            Self::Date => Some("2025-01-02".len()),
            Self::Year => Some(4),
            Self::Month | Self::Day | Self::Hour => Some(2),
            Self::Md5 => Some(32),
            Self::Sha256 => Some(64),
            _ => None,
        }
    }

    pub(super) fn bytes_max(self) -> usize {
        self.width().unwrap_or(VALUE_BYTES_MAX)
    }

    /// The value at the beginning of `text`, and what follows it.
    pub(super) fn split_from(self, text: &str) -> Option<(&str, &str)> {
        let fits = |byte: u8| match self {
            Self::Date => byte.is_ascii_digit() || byte == b'-',
            Self::Year | Self::Month | Self::Day | Self::Hour => byte.is_ascii_digit(),
            Self::Md5 | Self::Sha256 => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            _ => byte.is_ascii_alphanumeric(),
        };
        let sign = usize::from(self.width().is_none() && text.starts_with('-'));
        let run = || sign + text[sign..].bytes().take_while(|byte| fits(*byte)).count();
        let (value, rest) = text.split_at_checked(self.width().unwrap_or_else(run))?;
        (value.len() > sign && value[sign..].bytes().all(fits)).then_some((value, rest))
    }

    /// Its value; without the object's content, what depends on that stays a token.
    pub(super) fn spell(self, named: &Named<'_>) -> String {
        let Named { site, table, chain, seq, ext, content } = named;
        match (self, content) {
            (Self::Seq, _) => format!("{seq:0SEQ_DIGITS$}"),
            (Self::Ext, _) => (*ext).to_owned(),
            (Self::Chain, _) => chain.to_string(),
            (token, _) if token.is_of_chain() => token.spell_static(table, site).to_owned(),
            (token, Some(content)) => token.spell_content(content),
            (token, None) => format!("{{{}}}", token.name()),
        }
    }

    /// The value that all chains of a site agree in.
    pub(super) fn spell_static<'a>(self, table: &'a TableName, site: &'a SiteId) -> &'a str {
        match self {
            Self::Site => site.as_str(),
            Self::Table => table.in_source(),
            _ => live_table(table),
        }
    }

    fn spell_content(self, content: &Content<'_>) -> String {
        let Content { from, to, first, last, bytes } = *content;
        match self {
            Self::From => spell_cursor(from),
            Self::FromMs => match from {
                Cursor::Row { time, .. } => spell_ms(*time),
                from => spell_cursor(from),
            },
            Self::To => spell_cursor(to),
            Self::ToMs => spell_ms(last),
            Self::First => spell_time(first),
            Self::Last => spell_time(last),
            Self::Md5 => hex(&Md5::digest(bytes)),
            Self::Sha256 => hex(digest(&SHA256, bytes).as_ref()),
            token => token.spell_partition(first),
        }
    }

    /// The partition of `time`, which is UTC.
    pub(super) fn spell_partition(self, time: Time) -> String {
        let at = civil(time);
        match self {
            Self::Date => format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day()),
            Self::Year => format!("{:04}", at.year()),
            Self::Month => format!("{:02}", at.month()),
            Self::Day => format!("{:02}", at.day()),
            _ => format!("{:02}", at.hour()),
        }
    }
}

/// Date and time of day, UTC. What lies before the year 0 counts to its beginning: a key has no place for a sign.
pub(super) fn civil(time: Time) -> DateTime {
    let first = jiff::civil::date(0, 1, 1).at(0, 0, 0, 0);
    let at = jiff::Timestamp::from_second(time.seconds).map(|at| at.to_zoned(TimeZone::UTC).datetime());
    at.map_or(first, |at| at.max(first))
}

/// Milliseconds since 1970, UTC.
pub(super) fn spell_ms(time: Time) -> String {
    (time.seconds * 1_000 + i64::from(time.nanos / 1_000_000)).to_string()
}

/// `20250102T030405Z`, with three, six or nine digits more before the `Z` where the time has them.
fn spell_time(time: Time) -> String {
    let fraction = match time.nanos {
        0 => String::new(),
        nanos if nanos % 1_000_000 == 0 => format!("{:03}", nanos / 1_000_000),
        nanos if nanos % 1_000 == 0 => format!("{:06}", nanos / 1_000),
        nanos => format!("{nanos:09}"),
    };
    format!("{}{fraction}Z", spell_seconds(time))
}

pub(super) fn spell_seconds(time: Time) -> String {
    civil(time).strftime("%Y%m%dT%H%M%S").to_string()
}

/// A row's time; `start`; or a file's identity and an offset in it, `f0123456789abcdefx42`.
fn spell_cursor(cursor: &Cursor) -> String {
    match cursor {
        Cursor::Start => "start".to_owned(),
        Cursor::Row { time, .. } => spell_time(*time),
        Cursor::File { file, offset } => format!("f{:016x}x{offset}", file.0),
    }
}
