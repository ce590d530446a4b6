//! A full disk: it fills up and is freed while rows arrive and the daemon runs.
//!
//! What there is stays whole, nothing is sent whose intent is not on the disk, and once there is room all
//! goes on by itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::data::{SplitMix64, seed};
use crate::medium::{Filler, Lack, Medium, or_skip};
use crate::scene::{SOON, Scene, many, number_of_entry};
use crate::support::daemon::{Livecosmos, Output, Running};
use crate::support::front::{Fault, Front};
use crate::support::objects;
use crate::support::process::wait_until;
use crate::support::s3s::{self, S3s};

/// How often the disk is filled in `make test`, and in `make torture` unless
/// `LIVECOSMOS_FULL_DISKS` says otherwise.
const FEW: u32 = 2;
const MANY: u32 = 40;
/// Up to so many times, the daemon is not killed on the full disk.
const NONE_KILLED_MAX: u32 = 1;
/// With room for all objects of the longest run: a file takes a page.
const MEDIUM_BYTES: u64 = 32 << 20;
const MEDIUM_FILES: u32 = 16_000;

/// What the state's writer says when it must wait.
const STALLED: &str = "no upload begins until there is room";
/// What a folder without room, and the quarantine, make the daemon say.
const NO_ROOM: &str = "No space left on device";

/// A disk that is filled again and again while a daemon is at work.
struct Ordeal<'a> {
    medium: &'a Medium,
    run: Livecosmos,
    /// What shows that the daemon met the full disk.
    met: &'static str,
    /// Looked at while the disk is full.
    is_whole: &'a dyn Fn(),
    stored: &'a dyn Fn() -> usize,
}

impl Ordeal<'_> {
    /// Fills the disk `times` times; the daemon is killed in some of them, and started on the full disk.
    fn play(&self, times: u32, scene: &mut Scene) {
        let seed = seed();
        println!("seed {seed}");
        let mut random = SplitMix64::new(seed);
        let mut running = self.run.spawn();
        for time in 0..times {
            scene.append_for(Duration::from_millis(random.below(500)));
            let lack = if random.below(4) == 0 { Lack::Files } else { Lack::Bytes };
            let mut filler = Filler::of(self.medium);
            let before = running.stderr().len();
            scene.append_until(&format!("the daemon to meet the full disk, {lack:?}"), || {
                filler.fill(lack);
                if random.below(3) == 0 {
                    // Room for one of two files, or for half of one.
                    filler.spare(random.below(3));
                }
                assert!(running.is_running(), "the daemon ended by itself: {}", running.stderr());
                running.stderr()[before..].contains(self.met)
            });
            filler.fill(lack);
            (self.is_whole)();
            scene.append_for(Duration::from_millis(random.below(1_500)));
            if time % 3 == 1 {
                running = self.start_on_the_full_disk(running, filler, scene);
            } else {
                drop(filler);
            }
            scene.wait_until_stored(&mut running, self.stored);
        }
        running.terminate();
        let ended = running.wait().expect_code(0);
        scene.note(&ended.stderr);
    }

    /// Kills the daemon, and starts another, which waits for room or ends with a word on what to do; then
    /// there is room, and a supervisor starts it once more.
    fn start_on_the_full_disk(&self, running: Running, filler: Filler, scene: &mut Scene) -> Running {
        scene.note(&running.kill().stderr);
        let on_full_disk = self.run.spawn();
        scene.append_for(Duration::from_millis(500));
        scene.note(&on_full_disk.kill().stderr);
        (self.is_whole)();
        drop(filler);
        self.run.spawn()
    }
}

/// Notes each object that arrives before its intent stands in both files of the state.
fn watch_intents(front: &Front, state_dir: PathBuf) -> Arc<Mutex<Vec<String>>> {
    let unannounced = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&unannounced);
    front.set_rule(move |request| {
        if request.method() == "PUT"
            && let Some((_, key)) = request.target().split_once("/raw/S")
        {
            let key = format!("S{}", key.split('?').next().unwrap_or(key));
            let holds = |name: &str| {
                let bytes = std::fs::read(state_dir.join(name)).unwrap_or_default();
                bytes.windows(key.len()).any(|window| window == key.as_bytes())
            };
            if !holds("T.state") || !holds("T.state.backup") {
                noted.lock().expect("no test panics here").push(key);
            }
        }
        Fault::None
    });
    unannounced
}

/// Panics unless both files of the state can be read.
fn assert_whole(verified: &Output) {
    let json: serde_json::Value = serde_json::from_str(&verified.stdout).expect("a report");
    for file in json["tables"][0]["files"].as_array().expect("two files") {
        let condition = file["condition"].as_str().expect("a condition");
        // Before the first commit there is none.
        assert!(["whole", "missing"].contains(&condition), "{}", verified.stdout);
    }
}

/// Rows of the objects of a bucket, read from the server's own files.
pub(crate) fn rows_in(server: &S3s) -> usize {
    let lines = |path: &PathBuf| std::fs::read_to_string(path).map_or(0, |text| text.lines().count());
    server.objects().iter().filter(|(key, _)| key.starts_with("raw/S")).map(|(_, path)| lines(path)).sum()
}

