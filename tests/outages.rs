//! A sink that is away while rows keep coming: none is lost, none comes twice, and all is there soon after.
#![allow(clippy::print_stdout, reason = "says what was measured")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::azurite::{self, ACCOUNT, Azurite, CONTAINER};
use support::daemon::{Workdir, workdir};
use support::front::{Fault, Front};
use support::google::{self, Google};
use support::mosquitto::Mosquitto;
use support::objects::{self, StoredRow};
use support::process::wait_until;
use support::receiver::Receiver;
use support::s3s::{self, S3s};
use support::subscriber::Subscriber;

const WITHIN: Duration = Duration::from_mins(5);
const SITES: usize = 12;
/// From one row of each site to the next.
const ROW_EVERY: Duration = Duration::from_millis(250);

/// How long they are away: `LIVECOSMOS_OUTAGE_S`.
fn outage(usual: Duration) -> Duration {
    let seconds = std::env::var("LIVECOSMOS_OUTAGE_S").ok().and_then(|text| text.parse().ok());
    seconds.map_or(usual, Duration::from_secs)
}

/// One sink of each kind.
struct Sinks {
    workdir: Workdir,
    store: S3s,
    google: Google,
    /// Before the two.
    fronts: [Front; 2],
    azure: Mutex<Azurite>,
    receiver: Mutex<Receiver>,
    broker: Mutex<Mosquitto>,
    subscriber: Subscriber,
}

impl Sinks {
    fn start() -> Self {
        let store = s3s::start();
        let (google, azure) = (google::start(), azurite::start());
        let fronts = [Front::before(store.address()), Front::before(google.address())];
        let receiver = Receiver::start();
        let broker = Mosquitto::start();
        let subscriber = Subscriber::start(broker.address(), "5", "livecosmos/#");
        let workdir = workdir(&format!(
            "[source]\nkind = \"csv\"\npath = \"met.csv\"\n\
             [sink]\nurl = \"s3://{}/raw\"\n[sink.s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\npath_style = true\n\
             [sinks.gcs]\nurl = \"gs://{}/raw\"\n[sinks.gcs.gcs]\nanonymous = true\nendpoint = \"{}\"\n\
             [sinks.azure]\nurl = \"az://{CONTAINER}/raw\"\n[sinks.azure.azure]\naccount = \"{ACCOUNT}\"\n\
             key_file = \"key\"\nendpoint = \"{}\"\n\
             [sinks.http]\nurl = \"{}\"\n[sinks.mqtt]\nurl = \"{}\"\n[sinks.folder]\nurl = \"file://./mount/stored\"\n\
             [upload]\nformat = \"ndjson\"\n[poll]\ninterval = \"500ms\"\nfallback = \"all\"\n\
             [tables.MET]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n",
            store.bucket(),
            fronts[0].endpoint(),
            google.bucket(),
            fronts[1].endpoint(),
            azure.endpoint(),
            receiver.url(),
            broker.url()
        ));
        workdir.write("met.csv", "SITE_ID,DATE_TIME,ID\n");
        workdir.write("key", azurite::key());
        std::fs::create_dir(workdir.path("mount")).expect("a new folder");
        let (azure, receiver, broker) = (Mutex::new(azure), Mutex::new(receiver), Mutex::new(broker));
        Self { workdir, store, google, fronts, azure, receiver, broker, subscriber }
    }

    fn azure(&self) -> MutexGuard<'_, Azurite> {
        self.azure.lock().expect("no test panics with it")
    }

    fn receiver(&self) -> MutexGuard<'_, Receiver> {
        self.receiver.lock().expect("no test panics with it")
    }

    fn broker(&self) -> MutexGuard<'_, Mosquitto> {
        self.broker.lock().expect("no test panics with it")
    }

    #[expect(clippy::disallowed_methods, reason = "a folder that goes away, not a file that is replaced")]
    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.workdir.path(from), self.workdir.path(to)).expect("renamed");
    }

    /// The network to the buckets is gone, the container's server and the receiver are down, the broker hangs, and where the folder was there is
    /// something else.
    fn leave(&self) {
        self.broker().signal(Signal::STOP);
        self.fronts.iter().for_each(|front| front.set_rule(|_| Fault::LoseRequest));
        self.azure().stop();
        self.receiver().stop();
        self.rename("mount", "unmounted");
        self.workdir.write("mount", "no folder");
    }

    fn come_back(&self) {
        std::fs::remove_file(self.workdir.path("mount")).expect("removed");
        self.rename("unmounted", "mount");
        self.broker().signal(Signal::CONT);
        self.receiver().start_again();
        self.azure().start_again();
        self.fronts.iter().for_each(|front| front.set_rule(|_| Fault::None));
    }

    fn stored(&self, sink: &str) -> Vec<StoredRow> {
        let folder = self.workdir.path("mount/stored");
        objects::rows(&match sink {
            "S3" => objects::in_bucket(self.store.client(), "raw/S"),
            "GCS" => objects::in_bucket(self.google.client(), "raw/S"),
            "Azure" => self.azure().objects("raw/S"),
            "HTTP" => self.receiver().batches(),
            "MQTT" => self.subscriber.batches(),
            _ if folder.exists() => objects::in_folder(&folder),
            _ => BTreeMap::new(),
        })
    }
}

