//! Rows that cannot be sent, kept readable with the reason: one JSON object a line.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use livecosmos_state::{TableName, Time};
use serde::{Deserialize, Serialize};

use crate::source::Reject;

/// The file of a table grows to this at most.
const QUARANTINE_BYTES_MAX: u64 = 64 << 20;
/// Of a row, this much is kept.
const ROW_BYTES_MAX: usize = 64 << 10;

/// A table's rejected rows. A row that is read again, after a crash or for a site that failed, is
/// kept once.
///
/// After a disk failed to make them durable, what it holds is not known: nothing more is kept, and
/// [`Quarantine::sync`] fails, until the quarantine is opened again. The file is cut back to what was
/// durable before, so that the rows behind it are kept anew then.
#[derive(Debug)]
pub struct Quarantine {
    path: PathBuf,
    file: Option<File>,
    known: HashSet<Box<str>>,
    bytes: u64,
    /// What is left of the file when a sync fails.
    bytes_synced: u64,
    unsynced: bool,
    /// A sync failed.
    is_broken: bool,
    /// Makes a file durable; tests put a failing disk here.
    sync_file: fn(&File) -> std::io::Result<()>,
}

/// Why a row could not be put into quarantine.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The file system says no.
    #[error("cannot write the quarantine {path}: {error}; rows that cannot be sent are kept there", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The quota is reached.
    #[error(
        "the quarantine {path} has reached its {QUARANTINE_BYTES_MAX} bytes; look at why so many rows cannot be \
         sent, mend it or move the file away, and start again",
        path = path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// An earlier sync failed.
    #[error(
        "the quarantine {path} could not be made durable and is not written any more; check its disk, and start \
         again",
        path = path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Serialize)]
struct Entry<'a> {
    site: Option<&'a str>,
    position: &'a str,
    identity: &'a str,
    reason: &'a str,
    first_seen: String,
    row: &'a str,
}

#[derive(Deserialize)]
struct Known {
    identity: Box<str>,
}

impl Quarantine {
    /// The quarantine of `table` in `dir`; its file is made with the first row.
    ///
    /// # Errors
    /// [`QuarantineError::Io`] when there is a file that cannot be read.
    pub fn open(dir: &Path, table: &TableName) -> Result<Self, QuarantineError> {
        let path = dir.join(format!("{table}.quarantine.ndjson"));
        let mut quarantine = Self {
            path,
            file: None,
            known: HashSet::new(),
            bytes: 0,
            bytes_synced: 0,
            unsynced: false,
            is_broken: false,
            sync_file: File::sync_all,
        };
        match File::open(&quarantine.path) {
            Ok(file) => quarantine.recall(file).map_err(|error| quarantine.failed(error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(quarantine.failed(error)),
        }
        Ok(quarantine)
    }

    /// Keeps a rejected row; durable after the next [`Quarantine::sync`].
    ///
    /// # Errors
    /// [`QuarantineError`]; the row is then not done and its source must not be covered.
    pub fn keep(&mut self, reject: &Reject, now: Time) -> Result<(), QuarantineError> {
        if self.is_broken {
            return Err(self.broken());
        }
        if self.known.contains(reject.identity.as_str()) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&entry(reject, now)).map_err(|error| self.failed(error.into()))?;
        line.push(b'\n');
        if self.bytes + line.len() as u64 > QUARANTINE_BYTES_MAX {
            return Err(QuarantineError::Full { path: self.path.clone() });
        }
        tracing::warn!(position = %reject.position, reason = %reject.reason, quarantine = %self.path.display(),
            "row put into quarantine");
        self.append(&line).map_err(|error| self.failed(error))?;
        self.known.insert(reject.identity.as_str().into());
        Ok(())
    }

    /// Makes durable what was kept.
    ///
    /// # Errors
    /// [`QuarantineError::Io`] the first time, and [`QuarantineError::Broken`] from then on.
    pub fn sync(&mut self) -> Result<(), QuarantineError> {
        if self.is_broken {
            return Err(self.broken());
        }
        if !self.unsynced {
            return Ok(());
        }
        let synced = match &self.file {
            Some(file) => (self.sync_file)(file),
            None => File::open(&self.path).and_then(|file| (self.sync_file)(&file)),
        };
        if let Err(error) = synced.and_then(|()| sync_parent(&self.path)) {
            self.give_up();
            return Err(self.failed(error));
        }
        self.bytes_synced = self.bytes;
        self.unsynced = false;
        Ok(())
    }

    /// Whether all rows that were kept are durable.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        !self.unsynced && !self.is_broken
    }

