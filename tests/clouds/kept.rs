//! Every row once, though the daemon, its state, requests and replies are lost at random moments.

use std::time::{Duration, Instant};

use crate::data::{self, SplitMix64};
use crate::support::front::{Fault, Front};
use crate::support::process::wait_until;
use crate::support::{azurite, google};
use crate::{Cloud, TABLE, add_rows, assert_once, once, storing};

const WITHIN: Duration = Duration::from_mins(2);

fn seeded() -> SplitMix64 {
    let seed = data::seed();
    println!("seed {seed}");
    SplitMix64::new(seed)
}

/// Kills the daemon at random moments while rows keep coming; then loses its state.
fn survive_kills(cloud: &dyn Cloud, endpoint: &str, kills: u32) {
    let mut random = seeded();
    let workdir = storing(&cloud.sink(endpoint));
    let daemon = workdir.livecosmos().table(TABLE);
    let mut rows = 0;
    for _ in 0..kills {
        let more = 30 + u32::try_from(random.below(120)).expect("few");
        add_rows(&workdir, rows, more);
        rows += more;
        let running = daemon.spawn();
        let moment = Instant::now() + Duration::from_millis(random.below(600));
        wait_until("a random moment", WITHIN, || (Instant::now() >= moment).then_some(()));
        drop(running.kill());
    }
    let _ = once(&workdir).run().expect_code(0);
    assert_once(cloud, rows);
    let before = cloud.objects().len();

    std::fs::remove_dir_all(workdir.state_dir()).expect("the state goes");
    let _ = once(&workdir).run().expect_code(0);
    assert_eq!(cloud.objects().len(), before, "nothing is sent again");
    println!("{kills} kills: {rows} rows, each once, in {before} objects");
}

#[test]
fn every_row_is_stored_once_in_azure_though_the_daemon_is_killed() {
    let server = azurite::start();
    survive_kills(&server, &server.endpoint(), 10);
}

#[test]
fn every_row_is_stored_once_in_googles_protocol_though_the_daemon_is_killed() {
    let server = google::start();
    survive_kills(&server, &server.endpoint(), 10);
}

#[test]
fn a_network_that_fails_at_random_loses_and_doubles_nothing_in_azure() {
    let mut random = seeded();
    let server = azurite::start();
    let front = Front::before(server.address());
    let mut dice = SplitMix64::new(random.below(u64::MAX));
    front.set_rule(move |_| match dice.below(12) {
        0 => Fault::LoseRequest,
        1 => Fault::LoseReply,
        2 => Fault::CutReply,
        3 => Fault::Answer(503),
        4 => Fault::AnswerAfter(500),
        5 => Fault::CutRequest,
        _ => Fault::None,
    });
    let endpoint = server.endpoint().replace(&format!("http://{}", server.address()), &front.endpoint());
    let workdir = storing(&format!("{}request_timeout = \"5s\"\n", server.sink(&endpoint)));
    let mut rows = 0;
    for _ in 0..5 {
        let more = 30 + u32::try_from(random.below(120)).expect("few");
        add_rows(&workdir, rows, more);
        rows += more;
        let _ = once(&workdir).run();
    }
    front.set_rule(|_| Fault::None);
    let _ = once(&workdir).run().expect_code(0);
    assert_once(&server, rows);
    println!("{rows} rows, each once; {} puts met a taken key", front.count("PUT", 409));
}

#[test]
fn an_outage_of_azure_ends_with_all_rows_there_once() {
    let mut server = azurite::start();
    let workdir = storing(&server.sink(&server.endpoint()));
    let mut daemon = workdir.livecosmos().table(TABLE).spawn();
    add_rows(&workdir, 0, 60);
    wait_until("the first rows", WITHIN, || (Cloud::objects(&server).len() >= 3).then_some(()));
    server.stop();
    add_rows(&workdir, 60, 300);
    daemon.wait_for_stderr("nothing listens there", WITHIN);
    server.start_again();
    add_rows(&workdir, 360, 30);
    let rows =
        || Cloud::objects(&server).values().map(|bytes| bytes.split(|byte| *byte == b'\n').count() - 1).sum();
    wait_until("all rows", WITHIN, || {
        let stored: usize = rows();
        (stored >= 390).then_some(())
    });
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    assert_once(&server, 390);
}

#[test]
fn objects_leave_no_faster_than_they_may() {
    const BYTES_PER_S: u64 = 20_000;
    let (azurite, google) = (azurite::start(), google::start());
    let clouds: [(&dyn Cloud, String); 2] = [(&azurite, azurite.endpoint()), (&google, google.endpoint())];
    for (cloud, endpoint) in clouds {
        let pace = format!("[sink]\nbytes_per_second_max = \"{} kB\"\n", BYTES_PER_S / 1000);
        let sink = cloud.sink(&endpoint).replace("[sink]\n", &pace);
        let workdir = storing(&sink);
        add_rows(&workdir, 0, 2000);
        let begun = Instant::now();
        let _ = once(&workdir).run().expect_code(0);
        let took = begun.elapsed();
        let bytes: usize = cloud.objects().values().map(Vec::len).sum();
        // What may leave at once is at most what a second brings.
        let least = Duration::from_secs(bytes as u64 / BYTES_PER_S - 1);
        assert!(least > Duration::from_secs(2) && took >= least, "{bytes} bytes took {took:?}");
        assert_once(cloud, 2000);
    }
}
