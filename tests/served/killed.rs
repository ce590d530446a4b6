//! While rows keep coming, the daemon, the server and the network are killed at random moments: in the end
//! every row that was committed is stored once.

use std::time::{Duration, Instant};

use super::speech::Speech;
use super::table::{WITHIN, stored};
use super::writers::{committed, following, make_table, name, while_writing};
use crate::data::{self, SplitMix64};
use crate::support::daemon::{Running, Workdir};
use crate::support::database::Database;
use crate::support::front::Front;
use crate::support::process::wait_until;
use crate::support::relay::Relay;
use crate::support::{objects, s3s};

const FOLDER: &str = "[sink]\nurl = \"file://./stored\"";

/// How often, in the long run of `make torture`.
pub(crate) fn often() -> u32 {
    let kills = std::env::var("LIVECOSMOS_KILLS").ok().and_then(|kills| kills.parse().ok());
    kills.unwrap_or(100)
}

/// Waits up to `ms_max`, at random.
pub(crate) fn wait_for_a_moment(random: &mut SplitMix64, ms_max: u64) {
    let moment = Instant::now() + Duration::from_millis(random.below(ms_max));
    wait_until("a random moment", WITHIN, || (Instant::now() >= moment).then_some(()));
}

pub(crate) fn seeded() -> SplitMix64 {
    let seed = data::seed();
    println!("seed {seed}");
    SplitMix64::new(seed)
}

fn kill_the_daemon<E: Speech>(kills: u32) {
    let mut random = seeded();
    let server = Database::<E>::start();
    make_table(&server);
    let store = s3s::start();
    let front = Front::before(store.address());
    let sink = format!(
        "[sink]\nurl = \"s3://{}/raw\"\n[sink.s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\npath_style = true\n",
        store.bucket(),
        front.endpoint()
    );
    let workdir = following::<E>(&server.url(), &sink);
    let daemon = workdir.livecosmos().table("MET").credentials(&store);
    let mut at_work = 0;
    while_writing::<E, _>(&server.client(), || {
        for _ in 0..kills {
            let before = store.objects().len();
            let mut running = daemon.spawn();
            if random.below(2) == 1 {
                wait_until("it to come to work", WITHIN, || {
                    assert!(running.is_running(), "the daemon ended: {}", running.stderr());
                    (store.objects().len() > before).then_some(())
                });
            }
            wait_for_a_moment(&mut random, 1_000);
            assert!(running.is_running(), "the daemon ended: {}", running.stderr());
            drop(running.kill());
            at_work += u32::from(store.objects().len() > before);
        }
    });
    let _ = daemon.arg("--once").run().expect_code(0);
    let rows = objects::rows(&objects::in_bucket(store.client(), "raw/SITE"));
    objects::assert_exactly_once(committed(&server), &rows, name);
    println!(
        "{kills} kills of the daemon, {at_work} of them after it had stored something: {} rows, each once",
        rows.len()
    );
    assert!(at_work > kills / 5, "it hardly came to work between two kills");
}

pub(crate) fn rows_are_stored_once_though_the_daemon_is_killed_while_they_are_written<E: Speech>() {
    kill_the_daemon::<E>(10);
}

pub(crate) fn rows_are_stored_once_though_the_daemon_is_killed_many_times_while_they_are_written<
    E: Speech,
>() {
    kill_the_daemon::<E>(often());
}

/// A daemon that stores in a folder, and must live through whatever happens to its server.
pub(crate) struct Survivor {
    workdir: Workdir,
    running: Running,
}

impl Survivor {
    pub(crate) fn start<E: Speech>(url: &str) -> Self {
        let workdir = following::<E>(url, FOLDER);
        let running = workdir.livecosmos().table("MET").spawn();
        Self { workdir, running }
    }

    pub(crate) fn must_live(&mut self) {
        assert!(self.running.is_running(), "the daemon ended: {}", self.running.stderr());
    }

    /// Waits until all is stored that `server` holds, ends the daemon, and compares; gives the number of rows
    /// and what it had to say.
    pub(crate) fn assert_all_stored<E: Speech>(mut self, server: &Database<E>) -> (usize, String) {
        let committed = committed(server);
        let missing = || objects::difference(committed.iter().cloned(), &stored(&self.workdir), name).missing;
        let begun = Instant::now();
        // What is missing when the time is over is told by the comparison.
        while begun.elapsed() < WITHIN && !missing().is_empty() {
            std::thread::yield_now();
        }
        self.must_live();
        self.running.terminate();
        let said = self.running.wait().expect_code(0).stderr;
        let stored = stored(&self.workdir);
        if stored.len() != committed.len() {
            println!("the daemon said: {said}");
        }
        objects::assert_exactly_once(committed, &stored, name);
        (stored.len(), said)
    }
}

