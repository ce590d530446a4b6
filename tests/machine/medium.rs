//! File systems that only a test and its daemon see. They are small, so they can be filled; they can become
//! read-only, and an ext4 can lose its power or meet an error.
//!
//! They are mounted in a mount namespace, which ends with its last process, whatever becomes of the test.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::daemon::Livecosmos;
use crate::support::process::{Process, command};

/// A namespace is made in no time; the rest is for a machine that is busy with a build.
const MADE_WITHIN: Duration = Duration::from_mins(1);
/// What a tmpfs hands out.
const PAGE: [u8; 4096] = [0; 4096];

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`, `fs/ext4/ext4.h` of Linux: from then on nothing
/// reaches the disk, not even what stands in the journal's buffers.
const CUT: &str = "import fcntl, os, struct, sys\n\
                   fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// A small file system in a namespace of its own.
pub(crate) struct Medium {
    /// Sleeps in the namespace, and so keeps it.
    keeper: Process,
    mounted_at: PathBuf,
    /// What `mount` is told.
    mount: Vec<String>,
}

impl Medium {
    /// Memory of `bytes` bytes and `files` files, folders included.
    ///
    /// # Errors
    /// What this machine lacks.
    pub(crate) fn tmpfs(folder: &Path, bytes: u64, files: u32) -> Result<Self, String> {
        let options = format!("size={bytes},nr_inodes={files},mode=0755");
        Self::make(folder, &["-t", "tmpfs", "-o", &options, "none"])
    }

    /// A disk of `bytes` bytes that can lose its power, in an image in `folder`.
    ///
    /// # Errors
    /// What this machine lacks.
    pub(crate) fn ext4(folder: &Path, bytes: u64) -> Result<Self, String> {
        let image = folder.join("medium.img");
        let sized = File::create(&image).and_then(|file| file.set_len(bytes));
        sized.map_err(|error| format!("{}: {error}", image.display()))?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        let options = "loop,errors=remount-ro";
        let mut medium = Self::make(folder, &["-o", options, &image.to_string_lossy()])?;
        // Some kernels and containers lack the ioctl: that is to be known before anything is played.
        medium.cut()?;
        medium.unmount()?;
        medium.mount()?;
        Ok(medium)
    }

    fn make(folder: &Path, mount: &[&str]) -> Result<Self, String> {
        let mounted_at = folder.join("medium");
        std::fs::create_dir(&mounted_at).map_err(|error| format!("{}: {error}", mounted_at.display()))?;
        let mut medium = Self {
            keeper: namespace(folder)?,
            mounted_at,
            mount: mount.iter().map(|&word| word.to_owned()).collect(),
        };
        medium.mount()?;
        Ok(medium)
    }

    /// Where it is mounted, as the daemon has it.
    pub(crate) fn path(&self) -> &Path {
        &self.mounted_at
    }

    /// The same place as the test has it.
    pub(crate) fn seen(&self) -> PathBuf {
        let below = self.mounted_at.strip_prefix("/").expect("an absolute path");
        Path::new("/proc").join(self.keeper.pid().to_string()).join("root").join(below)
    }

    /// The binary, started where it sees the medium.
    pub(crate) fn around(&self, run: Livecosmos) -> Livecosmos {
        let pid = self.keeper.pid().to_string();
        run.under(["/usr/bin/nsenter", "--mount", "--target", &pid])
    }

    /// Mounts it after [`Medium::unmount`]; an ext4 replays its journal.
    pub(crate) fn mount(&mut self) -> Result<(), String> {
        run(self.inside(&["mount"]).args(&self.mount).arg(&self.mounted_at))
    }

    /// Unmounts it. No process may be at work there.
    pub(crate) fn unmount(&mut self) -> Result<(), String> {
        run(self.inside(&["umount"]).arg(&self.mounted_at))
    }

    /// Makes it read-only, or writable again: `ro` or `rw`. Refused while a file is being written.
    pub(crate) fn remount(&self, how: &str) -> Result<(), String> {
        run(self.inside(&["mount", "-o", &format!("remount,{how}")]).arg(&self.mounted_at))
    }

    /// Cuts the power of an ext4: what is not on the disk at this moment never will be.
    pub(crate) fn cut(&self) -> Result<(), String> {
        run(self.inside(&["python3", "-c", CUT]).arg(&self.mounted_at))
    }

    /// Lets an ext4 meet an error of its disk, upon which it turns read-only whatever is open; a mount after
    /// [`Medium::unmount`] has it writable again.
    ///
    /// # Errors
    /// What this machine lacks.
    pub(crate) fn fail(&self) -> Result<(), String> {
        let mounts = format!("/proc/{}/mounts", self.keeper.pid());
        let mounts = std::fs::read_to_string(&mounts).map_err(|error| format!("{mounts}: {error}"))?;
        let mounted_at = self.mounted_at.to_string_lossy();
        let mut devices = mounts.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let device = words.next()?;
            (words.next()? == mounted_at).then(|| device.trim_start_matches("/dev/"))
        });
        let device = devices.next_back().ok_or("it is not mounted")?;
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        let triggered = File::options().write(true).open(&trigger).and_then(|mut it| it.write_all(b"test"));
        triggered.map_err(|error| format!("{trigger}: {error}"))
    }

    fn inside(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.keeper.pid().to_string()]).args(words);
        command
    }
}

/// What takes the room of a medium. It is given back when dropped.
pub(crate) struct Filler {
    /// Of the medium, as the test has it.
    folder: PathBuf,
    count: u32,
}

/// What there is none left of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    Bytes,
    Files,
}

impl Filler {
    pub(crate) fn of(medium: &Medium) -> Self {
        let folder = medium.seen().join("filler");
        Self { folder, count: 0 }
    }

    /// Takes all the room there is at this moment.
    pub(crate) fn fill(&mut self, lack: Lack) {
        match std::fs::create_dir(&self.folder) {
            Err(error) if is_full(&error) => return,
            made => assert!(made.is_ok() || self.folder.exists(), "{made:?}"),
        }
        loop {
            let path = self.folder.join(self.count.to_string());
            let filled = File::create_new(&path).and_then(|mut file| match lack {
                Lack::Files => Ok(()),
                Lack::Bytes => {
                    std::iter::repeat_with(|| file.write_all(&PAGE)).find_map(Result::err).map_or(Ok(()), Err)
                }
            });
            self.count += u32::from(path.exists());
            match filled {
                Err(error) if is_full(&error) => return,
                other => other.expect("a medium fails by being full only"),
            }
        }
    }

    /// Gives back this many pages of one file.
    pub(crate) fn spare(&self, pages: u64) {
        for number in 0..self.count {
            let path = self.folder.join(number.to_string());
            let bytes = path.metadata().map_or(0, |about| about.len());
            if bytes > pages * PAGE.len() as u64 {
                let file = File::options().write(true).open(&path).expect("the filler's own file");
                file.set_len(bytes - pages * PAGE.len() as u64).expect("a file can be cut");
                return;
            }
        }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        // Where the medium is gone, so is the filler.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn is_full(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::StorageFull
}

/// A process that does nothing but keep a mount namespace.
fn namespace(folder: &Path) -> Result<Process, String> {
    run(Command::new("unshare").args(["--mount", "--propagation", "private", "true"]))?;
    let mut keeper = command(Path::new("/usr/bin/unshare"));
    keeper.args(["--mount", "--propagation", "private", "sleep", "infinity"]);
    let mut keeper = Process::spawn("a mount namespace", &mut keeper, &folder.join("namespace.log"));
    // It is `sleep` once the namespace is made and parted from the others.
    let name = PathBuf::from(format!("/proc/{}/comm", keeper.pid()));
    keeper.wait_ready(MADE_WITHIN, || std::fs::read_to_string(&name).is_ok_and(|name| name == "sleep\n"));
    Ok(keeper)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", complaint.trim())) }
}

/// The medium; or nothing, and a word on why the test is skipped.
pub(crate) fn or_skip(medium: Result<Medium, String>) -> Option<Medium> {
    medium.inspect_err(|why| println!("skipped: this machine lacks what the test needs: {why}")).ok()
}
