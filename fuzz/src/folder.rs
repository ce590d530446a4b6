//! A folder for the files that a check needs, made once for each thread.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().expect("a temporary folder can be made");
}

/// Where a file of that name lies.
pub(crate) fn path(name: &str) -> PathBuf {
    FOLDER.with(|folder| folder.path().join(name))
}

/// Makes a file of `content` anew: another file than the one that had its name.
pub(crate) fn put(path: &Path, content: &[u8]) {
    let _ = std::fs::remove_file(path);
    File::create_new(path).and_then(|mut file| file.write_all(content)).expect("a file can be written");
}

/// Appends to a file.
pub(crate) fn append(path: &Path, content: &[u8]) {
    let file = File::options().append(true).open(path);
    file.and_then(|mut file| file.write_all(content)).expect("a file can be written");
}
