//! A file system that becomes read-only under the daemon, as ext4 does when its disk begins to fail.

use crate::medium::{Medium, or_skip};
use crate::scene::{SOON, Scene};
use crate::support::objects;
use crate::support::process::wait_until;

const TIMES: u32 = 3;
const DISK_BYTES: u64 = 16 << 20;
const MEDIUM_BYTES: u64 = 4 << 20;
const MEDIUM_FILES: u32 = 4_000;

/// The kernel refuses while a file is open for writing, and the daemon is at work.
fn make_read_only(medium: &Medium) {
    wait_until("a moment at which nothing is being written", SOON, || medium.remount("ro").ok());
}

#[test]
fn a_state_that_becomes_read_only_ends_the_daemon_with_74_and_a_start_goes_on_from_there() {
    let mut scene = Scene::new(false);
    let Some(mut medium) = or_skip(Medium::ext4(scene.workdir.folder(), DISK_BYTES)) else { return };
    scene.configure("[sink]\nurl = \"file://./stored\"");
    let run = scene.run_on(&medium, &[]).table("T");
    let stored = scene.workdir.path("stored");
    let rows = || if stored.exists() { objects::rows(&objects::in_folder(&stored)).len() } else { 0 };
    for _ in 0..TIMES {
        let mut running = run.spawn();
        scene.append(30);
        scene.wait_until_stored(&mut running, rows);
        if let Err(why) = medium.fail() {
            return println!("skipped: this machine lets no file system fail: {why}");
        }
        scene.append(30);
        let ended = running.wait().expect_code(74);
        assert!(ended.stderr.contains("mount its file system read-write"), "{}", ended.stderr);
        scene.note(&ended.stderr);
        scene.note(&run.run().expect_code(74).stderr);
        medium.unmount().expect("nothing holds the medium");
        medium.mount().expect("an ext4 that met an error can be mounted");
    }
    scene.note(&run.arg("--once").run().expect_code(0).stderr);
    let what = format!("a state that became read-only {TIMES} times");
    scene.assert_all_once(&what, &objects::in_folder(&stored), None);
}

#[test]
fn a_folder_that_becomes_read_only_is_named_and_gone_on_with_when_it_is_writable() {
    let mut scene = Scene::new(false);
    let medium = Medium::tmpfs(scene.workdir.folder(), MEDIUM_BYTES, MEDIUM_FILES);
    let Some(medium) = or_skip(medium) else { return };
    scene.configure(&format!("[sink]\nurl = \"file://{}\"", medium.path().join("stored").display()));
    let run = medium.around(scene.workdir.livecosmos().table("T"));
    let stored = medium.seen().join("stored");
    let rows = || if stored.exists() { objects::rows(&objects::in_folder(&stored)).len() } else { 0 };
    let mut running = run.spawn();
    for _ in 0..TIMES {
        scene.append(30);
        scene.wait_until_stored(&mut running, rows);
        make_read_only(&medium);
        let before = running.stderr().len();
        scene.append_until("a word on the folder", || {
            running.stderr()[before..].contains("mount it writable")
        });
        medium.remount("rw").expect("a tmpfs can be written again");
        scene.wait_until_stored(&mut running, rows);
    }
    running.terminate();
    scene.note(&running.wait().expect_code(0).stderr);
    scene.note(&run.arg("--once").run().expect_code(0).stderr);
    let what = format!("a folder that became read-only {TIMES} times");
    scene.assert_all_once(&what, &objects::in_folder(&stored), None);
}