/// Appends a row of each site again and again, until it is over; counts them.
fn keep_writing(workdir: &Workdir, written: &AtomicUsize, is_over: &AtomicBool) {
    for turn in 0.. {
        let due = Instant::now() + ROW_EVERY;
        let (hours, minutes, seconds) = (turn / 3_600, turn / 60 % 60, turn % 60);
        let mut lines = String::new();
        for site in 0..SITES {
            let id = turn * SITES + site;
            let _ = writeln!(lines, "S{site},2025-01-02T{hours:02}:{minutes:02}:{seconds:02}Z,{id}");
        }
        workdir.append("met.csv", lines);
        written.fetch_add(SITES, Ordering::SeqCst);
        wait_until("the next row", WITHIN, || {
            (is_over.load(Ordering::SeqCst) || Instant::now() >= due).then_some(())
        });
        if is_over.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Lets every sink be away for so long, and says how long each takes to have everything again.
fn live_through(outage: Duration) {
    const KINDS: [&str; 6] = ["S3", "GCS", "Azure", "HTTP", "MQTT", "folder"];
    let sinks = Sinks::start();
    let (written, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut running = sinks.workdir.livecosmos().table("MET").credentials(&sinks.store).spawn();
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        scope.spawn(|| keep_writing(&sinks.workdir, &written, &is_over));
        wait_until("rows in every sink", WITHIN, || {
            KINDS.iter().all(|kind| sinks.stored(kind).len() > SITES).then_some(())
        });
        sinks.leave();
        let (begun, before) = (Instant::now(), written.load(Ordering::SeqCst));
        wait_until("the end of the outage", outage + WITHIN, || {
            assert!(running.is_running(), "the daemon ended: {}", running.stderr());
            (begun.elapsed() >= outage).then_some(())
        });
        let due = written.load(Ordering::SeqCst);
        let (mut waiting, back) = (KINDS.to_vec(), Instant::now());
        sinks.come_back();
        wait_until("what was late", WITHIN, || {
            waiting.retain(|kind| {
                let is_there = sinks.stored(kind).len() >= due;
                if is_there {
                    println!(
                        "{kind}: away {:.0} s, {} rows late, all there {:.1} s after it was back",
                        outage.as_secs_f64(),
                        due - before,
                        back.elapsed().as_secs_f64()
                    );
                }
                !is_there
            });
            waiting.is_empty().then_some(())
        });
    });
    running.terminate();
    let said = running.wait().expect_code(0).stderr;
    let _ =
        sinks.workdir.livecosmos().table("MET").arg("--once").credentials(&sinks.store).run().expect_code(0);
    let written = written.into_inner();
    for kind in KINDS {
        let rows = sinks.stored(kind);
        objects::assert_exactly_once((0..written).map(|id| id.to_string()), &rows, |row| row.text("ID"));
        println!("{kind}: {written} rows, lost 0, doubled 0");
    }
    println!("{} lines of the log", said.lines().count());
}

/// A writer is told to end also where the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn rows_that_come_while_every_sink_is_away_are_stored_once_when_they_are_back() {
    live_through(Duration::from_secs(5));
}

#[test]
#[ignore = "ten minutes; part of make torture"]
fn rows_that_come_while_every_sink_is_away_for_ten_minutes_are_stored_once_when_they_are_back() {
    live_through(outage(Duration::from_mins(10)));
}
