//! Power cuts: the state lies on a file system of its own, which is shut down under load without its
//! journal being flushed (ext4's shutdown ioctl), mounted again, and gone on with.
#![allow(clippy::print_stdout, reason = "says what was played, or why not")]

mod data;
mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use data::{SplitMix64, seed};
use support::daemon::{Livecosmos, Workdir, workdir};
use support::front::Front;
use support::process::wait_until;
use support::{objects, s3s};

const SOON: Duration = Duration::from_mins(2);
/// Cuts in `make test` and in `make torture`.
const FEW: u32 = 4;
const MANY: u32 = 100;

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`, `fs/ext4/ext4.h` of Linux.
const CUT: &str = "import fcntl, os, struct, sys\n\
                   fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// A small ext4 image, mounted in a namespace that only this test sees.
struct Medium {
    /// Keeps the namespace.
    namespace: Child,
    image: PathBuf,
    mounted_at: PathBuf,
}

impl Medium {
    /// Makes it, or says what the machine lacks.
    fn make(folder: &Path) -> Result<Self, String> {
        let (image, mounted_at) = (folder.join("medium.img"), folder.join("medium"));
        std::fs::create_dir(&mounted_at).map_err(|error| error.to_string())?;
        let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(512 << 20).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        let namespace = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "cat"])
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let mut medium = Self { namespace, image, mounted_at };
        medium.mount()?;
        medium.cut()?;
        medium.unmount()?;
        medium.mount()?;
        Ok(medium)
    }

    /// A command in the namespace.
    fn inside(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.namespace.id().to_string()]).args(words);
        command
    }

    fn mount(&mut self) -> Result<(), String> {
        run(self.inside(&["mount", "-o", "loop"]).arg(&self.image).arg(&self.mounted_at))
    }

    fn unmount(&mut self) -> Result<(), String> {
        run(self.inside(&["umount"]).arg(&self.mounted_at))
    }

    /// What was not on the medium at this moment never will be.
    fn cut(&mut self) -> Result<(), String> {
        run(self.inside(&["python3", "-c", CUT]).arg(&self.mounted_at))
    }

    /// The job, seeing the medium.
    fn livecosmos(&self, workdir: &Workdir) -> Livecosmos {
        let namespace = self.namespace.id().to_string();
        Livecosmos::new(workdir.folder())
            .under(["/usr/bin/nsenter", "--mount", "--target", &namespace])
            .arg(workdir.config())
            .arg("T")
            .arg("--state-dir")
            .arg(self.mounted_at.join("state"))
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        // With its last process the namespace ends, and the mount with it.
        let _ = self.unmount();
        let _ = self.namespace.kill();
        let _ = self.namespace.wait();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", complaint.trim())) }
}

/// The medium, unless this machine has no such thing.
fn medium(folder: &Path) -> Option<Medium> {
    Medium::make(folder).inspect_err(|why| println!("skipped: power cannot be cut here: {why}")).ok()
}

fn config(sink: &str) -> String {
    format!(
        "[source]\nkind = \"csv\"\npath = \"rows.csv\"\n{sink}\n\
         [upload]\nformat = \"ndjson\"\nbatch_rows_max = 3\n[poll]\ninterval = \"100ms\"\nfallback = \"all\"\n\
         [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n"
    )
}

fn rows(numbers: std::ops::Range<u32>) -> String {
    let row = |n: u32| {
        format!("S{},2025-01-{:02} {:02}:{:02}:00,{n}\n", n % 5, n / 1440 % 28 + 1, n / 60 % 24, n % 60)
    };
    numbers.map(row).collect()
}

/// Cuts the power again and again while rows arrive and are stored; then everything is stored once.
fn survive_cuts(
    cuts: u32,
    medium: &mut Medium,
    workdir: &Workdir,
    daemon: &dyn Fn(&Medium) -> Livecosmos,
) -> u32 {
    let seed = seed();
    println!("seed {seed}");
    let mut random = SplitMix64::new(seed);
    workdir.write("rows.csv", "SITE,TIME,N\n");
    let mut count = 0;
    let (mut ended, mut torn) = (0, 0);
    for _ in 0..cuts {
        let running = daemon(medium).spawn();
        let moment = std::time::Instant::now() + Duration::from_millis(60 + random.below(400));
        wait_until("the moment of the cut", SOON, || {
            workdir.append("rows.csv", rows(count..count + 5));
            count += 5;
            (std::time::Instant::now() >= moment).then_some(())
        });
        medium.cut().expect("the power is cut");
        let output = running.kill();
        ended += u32::from(output.code.is_some());
        medium.unmount().expect("nothing holds the medium");
        medium.mount().expect("the journal is whole");
        torn += u32::from(
            medium
                .inside(&["ls"])
                .arg(medium.mounted_at.join("state"))
                .output()
                .is_ok_and(|ls| String::from_utf8_lossy(&ls.stdout).contains(".tmp")),
        );
    }
    println!(
        "{cuts} cuts, {count} rows due; {ended} runs ended by themselves, {torn} cuts left a half-written file"
    );
    let last = daemon(medium).arg("--once").run().expect_code(0);
    assert!(!last.stderr.contains("panicked"), "{}", last.stderr);
    count
}

fn assert_all_once(stored: &std::collections::BTreeMap<String, Vec<u8>>, count: u32) {
    let rows = objects::rows(stored);
    objects::assert_exactly_once((0..count).map(|n| n.to_string()), &rows, |row| row.text("N"));
    println!("rows due {count}, lost 0, doubled 0, objects {}", stored.len());
}

/// The state on the medium, the objects in S3.
fn state_alone(cuts: u32) {
    let server = s3s::start();
    let front = Front::before(server.address());
    let sink = format!(
        "[sink]\nurl = \"s3://{}/raw\"\n[sink.s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\npath_style = true\nallow_http = true",
        server.bucket(),
        front.endpoint()
    );
    let workdir = workdir(&config(&sink));
    let Some(mut medium) = medium(workdir.folder()) else { return };
    let daemon = |medium: &Medium| medium.livecosmos(&workdir).credentials(&server);
    let count = survive_cuts(cuts, &mut medium, &workdir, &daemon);
    assert_all_once(&objects::in_bucket(server.client(), "raw/S"), count);
}

/// State and objects on the medium: what the folder acknowledged must be there.
fn state_and_objects(cuts: u32) {
    let workdir = workdir("");
    let Some(mut medium) = medium(workdir.folder()) else { return };
    let stored = medium.mounted_at.join("stored");
    workdir.write("livecosmos.toml", config(&format!("[sink]\nurl = \"file://{}\"", stored.display())));
    let daemon = |medium: &Medium| medium.livecosmos(&workdir);
    let count = survive_cuts(cuts, &mut medium, &workdir, &daemon);
    // Only the namespace sees the medium.
    let copied = workdir.path("copied");
    run(medium.inside(&["cp", "-r"]).arg(&stored).arg(&copied)).expect("the objects can be read");
    assert_all_once(&objects::in_folder(&copied), count);
}

#[test]
fn a_state_that_loses_its_power_loses_and_doubles_no_row() {
    state_alone(FEW);
}

#[test]
fn a_folder_that_loses_its_power_with_the_state_loses_and_doubles_no_row() {
    state_and_objects(FEW);
}

#[test]
#[ignore = "a minute: make torture"]
fn a_hundred_power_cuts_of_the_state_lose_and_double_no_row() {
    state_alone(MANY);
}

#[test]
#[ignore = "a minute: make torture"]
fn a_hundred_power_cuts_of_state_and_folder_lose_and_double_no_row() {
    state_and_objects(MANY);
}
