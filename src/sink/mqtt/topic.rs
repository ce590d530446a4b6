//! Topics: literal text and what is put into it for each batch.

use std::fmt;

use crate::key::live_table;
use crate::sink::Facts;

/// By MQTT, in both versions.
const TOPIC_BYTES_MAX: usize = 65_535;
const DEFAULT: &str = "livecosmos/{table}/{site}";

/// Where batches are published; checked once, in [`Topic::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    text: Box<str>,
    parts: Box<[Part]>,
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
    Instance,
}

const TOKENS: [(&str, Token); 6] = [
    ("site", Token::Site),
    ("table", Token::Table),
    ("live_table", Token::LiveTable),
    ("chain", Token::Chain),
    ("seq", Token::Seq),
    ("instance", Token::Instance),
];

impl Topic {
    /// Reads a template.
    ///
    /// # Errors
    /// A message with its remedy after a semicolon.
    pub fn parse(text: &str) -> Result<Self, String> {
        check_literal(text)?;
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| {
                format!("topic '{text}' has a brace without a partner; write tokens as {{site}}")
            })?;
            let token = TOKENS.iter().find(|(known, _)| *known == name).map(|(_, token)| *token);
            let token = token.ok_or_else(|| {
                let known = TOKENS.map(|(name, _)| format!("{{{name}}}")).join(", ");
                format!("topic '{text}' has the unknown token '{{{name}}}'; known are {known}")
            })?;
            parts.extend([Part::Literal(before.into()), Part::Token(token)]);
            rest = after;
        }
        parts.push(Part::Literal(rest.into()));
        Ok(Self { text: text.into(), parts: parts.into() })
    }

    /// Where the batch of these facts is published.
    #[must_use]
    pub fn of(&self, facts: &Facts) -> String {
        let part = |part: &Part| match part {
            Part::Literal(text) => text.to_string(),
            Part::Token(Token::Site) => facts.site.to_string(),
            Part::Token(Token::Table) => facts.table.to_string(),
            Part::Token(Token::LiveTable) => live_table(&facts.table).to_owned(),
            Part::Token(Token::Chain) => facts.chain.to_string(),
            Part::Token(Token::Seq) => facts.seq.to_string(),
            Part::Token(Token::Instance) => facts.instance.clone(),
        };
        // A table's name may hold what stands for any topic.
        self.parts.iter().map(part).collect::<String>().replace(['#', '+'], "_")
    }

    /// Whether each site has a topic of its own: what is wrong with one need not be wrong with others.
    #[must_use]
    pub fn is_of_one_site(&self) -> bool {
        self.parts.contains(&Part::Token(Token::Site))
    }
}

/// Refuses what no topic can hold, before anything is put into it.
pub(crate) fn check_literal(text: &str) -> Result<(), String> {
    let why = if text.is_empty() {
        "is empty"
    } else if text.len() > TOPIC_BYTES_MAX {
        "is longer than MQTT allows"
    } else if text.contains(['#', '+']) {
        "has a wildcard, to which nobody can publish"
    } else if text.chars().any(char::is_control) {
        "holds a control character"
    } else {
        return Ok(());
    };
    Err(format!("topic '{}' {why}; use names with slashes between them", text.escape_debug()))
}

impl Default for Topic {
    fn default() -> Self {
        let site =
            [Part::Literal("livecosmos/".into()), Part::Token(Token::Table), Part::Literal("/".into())];
        let parts = site.into_iter().chain([Part::Token(Token::Site), Part::Literal("".into())]).collect();
        Self { text: DEFAULT.into(), parts }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_it_says() {
        assert_eq!(Topic::parse(DEFAULT).unwrap(), Topic::default());
    }

    #[test]
    fn what_cannot_be_published_to_is_refused_with_a_remedy() {
        for (text, words) in [
            ("", "is empty"),
            ("rows/#", "wildcard"),
            ("rows/+/x", "wildcard"),
            ("a\0b", "control character"),
            ("{site", "without a partner"),
            ("{sight}", "known are {site}, {table}"),
        ] {
            let message = Topic::parse(text).unwrap_err();
            assert!(message.contains(words) && message.contains("; "), "{message}");
        }
    }
}