    /// After a failed sync the system may drop what it could not write and still show it: a second sync
    /// would succeed, and a later look find rows that a power cut takes away. So they are cut off.
    fn give_up(&mut self) {
        self.is_broken = true;
        self.file = None;
        let cut = OpenOptions::new().write(true).open(&self.path);
        if let Err(error) = cut.and_then(|file| file.set_len(self.bytes_synced)) {
            tracing::error!(quarantine = %self.path.display(), %error, bytes = self.bytes_synced,
                "cannot cut the quarantine back to what is durable");
        }
    }

    fn recall(&mut self, file: File) -> std::io::Result<()> {
        self.bytes = file.metadata()?.len();
        self.bytes_synced = self.bytes;
        // Rows that a killed process kept may not be on the disk yet, and count as kept from here on.
        self.unsynced = self.bytes > 0;
        for line in BufReader::new(file).split(b'\n') {
            // A line torn by a crash is no entry: its row is kept again.
            if let Ok(Known { identity }) = serde_json::from_slice(&line?) {
                self.known.insert(identity);
            }
        }
        Ok(())
    }

    fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open_for_append()?,
        };
        self.unsynced = true;
        file.write_all(line)?;
        self.bytes += line.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    /// Ends a torn last line, so that the next entry begins on one of its own.
    fn open_for_append(&mut self) -> std::io::Result<File> {
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path)?;
        self.bytes = file.metadata()?.len();
        if ends_torn(&file, self.bytes)? {
            file.write_all(b"\n")?;
            self.bytes += 1;
        }
        Ok(file)
    }

    fn broken(&self) -> QuarantineError {
        QuarantineError::Broken { path: self.path.clone() }
    }

    fn failed(&self, error: std::io::Error) -> QuarantineError {
        QuarantineError::Io { path: self.path.clone(), error }
    }
}

fn entry(reject: &Reject, now: Time) -> Entry<'_> {
    let mut end = reject.row.len().min(ROW_BYTES_MAX);
    while !reject.row.is_char_boundary(end) {
        end -= 1;
    }
    Entry {
        site: reject.site.as_deref(),
        position: &reject.position,
        identity: &reject.identity,
        reason: &reject.reason,
        first_seen: now.to_string(),
        row: &reject.row[..end],
    }
}