fn kill_the_server<E: Speech>(kills: u32) {
    let mut random = seeded();
    let mut server = Database::<E>::start();
    make_table(&server);
    let mut daemon = Survivor::start::<E>(&server.url());
    while_writing::<E, _>(&server.client(), || {
        for _ in 0..kills {
            wait_for_a_moment(&mut random, 1_500);
            server.stop();
            server.start_again();
            daemon.must_live();
        }
    });
    let (count, said) = daemon.assert_all_stored(&server);
    let met = said.matches("is made again").count() + said.matches("is tried again").count();
    println!("{kills} kills of the server, met {met} times: {count} rows, each once");
    assert!(met > 0, "the daemon met none of them: {said}");
}

pub(crate) fn rows_are_stored_once_though_the_server_is_killed_while_they_are_written<E: Speech>() {
    kill_the_server::<E>(10);
}

pub(crate) fn rows_are_stored_once_though_the_server_is_killed_many_times_while_they_are_written<
    E: Speech,
>() {
    kill_the_server::<E>(often());
}

fn cut_connections<E: Speech>(cuts: u64) {
    let mut random = seeded();
    let server = Database::<E>::start();
    make_table(&server);
    let relay = Relay::before(server.address());
    let mut daemon = Survivor::start::<E>(&E::url(E::ADMIN, relay.address()));
    while_writing::<E, _>(&server.client(), || {
        for cut in 0..cuts {
            relay.cut_after(random.below(20_000));
            wait_until("the cut", WITHIN, || (relay.cuts() > cut).then_some(()));
            daemon.must_live();
        }
    });
    let (count, said) = daemon.assert_all_stored(&server);
    println!("{cuts} cuts: {count} rows, each once");
    assert!(said.contains("the connection broke") || said.contains("cannot be reached"), "{said}");
}

pub(crate) fn rows_are_stored_once_though_connections_are_cut_in_the_middle_of_what_the_server_sends<
    E: Speech,
>() {
    cut_connections::<E>(10);
}

pub(crate) fn rows_are_stored_once_though_connections_are_cut_many_times<E: Speech>() {
    cut_connections::<E>(u64::from(often()));
}

pub(crate) fn a_server_that_is_away_for_long_is_asked_once_a_poll_and_read_on_when_it_is_back<E: Speech>() {
    const ABSENCES: usize = 12;
    let mut server = Database::<E>::start();
    make_table(&server);
    let mut daemon = Survivor::start::<E>(&server.url());
    while_writing::<E, _>(&server.client(), || {
        wait_until("some rows", WITHIN, || (stored(&daemon.workdir).len() > 50).then_some(()));
    });
    server.stop();
    let away = |said: &str| said.matches("cannot be reached").count();
    let (begun, before) = (Instant::now(), away(&daemon.running.stderr()));
    wait_until("the daemon to miss its server", WITHIN, || {
        daemon.must_live();
        (away(&daemon.running.stderr()) >= before + ABSENCES).then_some(())
    });
    let polls = begun.elapsed().as_millis() / 100 + 2;
    assert!(ABSENCES as u128 <= polls, "{ABSENCES} messages in {polls} polls");
    server.start_again();
    while_writing::<E, _>(&server.client(), || {
        let before = stored(&daemon.workdir).len();
        wait_until("more rows", WITHIN, || (stored(&daemon.workdir).len() > before).then_some(()));
    });
    let _ = daemon.assert_all_stored(&server);
}

macro_rules! play {
    ($engine:ty) => {
        crate::served::played!(killed, $engine:
            rows_are_stored_once_though_the_daemon_is_killed_while_they_are_written
            rows_are_stored_once_though_the_server_is_killed_while_they_are_written
            rows_are_stored_once_though_connections_are_cut_in_the_middle_of_what_the_server_sends
            a_server_that_is_away_for_long_is_asked_once_a_poll_and_read_on_when_it_is_back
        );
        crate::served::played_for_long!(killed, $engine:
            rows_are_stored_once_though_the_daemon_is_killed_many_times_while_they_are_written
            rows_are_stored_once_though_the_server_is_killed_many_times_while_they_are_written
            rows_are_stored_once_though_connections_are_cut_many_times
        );
    };
}
pub(crate) use play;
