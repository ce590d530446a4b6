//! What is wrong with one file: it stops this file alone.

use std::io;
use std::path::Path;

use crate::source::SourceError;

/// A fault of one file, kept as long as the file does not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    kind: Kind,
    /// What and the remedy; the path goes before it.
    what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Config,
    Unavailable,
    Denied,
}

impl Fault {
    /// The file does not fit the configuration.
    pub(super) fn config(what: impl Into<String>) -> Self {
        Self { kind: Kind::Config, what: what.into() }
    }

    /// The file could not be opened or read.
    pub(super) fn reading(error: io::Error) -> Self {
        let (kind, remedy) = match error.kind() {
            io::ErrorKind::PermissionDenied => (Kind::Denied, "give this user the right to read it"),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                (Kind::Unavailable, "its compressed data is damaged; write the file again or move it away")
            }
            _ => (Kind::Unavailable, "it is tried again at the next poll"),
        };
        Self { kind, what: format!("cannot be read: {error}; {remedy}") }
    }

    /// Whether the file has to change before this goes away; else it is worth another try as it is.
    pub(super) fn is_lasting(&self) -> bool {
        self.kind == Kind::Config
    }

    /// The sentence for people.
    pub(super) fn message(&self, path: &Path) -> String {
        format!("{} {}", path.display(), self.what)
    }

    /// The fault as the source's error.
    pub(super) fn into_error(self, path: &Path) -> SourceError {
        let message = self.message(path);
        match self.kind {
            Kind::Config => SourceError::Config(message),
            Kind::Unavailable => SourceError::Unavailable(message),
            Kind::Denied => SourceError::Denied(message),
        }
    }
}
