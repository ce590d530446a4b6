//! A process that stands still for longer than every timeout, as on a machine that sleeps or swaps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::data::{SplitMix64, seed};
use crate::full_disk::rows_in;
use crate::scene::{SOON, Scene, many};
use crate::support::front::{Fault, Front};
use crate::support::process::wait_until;
use crate::support::{objects, s3s};

/// Stops in `make test`, and in `make torture` unless `LIVECOSMOS_STOPS` says otherwise.
const FEW: u32 = 2;
const MANY: u32 = 40;
/// Shorter than the process stands still.
const TIMEOUTS: &str = "\nconnect_timeout = \"1s\"\nrequest_timeout = \"2s\"";
const STOPPED: Duration = Duration::from_secs(4);
/// What becomes of the put during which it stops: it is answered, its answer is lost, the server takes it
/// and does not answer in time, or never sees it.
const FATES: [Fault; 4] = [Fault::None, Fault::LoseReply, Fault::Stall, Fault::StallBefore];

/// Lets `fate` befall the next put; what is returned becomes true when it comes.
fn on_the_next_put(front: &Front, fate: Fault) -> Arc<AtomicBool> {
    let has_come = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&has_come);
    front.set_rule(move |request| {
        let is_it = request.method() == "PUT" && !noted.swap(true, Ordering::SeqCst);
        if is_it { fate } else { Fault::None }
    });
    has_come
}

/// Stops the daemon at random moments, half of them in the midst of a put.
fn survive_stops(stops: u32) {
    let seed = seed();
    println!("seed {seed}");
    let mut random = SplitMix64::new(seed);
    let server = s3s::start();
    let front = Front::before(server.address());
    let mut scene = Scene::new(false);
    scene.configure(&Scene::bucket(&server, &front, TIMEOUTS));
    let run = scene.workdir.livecosmos().table("T").credentials(&server);
    let mut running = run.spawn();
    for _ in 0..stops {
        scene.append_for(Duration::from_millis(random.below(300)));
        if random.below(2) == 0 {
            let fate = FATES[usize::try_from(random.below(4)).unwrap_or_default()];
            let has_come = on_the_next_put(&front, fate);
            scene.append_until("a put", || {
                assert!(running.is_running(), "the daemon ended by itself: {}", running.stderr());
                has_come.load(Ordering::SeqCst)
            });
        }
        running.signal(Signal::STOP);
        scene.append_for(STOPPED / 2);
        if random.below(2) == 0 {
            // The server, or what stands between, gave up on it.
            front.cut();
        }
        scene.append_for(STOPPED / 2);
        running.signal(Signal::CONT);
        wait_until("a sign of life", SOON, || running.is_running().then_some(()));
    }
    scene.wait_until_stored(&mut running, || rows_in(&server));
    running.terminate();
    scene.note(&running.wait().expect_code(0).stderr);
    scene.note(&run.arg("--once").run().expect_code(0).stderr);
    let stored = objects::in_bucket(server.client(), "raw/S");
    scene.assert_all_once(&format!("{stops} stops of {STOPPED:?}"), &stored, None);
}

#[test]
fn a_process_that_stands_still_for_longer_than_every_timeout_goes_on_as_if_nothing_was() {
    survive_stops(FEW);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn a_process_that_stands_still_again_and_again_goes_on_as_if_nothing_was() {
    survive_stops(many("LIVECOSMOS_STOPS", MANY));
}
