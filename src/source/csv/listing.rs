//! The paths that the configuration names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::source::SourceError;

/// A path, or a pattern that several paths match.
#[derive(Debug)]
pub(super) struct Listing {
    path: PathBuf,
    is_pattern: bool,
}

impl Listing {
    /// Checks a pattern; looks at no file.
    pub(super) fn new(path: &Path) -> Result<Self, SourceError> {
        let text = path.to_string_lossy();
        let is_pattern = text.contains(['*', '?', '[']);
        if is_pattern && let Err(error) = Pattern::new(&text) {
            let message = format!("path \"{text}\" is no pattern: {error}; mend it under [source]");
            return Err(SourceError::Config(message));
        }
        Ok(Self { path: path.to_owned(), is_pattern })
    }

    /// The paths there are, by name. A file whose name looks like a pattern is that file.
    pub(super) fn list(&self) -> BTreeSet<PathBuf> {
        if !self.is_pattern || self.path.exists() {
            return BTreeSet::from([self.path.clone()]);
        }
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let matches = glob::glob_with(&self.path.to_string_lossy(), options);
        let is_file = |path: &PathBuf| !path.is_dir();
        matches.map_or_else(|_| BTreeSet::new(), |paths| paths.flatten().filter(is_file).collect())
    }
}