/// The state on a disk that is full now and then, with or without rows for the quarantine beside it.
fn full_under_the_state(times: u32, has_bad_rows: bool) {
    let server = s3s::start();
    let front = Front::before(server.address());
    let mut scene = Scene::new(has_bad_rows);
    let medium = Medium::tmpfs(scene.workdir.folder(), MEDIUM_BYTES, MEDIUM_FILES);
    let Some(medium) = or_skip(medium) else { return };
    scene.configure(&Scene::bucket(&server, &front, ""));
    let on_medium = |words: &[&str]| scene.run_on(&medium, words).credentials(&server);
    let (run, verify) = (on_medium(&[]).table("T"), on_medium(&["state", "verify", "--output", "json"]));
    let state_dir = medium.seen().join("state");
    let unannounced = watch_intents(&front, state_dir.clone());
    let ordeal = Ordeal {
        medium: &medium,
        run: run.clone(),
        met: if has_bad_rows { NO_ROOM } else { STALLED },
        is_whole: &|| assert_whole(&verify.run()),
        stored: &|| rows_in(&server),
    };
    ordeal.play(times, &mut scene);
    let last = run.arg("--once").run().expect_code(0);
    scene.note(&last.stderr);
    assert_eq!(
        *unannounced.lock().expect("no test panics here"),
        Vec::<String>::new(),
        "sent without an intent"
    );
    let quarantine = std::fs::read_to_string(state_dir.join("T.quarantine.ndjson")).ok();
    if times <= NONE_KILLED_MAX {
        let lines = quarantine.as_deref().unwrap_or_default().lines();
        let halves: Vec<&str> = lines.filter(|line| number_of_entry(line).is_none()).collect();
        assert_eq!(halves, Vec::<&str>::new(), "half a line of the quarantine is left");
    }
    let stored = objects::in_bucket(server.client(), "raw/S");
    scene.assert_all_once(&format!("{times} full disks under the state"), &stored, quarantine.as_deref());
}

/// The folder of objects on a disk that is full now and then, the state beside it or elsewhere.
fn full_under_the_folder(times: u32, with_state: bool) {
    let mut scene = Scene::new(false);
    let medium = Medium::tmpfs(scene.workdir.folder(), MEDIUM_BYTES, MEDIUM_FILES);
    let Some(medium) = or_skip(medium) else { return };
    scene.configure(&format!("[sink]\nurl = \"file://{}\"", medium.path().join("stored").display()));
    let state_dir = if with_state { medium.path().join("state") } else { scene.workdir.path("state") };
    let run = Livecosmos::new(scene.workdir.folder()).arg(scene.workdir.config());
    let run = medium.around(run.arg("--state-dir").arg(state_dir).table("T").env("LIVECOSMOS_LOG", "debug"));
    let stored = medium.seen().join("stored");
    let ordeal = Ordeal {
        medium: &medium,
        run: run.clone(),
        met: NO_ROOM,
        is_whole: &|| drop(objects::rows(&objects::in_folder(&stored))),
        stored: &|| objects::rows(&objects::in_folder(&stored)).len(),
    };
    ordeal.play(times, &mut scene);
    let last = run.arg("--once").run().expect_code(0);
    scene.note(&last.stderr);
    assert_no_leftovers(&stored);
    scene.assert_all_once(
        &format!("{times} full disks under the folder{}", if with_state { " and the state" } else { "" }),
        &objects::in_folder(&stored),
        None,
    );
}

/// Half-written objects would take room for ever.
fn assert_no_leftovers(stored: &Path) {
    let writing = std::fs::read_dir(stored.join(".livecosmos/writing")).expect("the folder's own folder");
    let paths = writing.map(|entry| entry.expect("an entry").path());
    let left: Vec<PathBuf> = paths.filter(|path| path.extension().is_none_or(|it| it != "lock")).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "half-written objects are left");
}

#[test]
fn nothing_is_sent_whose_intent_finds_no_room_and_all_goes_on_when_there_is_some() {
    full_under_the_state(FEW, false);
}

#[test]
fn a_row_for_which_the_quarantine_has_no_room_is_kept_once_there_is() {
    full_under_the_state(1, true);
}

#[test]
fn a_folder_without_room_keeps_no_half_of_an_object_and_goes_on_when_there_is_some() {
    full_under_the_folder(FEW, false);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn a_disk_that_is_full_again_and_again_under_the_state_costs_no_row() {
    full_under_the_state(many("LIVECOSMOS_FULL_DISKS", MANY), false);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn a_disk_that_is_full_again_and_again_under_the_quarantine_costs_no_row() {
    full_under_the_state(many("LIVECOSMOS_FULL_DISKS", MANY), true);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn a_disk_that_is_full_again_and_again_under_the_folder_costs_no_row() {
    full_under_the_folder(many("LIVECOSMOS_FULL_DISKS", MANY), false);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn a_disk_that_is_full_again_and_again_under_folder_and_state_costs_no_row() {
    full_under_the_folder(many("LIVECOSMOS_FULL_DISKS", MANY), true);
}

/// A supervisor starts it again and again; the first time there is room it goes on.
#[test]
fn a_daemon_started_on_a_full_disk_sends_nothing_and_names_the_remedy() {
    let mut scene = Scene::new(false);
    let medium = Medium::tmpfs(scene.workdir.folder(), MEDIUM_BYTES, MEDIUM_FILES);
    let Some(medium) = or_skip(medium) else { return };
    scene.configure("[sink]\nurl = \"file://./stored\"");
    scene.append(30);
    let run = scene.run_on(&medium, &[]).table("T");
    let mut filler = Filler::of(&medium);
    filler.fill(Lack::Files);
    let ended = run.clone().arg("--once").run().expect_code(74);
    assert!(ended.stderr.contains("free some room"), "{}", ended.stderr);
    assert!(!scene.workdir.path("stored/S1").exists(), "something was sent");
    drop(filler);
    let mut running = run.spawn();
    let stored = scene.workdir.path("stored");
    wait_until("a folder", SOON, || stored.exists().then_some(()));
    scene.wait_until_stored(&mut running, || objects::rows(&objects::in_folder(&stored)).len());
    running.terminate();
    scene.note(&running.wait().expect_code(0).stderr);
    scene.assert_all_once("a start on a full disk", &objects::in_folder(&stored), None);
}
