//! While rows keep coming, the daemon, the server, its sessions and the network are killed at random moments:
//! in the end every row that was committed is stored once.

use std::time::{Duration, Instant};

use crate::data::{self, SplitMix64};
use crate::support::daemon::{Running, Workdir};
use crate::support::front::Front;
use crate::support::postgres::{Postgres, url_of};
use crate::support::process::wait_until;
use crate::support::relay::Relay;
use crate::support::{objects, s3s};
use crate::writers::{assert_stored_once, count, following, make_table, while_writing};

const WITHIN: Duration = Duration::from_mins(2);
const FOLDER: &str = "[sink]\nurl = \"file://./stored\"";

/// How often, in the long run of `make torture`.
fn often() -> u32 {
    let kills = std::env::var("LIVECOSMOS_KILLS").ok().and_then(|kills| kills.parse().ok());
    kills.unwrap_or(100)
}

/// Waits up to `ms_max`, at random.
fn wait_for_a_moment(random: &mut SplitMix64, ms_max: u64) {
    let moment = Instant::now() + Duration::from_millis(random.below(ms_max));
    wait_until("a random moment", WITHIN, || (Instant::now() >= moment).then_some(()));
}

fn seeded() -> SplitMix64 {
    let seed = data::seed();
    println!("seed {seed}");
    SplitMix64::new(seed)
}

fn kill_the_daemon(kills: u32) {
    let mut random = seeded();
    let server = Postgres::start();
    make_table(&server);
    let store = s3s::start();
    let front = Front::before(store.address());
    let sink = format!(
        "[sink]\nurl = \"s3://{}/raw\"\n[sink.s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\npath_style = true\n",
        store.bucket(),
        front.endpoint()
    );
    let workdir = following(&server.url(), &sink);
    let daemon = workdir.livecosmos().table("MET").credentials(&store);
    let mut at_work = 0;
    while_writing(&server.url(), || {
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
    let count = assert_stored_once(&server, &rows);
    println!(
        "{kills} kills of the daemon, {at_work} of them after it had stored something: {count} rows, each once"
    );
    assert!(at_work > kills / 5, "it hardly came to work between two kills");
}

#[test]
fn rows_are_stored_once_though_the_daemon_is_killed_while_they_are_written() {
    kill_the_daemon(10);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn rows_are_stored_once_though_the_daemon_is_killed_many_times_while_they_are_written() {
    kill_the_daemon(often());
}

/// A daemon that stores in a folder, and must live through whatever happens to its server.
struct Survivor {
    workdir: Workdir,
    running: Running,
}

impl Survivor {
    fn start(url: &str) -> Self {
        let workdir = following(url, FOLDER);
        let running = workdir.livecosmos().table("MET").spawn();
        Self { workdir, running }
    }

    fn stored(&self) -> Vec<objects::StoredRow> {
        let folder = self.workdir.path("stored");
        if folder.exists() { objects::rows(&objects::in_folder(&folder)) } else { Vec::new() }
    }

    fn must_live(&mut self) {
        assert!(self.running.is_running(), "the daemon ended: {}", self.running.stderr());
    }

    /// Waits until all is stored that `server` holds, ends the daemon, and compares; gives the number of rows
    /// and what it had to say.
    fn assert_all_stored(mut self, server: &Postgres) -> (usize, String) {
        let count = count(server);
        let begun = Instant::now();
        // What is missing when the time is over is told by the comparison.
        while self.stored().len() < count && begun.elapsed() < WITHIN {
            self.must_live();
            std::thread::yield_now();
        }
        let stored = self.stored();
        self.running.terminate();
        let said = self.running.wait().expect_code(0).stderr;
        if stored.len() < count {
            println!("the daemon said: {said}");
        }
        assert_eq!(assert_stored_once(server, &stored), count);
        (count, said)
    }
}

fn kill_the_server(kills: u32) {
    let mut random = seeded();
    let mut server = Postgres::start();
    make_table(&server);
    let mut daemon = Survivor::start(&server.url());
    while_writing(&server.url(), || {
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

#[test]
fn rows_are_stored_once_though_the_server_is_killed_while_they_are_written() {
    kill_the_server(10);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn rows_are_stored_once_though_the_server_is_killed_many_times_while_they_are_written() {
    kill_the_server(often());
}

/// Calls `function` for the daemon's sessions, each time at a random moment at which one of them is at work.
fn strike_sessions(function: &str, strikes: u32) {
    let mut random = seeded();
    let server = Postgres::start();
    make_table(&server);
    let mut daemon = Survivor::start(&server.url());
    while_writing(&server.url(), || {
        for _ in 0..strikes {
            wait_for_a_moment(&mut random, 300);
            server.run(&format!(
                "DO $$ BEGIN LOOP PERFORM pg_stat_clear_snapshot(); PERFORM {function}(pid) FROM pg_stat_activity \
                 WHERE application_name = 'livecosmos' AND state IN ('active', 'idle in transaction'); \
                 EXIT WHEN FOUND; PERFORM pg_sleep(0.0005); END LOOP; END $$"
            ));
            daemon.must_live();
        }
    });
    let (count, said) = daemon.assert_all_stored(&server);
    let met = said.matches(" ERROR ").count();
    println!("{strikes} times {function}, met {met} times: {count} rows, each once");
    // A few may all fall between two statements.
    assert!(met > 0 || strikes < 50, "the daemon met none of them: {said}");
}

#[test]
fn rows_are_stored_once_though_sessions_are_ended_in_the_middle_of_a_statement() {
    strike_sessions("pg_terminate_backend", 10);
}

#[test]
fn rows_are_stored_once_though_statements_are_cancelled() {
    strike_sessions("pg_cancel_backend", 10);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn rows_are_stored_once_though_sessions_are_ended_and_cancelled_many_times() {
    strike_sessions("pg_terminate_backend", often() / 2);
    strike_sessions("pg_cancel_backend", often() / 2);
}

fn cut_connections(cuts: u64) {
    let mut random = seeded();
    let server = Postgres::start();
    make_table(&server);
    let relay = Relay::before(server.address());
    let mut daemon = Survivor::start(&url_of("postgres", relay.address()));
    while_writing(&server.url(), || {
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

#[test]
fn rows_are_stored_once_though_connections_are_cut_in_the_middle_of_what_the_server_sends() {
    cut_connections(10);
}

#[test]
#[ignore = "minutes; part of make torture"]
fn rows_are_stored_once_though_connections_are_cut_many_times() {
    cut_connections(u64::from(often()));
}

#[test]
fn a_server_that_is_away_for_long_is_asked_once_a_poll_and_read_on_when_it_is_back() {
    const ABSENCES: usize = 12;
    let mut server = Postgres::start();
    make_table(&server);
    let mut daemon = Survivor::start(&server.url());
    while_writing(&server.url(), || {
        wait_until("some rows", WITHIN, || (daemon.stored().len() > 50).then_some(()));
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
    while_writing(&server.url(), || {
        let before = daemon.stored().len();
        wait_until("more rows", WITHIN, || (daemon.stored().len() > before).then_some(()));
    });
    let _ = daemon.assert_all_stored(&server);
}
