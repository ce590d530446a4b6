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

impl From<io::Error> for Fault {
    /// The file could not be opened or read.
    fn from(error: io::Error) -> Self {
        let (kind, remedy) = match error.kind() {
            io::ErrorKind::PermissionDenied => (Kind::Denied, "give this user the right to read it"),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                (Kind::Unavailable, "its compressed data is damaged; write the file again or move it away")
            }
            _ => (Kind::Unavailable, "it is tried again at the next poll"),
        };
        Self { kind, what: format!("cannot be read: {error}; {remedy}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_must_not_be_read_is_a_matter_of_rights() {
        let fault = Fault::from(io::Error::from(io::ErrorKind::PermissionDenied));
        let error = fault.into_error(Path::new("/data/x.csv"));
        assert!(matches!(error, SourceError::Denied(_)));
        assert_eq!(
            error.to_string(),
            "/data/x.csv cannot be read: permission denied; give this user the right to read it"
        );
    }

    #[test]
    fn a_disk_that_fails_is_worth_another_try() {
        let fault = Fault::from(io::Error::from(io::ErrorKind::TimedOut));
        assert!(!fault.is_lasting());
        assert!(matches!(fault.into_error(Path::new("x.csv")), SourceError::Unavailable(_)));
    }
}