fn ends_torn(file: &File, bytes: u64) -> std::io::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(identity: &str, row: &str) -> Reject {
        Reject {
            site: Some("ALIC1".to_owned()),
            position: format!("file T.csv, {identity}"),
            identity: identity.to_owned(),
            reason: "its time is \"never\"; mend the line".to_owned(),
            row: row.to_owned(),
        }
    }

    fn now() -> Time {
        Time::new(1_735_689_600, 0).unwrap()
    }

    /// A quarantine in a folder of its own.
    struct Kept {
        folder: tempfile::TempDir,
    }

    impl Kept {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn open(&self) -> Quarantine {
            Quarantine::open(self.folder.path(), &TableName::parse("T").unwrap()).unwrap()
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("T.quarantine.ndjson")
        }

        fn text(&self) -> String {
            std::fs::read_to_string(self.path()).unwrap()
        }

        #[expect(clippy::disallowed_methods, reason = "a test's own file, as a crash left it")]
        fn write(&self, text: &str) {
            std::fs::write(self.path(), text).unwrap();
        }

        /// The identities of the lines that are whole.
        fn identities(&self) -> Vec<String> {
            let identity = |line| Some(serde_json::from_str::<Known>(line).ok()?.identity.into());
            self.text().lines().filter_map(identity).collect()
        }
    }

    #[test]
    fn a_row_is_kept_as_one_line_of_json_with_its_reason() {
        let kept = Kept::new();
        let mut quarantine = kept.open();
        assert!(!kept.path().exists(), "the file comes with the first row");
        quarantine.keep(&reject("line 2", "ALIC1,never,\"Ä\n\""), now()).unwrap();
        quarantine.sync().unwrap();
        assert_eq!(
            kept.text(),
            "{\"site\":\"ALIC1\",\"position\":\"file T.csv, line 2\",\"identity\":\"line 2\",\"reason\":\"its time \
             is \\\"never\\\"; mend the line\",\"first_seen\":\"2025-01-01T00:00:00Z\",\"row\":\"ALIC1,never,\\\"Ä\\n\\\"\"}\n"
        );
    }

    #[test]
    fn a_row_that_is_read_again_is_kept_once() {
        let kept = Kept::new();
        for _ in 0..3 {
            let mut quarantine = kept.open();
            for identity in ["a", "b", "a"] {
                quarantine.keep(&reject(identity, "x"), now()).unwrap();
            }
        }
        assert_eq!(kept.identities(), ["a", "b"]);
    }

    #[test]
    fn a_line_torn_by_a_crash_is_closed_and_its_row_kept_again() {
        let kept = Kept::new();
        kept.open().keep(&reject("a", "x"), now()).unwrap();
        let whole = kept.text();
        for (torn, expected) in [
            (format!("{whole}{}", whole.replace("\"a\"", "\"b\"")), ["a", "b", "c"]),
            (whole.replace("\"a\"", "\"b\""), ["b", "a", "c"]),
        ] {
            kept.write(&torn[..torn.len() - 9]);
            let mut quarantine = kept.open();
            for identity in ["a", "b", "c"] {
                quarantine.keep(&reject(identity, "x"), now()).unwrap();
            }
            let found: std::collections::BTreeSet<_> = kept.identities().into_iter().collect();
            assert_eq!(found, expected.map(str::to_owned).into(), "{}", kept.text());
        }
    }

    #[test]
    fn a_first_line_torn_under_an_open_quarantine_is_closed() {
        let kept = Kept::new();
        let mut quarantine = kept.open();
        // As a disk leaves it that is full half-way through the first line.
        kept.write("{\"site\":\"AL");
        quarantine.keep(&reject("a", "x"), now()).unwrap();
        assert_eq!(kept.identities(), ["a"], "{}", kept.text());
    }

    #[test]
    fn opening_it_again_leaves_no_empty_line() {
        let kept = Kept::new();
        for identity in ["a", "b", "c"] {
            kept.open().keep(&reject(identity, "x"), now()).unwrap();
        }
        assert_eq!(kept.text().lines().count(), 3, "{}", kept.text());
    }

    #[test]
    fn past_its_quota_it_takes_no_more_and_says_so() {
        let kept = Kept::new();
        let mut quarantine = kept.open();
        quarantine.keep(&reject("a", &"x".repeat(2 * ROW_BYTES_MAX)), now()).unwrap();
        assert!(kept.text().len() < ROW_BYTES_MAX + 1_000, "a long row is cut");
        quarantine.bytes = QUARANTINE_BYTES_MAX - 10;
        let error = quarantine.keep(&reject("b", "x"), now()).unwrap_err();
        assert!(matches!(error, QuarantineError::Full { .. }), "{error}");
        assert!(quarantine.keep(&reject("a", "x"), now()).is_ok(), "what is kept already needs no room");
        assert_eq!(kept.identities(), ["a"]);
    }

    #[test]
    fn what_was_kept_is_durable_after_a_sync_only() {
        let kept = Kept::new();
        let mut quarantine = kept.open();
        assert!(quarantine.is_synced());
        quarantine.keep(&reject("a", "x"), now()).unwrap();
        assert!(!quarantine.is_synced());
        quarantine.sync().unwrap();
        assert!(quarantine.is_synced());
        drop(quarantine);
        assert!(!kept.open().is_synced(), "a killed process may have left it to the system");
    }

    /// Injected: the disk fails to make the second row durable.
    #[test]
    fn after_a_failed_sync_nothing_counts_as_kept_until_it_is_opened_again() {
        let kept = Kept::new();
        let mut quarantine = kept.open();
        quarantine.keep(&reject("a", "x"), now()).unwrap();
        quarantine.sync().unwrap();
        quarantine.keep(&reject("b", "x"), now()).unwrap();
        quarantine.sync_file = |_| Err(std::io::Error::other("the disk failed"));
        assert!(matches!(quarantine.sync(), Err(QuarantineError::Io { .. })));
        quarantine.sync_file = File::sync_all;
        for _ in 0..3 {
            assert!(matches!(quarantine.sync(), Err(QuarantineError::Broken { .. })));
            assert!(quarantine.keep(&reject("b", "x"), now()).is_err(), "b was taken for kept");
            assert!(!quarantine.is_synced());
        }
        assert_eq!(kept.identities(), ["a"], "what may not be on the disk is still shown");
        let mut quarantine = kept.open();
        quarantine.keep(&reject("b", "x"), now()).unwrap();
        quarantine.sync().unwrap();
        assert_eq!(kept.identities(), ["a", "b"]);
    }

    /// Injected: a disk that was full while a row was written, so that its handle was given up.
    #[test]
    fn a_row_kept_before_a_failed_write_is_synced_all_the_same() {
        let kept = Kept::new();
        let mut quarantine = kept.open();
        quarantine.keep(&reject("a", "x"), now()).unwrap();
        quarantine.file = None;
        quarantine.sync_file = |_| Err(std::io::Error::other("the disk failed"));
        assert!(quarantine.sync().is_err(), "nothing was synced, and that was called durable");
    }
}
