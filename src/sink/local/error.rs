//! What an error of the file system means for the one who runs the daemon.

use std::io;
use std::path::Path;

use crate::sink::SinkError;

/// Numbers that have no [`io::ErrorKind`] of their own; the same on every Unix.
const EPERM: i32 = 1;
const EIO: i32 = 5;

/// Says that `action` failed on `path`, and what follows from it.
pub(super) fn explain(action: &str, path: &Path, error: &io::Error) -> SinkError {
    use io::ErrorKind as Kind;
    let what = format!("cannot {action} {}: {error}", path.display());
    // After a failed fsync the kernel may call the lost pages clean, so a second try proves nothing.
    if error.raw_os_error() == Some(EIO) {
        return SinkError::Fatal(format!("{what}; the disk fails, check it before livecosmos starts again"));
    }
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => {
            SinkError::Away(format!("{what}; make room on its disk, nothing is lost meanwhile"))
        }
        Kind::PermissionDenied => SinkError::Denied(format!(
            "{what}; let the user that runs livecosmos write to the folder and all that is in it"
        )),
        Kind::ReadOnlyFilesystem => {
            SinkError::Fatal(format!("{what}; mount it writable or choose another folder"))
        }
        Kind::InvalidFilename => SinkError::Refused(format!("{what}; shorten the key template")),
        Kind::NotADirectory | Kind::IsADirectory => {
            SinkError::Fatal(format!("{what}; move what has this name out of the way"))
        }
        _ => SinkError::Retry(what),
    }
}

/// As [`explain`], for the calls a file system may lack.
pub(super) fn explain_lock_or_link(action: &str, path: &Path, error: &io::Error) -> SinkError {
    // EPERM is what Linux answers to a link where there are none, as on FAT.
    if error.raw_os_error() == Some(EPERM) || error.kind() == io::ErrorKind::Unsupported {
        return SinkError::Fatal(format!(
            "cannot {action} {}: {error}; choose a folder on a file system with hard links and file locks",
            path.display()
        ));
    }
    explain(action, path, error)
}

/// Says that the sink's own files are gone, which a probe had made.
pub(super) fn not_prepared(root: &Path) -> SinkError {
    SinkError::Away(format!(
        "folder {} has no .livecosmos in it; mount its disk again, or restart livecosmos to begin it anew",
        root.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(raw: i32) -> SinkError {
        explain("write", Path::new("/srv/x"), &io::Error::from_raw_os_error(raw))
    }

    #[test]
    fn an_error_is_told_by_what_must_be_done() {
        for full in [28, 122] {
            assert!(matches!(explained(full), SinkError::Away(message) if message.contains("make room")));
        }
        assert!(matches!(explained(13), SinkError::Denied(_)), "EACCES");
        assert!(matches!(explained(30), SinkError::Fatal(_)), "EROFS");
        assert!(matches!(explained(5), SinkError::Fatal(_)), "EIO");
        assert!(matches!(explained(36), SinkError::Refused(_)), "ENAMETOOLONG");
        assert!(matches!(explained(20), SinkError::Fatal(_)), "ENOTDIR");
        assert!(matches!(explained(24), SinkError::Retry(_)), "EMFILE");
    }

    #[test]
    fn a_file_system_without_links_is_named_as_such() {
        let error = explain_lock_or_link("link", Path::new("/fat/x"), &io::Error::from_raw_os_error(1));
        assert!(matches!(error, SinkError::Fatal(message) if message.contains("hard links")));
    }
}
