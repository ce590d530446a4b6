//! A clock that is set while programs run, by Debian's libfaketime: what the calendar says changes, what a
//! clock on the wall cannot change goes on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::daemon::Livecosmos;

/// What programs that go by such a clock share, under names of their ids: one that is killed leaves it behind,
/// and the next of that id would not start.
const SHARED: &str = "/dev/shm";
const SHARED_NAMES: [&str; 2] = ["faketime_shm_", "sem.faketime_sem_"];

/// A clock that can be set.
pub struct Clock {
    library: PathBuf,
    folder: TempDir,
}

impl Clock {
    /// Right at first; or nothing, where the library is missing.
    #[allow(clippy::print_stdout, reason = "says what was skipped; some test binaries allow it anyway")]
    pub fn right() -> Option<Self> {
        let folders = Command::new("sh").args(["-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"]).output();
        let found = folders.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let library = found.unwrap_or_default().lines().next().map(PathBuf::from);
        if library.is_none() {
            println!("skipped: there is no libfaketime to set a clock with (Debian: faketime)");
        }
        sweep();
        let clock = Self { library: library?, folder: tempfile::tempdir().expect("a temporary folder") };
        // A server does not run as whoever tests it.
        let all_may_read = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(clock.folder.path(), all_may_read).expect("a folder of ours");
        clock.set("+0");
        Some(clock)
    }

    /// Sets it to `step` from the true time, at once: no program ever reads half of it.
    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    pub fn set(&self, step: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{step}\n")).expect("room for a file");
        std::fs::rename(new, self.file()).expect("a file in a temporary folder");
    }

    /// The environment of a program that goes by it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let (library, file) = (self.library.display().to_string(), self.file().display().to_string());
        let variables = [
            ("LD_PRELOAD", &*library),
            ("FAKETIME_TIMESTAMP_FILE", &*file),
            ("FAKETIME_NO_CACHE", "1"),
            // Setting a clock does not change how long the machine has been up.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            // Nor what disks say.
            ("NO_FAKE_STAT", "1"),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// A run that goes by it.
    pub fn over(&self, run: Livecosmos) -> Livecosmos {
        self.environment().into_iter().fold(run, |run, (name, value)| run.env(name, value))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        sweep();
    }
}

/// Removes what programs left behind that have ended.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(SHARED) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let id = SHARED_NAMES.iter().find_map(|begin| name.strip_prefix(begin)?.parse::<u32>().ok());
        if id.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            // Another test may have been faster.
            let _ = std::fs::remove_file(path);
        }
    }
}
