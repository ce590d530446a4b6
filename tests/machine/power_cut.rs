//! Power cuts: the state lies on a disk of its own, which is cut off under load without its journal being
//! flushed (ext4's shutdown ioctl), mounted again, and gone on with.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::data::{SplitMix64, seed};
use crate::medium::{Medium, or_skip};
use crate::scene::{Scene, many};
use crate::support::daemon::Livecosmos;
use crate::support::front::{Fault, Front};
use crate::support::{objects, s3s};

/// Cuts in `make test`, and in `make torture` unless `LIVECOSMOS_POWER_CUTS` says otherwise.
const FEW: u32 = 4;
const MANY: u32 = 100;
/// Room for what a hundred cuts let through, and the smallest ext4 that has a journal of a fair size.
const MEDIUM_BYTES: u64 = 512 << 20;

/// A disk whose power is cut again and again while a daemon is at work.
struct Ordeal<'a> {
    medium: &'a mut Medium,
    run: Livecosmos,
    /// `state verify`, as JSON.
    verify: Livecosmos,
    /// Of all objects that were sent so far, the latest commit that says so.
    sent: &'a dyn Fn() -> u64,
}

impl Ordeal<'_> {
    fn play(&mut self, cuts: u32, scene: &mut Scene) {
        let seed = seed();
        println!("seed {seed}");
        let mut random = SplitMix64::new(seed);
        let (mut ended, mut torn) = (0, 0);
        for _ in 0..cuts {
            let running = self.run.spawn();
            scene.append_for(Duration::from_millis(60 + random.below(400)));
            self.medium.cut().expect("the power is cut");
            let output = running.kill();
            ended += u32::from(output.code.is_some());
            scene.note(&output.stderr);
            self.medium.unmount().expect("nothing holds the medium");
            self.medium.mount().expect("the journal is whole");
            torn += u32::from(holds_half_a_file(&self.medium.seen().join("state")));
            let (kept, sent) = (self.generation(), (self.sent)());
            assert!(kept >= sent, "commit {sent} was acknowledged, and the disk has {kept}");
        }
        println!("{ended} runs ended by themselves, {torn} cuts left a half-written file of the state");
        scene.note(&self.run.clone().arg("--once").run().expect_code(0).stderr);
    }

    /// The latest commit that the disk holds.
    fn generation(&self) -> u64 {
        let verified = self.verify.run().expect_code(0);
        let json: serde_json::Value = serde_json::from_str(&verified.stdout).expect("a report");
        let files = json["tables"][0]["files"].as_array().expect("two files");
        files.iter().filter_map(|file| file["generation"].as_u64()).max().unwrap_or_default()
    }
}

fn holds_half_a_file(state_dir: &Path) -> bool {
    let names = std::fs::read_dir(state_dir).into_iter().flatten().flatten();
    names.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"))
}

/// Notes the commit that each object names as the one that holds its intent.
fn watch_commits(front: &Front) -> impl Fn() -> u64 + use<> {
    let latest = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&latest);
    front.set_rule(move |request| {
        let generation = request.header("x-amz-meta-livecosmos-generation");
        if let Some(generation) = generation.and_then(|text| text.parse().ok()) {
            seen.fetch_max(generation, Ordering::SeqCst);
        }
        Fault::None
    });
    move || latest.load(Ordering::SeqCst)
}

/// The state on the medium, the objects in S3.
fn state_alone(cuts: u32) {
    let server = s3s::start();
    let front = Front::before(server.address());
    let mut scene = Scene::new(false);
    let Some(mut medium) = or_skip(Medium::ext4(scene.workdir.folder(), MEDIUM_BYTES)) else { return };
    scene.configure(&Scene::bucket(&server, &front, ""));
    let on_medium = |words: &[&str]| scene.run_on(&medium, words).credentials(&server);
    let (run, verify) = (on_medium(&[]).table("T"), on_medium(&["state", "verify", "--output", "json"]));
    let sent = watch_commits(&front);
    Ordeal { medium: &mut medium, run, verify, sent: &sent }.play(cuts, &mut scene);
    assert!(sent() > 0, "no object named the commit of its intent");
    let stored = objects::in_bucket(server.client(), "raw/S");
    scene.assert_all_once(&format!("{cuts} power cuts of the state"), &stored, None);
}

/// State and objects on the medium: what the folder acknowledged must be there.
fn state_and_objects(cuts: u32) {
    let mut scene = Scene::new(false);
    let Some(mut medium) = or_skip(Medium::ext4(scene.workdir.folder(), MEDIUM_BYTES)) else { return };
    let stored = medium.path().join("stored");
    scene.configure(&format!("[sink]\nurl = \"file://{}\"", stored.display()));
    let run = scene.run_on(&medium, &[]).table("T");
    let verify = scene.run_on(&medium, &["state", "verify", "--output", "json"]);
    Ordeal { medium: &mut medium, run, verify, sent: &|| 0 }.play(cuts, &mut scene);
    let stored = objects::in_folder(&medium.seen().join("stored"));
    scene.assert_all_once(&format!("{cuts} power cuts of state and folder"), &stored, None);
}

#[test]
fn a_state_that_loses_its_power_holds_all_that_was_acknowledged() {
    state_alone(FEW);
}

#[test]
fn a_folder_that_loses_its_power_with_the_state_loses_and_doubles_no_row() {
    state_and_objects(FEW);
}

#[test]
#[ignore = "a minute; part of make torture"]
fn a_hundred_power_cuts_of_the_state_lose_and_double_no_row() {
    state_alone(many("LIVECOSMOS_POWER_CUTS", MANY));
}

#[test]
#[ignore = "a minute; part of make torture"]
fn a_hundred_power_cuts_of_state_and_folder_lose_and_double_no_row() {
    state_and_objects(many("LIVECOSMOS_POWER_CUTS", MANY));
}
