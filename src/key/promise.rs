//! What a key template promises, told by its tokens.

use std::fmt;

use super::token::Token;
use super::{KeyTemplate, PRESETS};

/// Whether each row is stored once, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// It is: the chain decides each key, and the sink lets one writer through.
    Always,
    /// It is, but for two writers that are at work at the same time: the rows decide this token.
    OneWriter(&'static str),
    /// It is after crashes; a state that went back to an older one may send rows again, as no place in a
    /// chain can be read from a key that has this token and no `{seq}`.
    AfterCrashes(&'static str),
}

impl KeyTemplate {
    /// What the template promises.
    #[must_use]
    pub fn promise(&self) -> Promise {
        match self.tokens().find(|token| !token.is_decided()).map(Token::name) {
            None => Promise::Always,
            Some(name) if self.has_seq() => Promise::OneWriter(name),
            Some(name) => Promise::AfterCrashes(name),
        }
    }

    /// Whether the chain before an object decides its key, whatever rows the object has.
    #[must_use]
    pub fn is_decided_by_chain(&self) -> bool {
        self.promise() == Promise::Always
    }

    /// The name of the preset, if it is one.
    #[must_use]
    pub fn preset(&self) -> Option<&'static str> {
        PRESETS.iter().find(|(_, text)| **text == *self.text).map(|(name, _)| *name)
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str(
                "every row once, also after a lost or an older state and with two daemons: the chain decides \
                 each key",
            ),
            Self::OneWriter(token) => write!(
                f,
                "every row once, also after a lost or an older state; {{{token}}} follows from the rows, so two \
                 daemons at work at the same time are not kept apart"
            ),
            Self::AfterCrashes(token) => write!(
                f,
                "every row once after crashes, at least once after a lost or an older state: keys have \
                 {{{token}}} and no {{seq}}"
            ),
        }
    }
}
