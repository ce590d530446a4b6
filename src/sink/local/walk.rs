//! Lists keys in byte order, as an object store would.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::error::explain;
use crate::sink::{SinkError, key};

/// Keys below `root` that start with `prefix` and are not below `from`, at most `keys_max`.
///
/// Holds at most `keys_max` names of files and the names of the folders of one branch. A name that is no
/// UTF-8 is no key, and is passed over.
pub(super) fn keys(root: &Path, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
    let mut walk = Walk { root, prefix, from, keys_max, keys: Vec::new() };
    walk.folder("")?;
    Ok(walk.keys)
}

struct Walk<'a> {
    root: &'a Path,
    prefix: &'a str,
    from: &'a str,
    keys_max: usize,
    keys: Vec<String>,
}

impl Walk<'_> {
    /// Adds the keys in `folder`, which is empty or ends with a slash.
    fn folder(&mut self, folder: &str) -> Result<(), SinkError> {
        for name in self.names(folder)? {
            if self.keys.len() == self.keys_max {
                break;
            }
            if name.ends_with('/') { self.folder(&name)? } else { self.keys.push(name) }
        }
        Ok(())
    }

    /// What is in `folder` and may lead to a key that is asked for, in the order of keys: a folder sorts
    /// with the slash that its keys go on with.
    fn names(&self, folder: &str) -> Result<BTreeSet<String>, SinkError> {
        let path = self.root.join(folder);
        let explain = |error| explain("list", &path, &error);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries.map_err(explain)?,
        };
        let (mut names, mut files) = (BTreeSet::new(), BTreeSet::new());
        for entry in entries {
            let entry = entry.map_err(explain)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let key = format!("{folder}{name}");
            // Follows a symbolic link: a site's folder may have been moved to another disk.
            let is_folder = match entry.file_type().map_err(explain)? {
                kind if kind.is_symlink() => fs::metadata(entry.path()).is_ok_and(|target| target.is_dir()),
                kind => kind.is_dir(),
            };
            if is_folder {
                names.extend(Some(key + "/").filter(|key| self.leads_on(key)));
            } else if key.starts_with(self.prefix) && key.as_str() >= self.from {
                files.insert(key);
                if files.len() > self.keys_max {
                    files.pop_last();
                }
            }
        }
        names.append(&mut files);
        Ok(names)
    }

    fn leads_on(&self, folder: &str) -> bool {
        let reaches = folder.starts_with(self.prefix) || self.prefix.starts_with(folder);
        let late_enough = folder >= self.from || self.from.starts_with(folder);
        reaches && late_enough && !key::is_own(folder)
    }
}
