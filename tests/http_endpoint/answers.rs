//! What each answer leads to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::support::daemon::Livecosmos;
use crate::support::http::Message;
use crate::support::process::wait_until;
use crate::support::receiver::Receiver;
use crate::support::scripted::{Scripted, answer};
use crate::{TABLE, add_rows, assert_once, once, sending};

const WITHIN: Duration = Duration::from_mins(1);

#[test]
fn every_row_arrives_once_with_its_key_and_its_digest() {
    let receiver = Receiver::start();
    let workdir = sending(&receiver.url(), "");
    add_rows(&workdir, 0, 300);
    let _ = once(&workdir).run().expect_code(0);
    assert_once(&receiver.batches(), 300);
    add_rows(&workdir, 300, 31);
    let _ = once(&workdir).run().expect_code(0);
    let _ = once(&workdir).run().expect_code(0);
    let batches = receiver.batches();
    assert_once(&batches, 331);
    let keys: Vec<&str> =
        batches.keys().filter_map(|key| key.split_once('/')).map(|(_, rest)| rest).collect();
    assert!(keys.contains(&"MET/A/live/0.ndjson") && keys.contains(&"MET/C/live/3.ndjson"), "{keys:?}");
}

#[test]
fn a_put_goes_to_the_key_and_a_compressed_body_is_understood() {
    let receiver = Receiver::start();
    let workdir = sending(&receiver.url(), "method = \"PUT\"");
    let config = std::fs::read_to_string(workdir.config()).expect("the configuration");
    workdir.write(
        "livecosmos.toml",
        config.replace("format = \"ndjson\"", "format = \"ndjson\"\ncompression = \"gzip\""),
    );
    add_rows(&workdir, 0, 100);
    let _ = once(&workdir).run().expect_code(0);
    assert_once(&receiver.batches(), 100);

    let taken = Scripted::start(|_| answer(201, &[], ""));
    let workdir =
        sending(&format!("{}/rows/", taken.url()), "method = \"PUT\"\nheaders = { X-From = \"field\" }");
    add_rows(&workdir, 0, 3);
    let _ = once(&workdir).run().expect_code(0);
    let mut requests = taken.requests();
    requests.sort_by_key(|request| request.target().to_owned());
    assert_eq!(requests[0].start, "PUT /rows/A/MET/00000000000000000000.ndjson HTTP/1.1");
    assert_eq!(requests[0].header("x-from"), Some("field"));
    assert_eq!(requests[0].header("content-type"), Some("application/x-ndjson"));
    assert_eq!(requests[0].header("livecosmos-rows"), Some("1"));
}

#[test]
fn a_receiver_that_says_what_it_holds_is_believed() {
    let receiver = Receiver::start();
    let workdir = sending(&receiver.url(), "");
    add_rows(&workdir, 0, 120);
    let _ = once(&workdir).run().expect_code(0);
    std::fs::create_dir(workdir.path("old")).expect("a folder");
    for name in ["MET.state", "MET.state.backup"] {
        std::fs::copy(workdir.state_dir().join(name), workdir.path("old").join(name)).expect("a copy");
    }
    add_rows(&workdir, 120, 90);
    let _ = once(&workdir).run().expect_code(0);
    for name in ["MET.state", "MET.state.backup"] {
        std::fs::copy(workdir.path("old").join(name), workdir.state_dir().join(name)).expect("a copy");
    }
    // The old state would cut its next batches otherwise.
    add_rows(&workdir, 210, 60);
    let said = once(&workdir).run().expect_code(0).stderr;
    assert!(said.contains("adopted"), "{said}");
    assert_once(&receiver.batches(), 270);
}

#[test]
fn a_conflict_that_is_not_explained_holds_up_the_site_and_nothing_is_lost() {
    let is_mended = Arc::new(AtomicUsize::new(0));
    let mended = Arc::clone(&is_mended);
    let server = Scripted::start(move |request| {
        let is_of_a = request.header("livecosmos-site") == Some("A");
        if is_of_a && mended.load(Ordering::SeqCst) == 0 {
            answer(409, &[], "taken")
        } else {
            answer(200, &[], "")
        }
    });
    let workdir = sending(&server.url(), "");
    add_rows(&workdir, 0, 9);
    let said = once(&workdir).run().expect_code(3).stderr;
    assert!(said.contains("409") && said.contains("livecosmos-… headers"), "{said}");
    is_mended.store(1, Ordering::SeqCst);
    let before = server.requests().len();
    let _ = once(&workdir).run().expect_code(0);
    assert_eq!(server.requests().len(), before + 1, "only what was held up is sent");
}

/// Plays each case on a thread of its own: they wait more than they work.
fn at_once<C: Send>(cases: impl IntoIterator<Item = C>, play: impl Fn(C) + Sync) {
    std::thread::scope(|scope| {
        let play = &play;
        cases.into_iter().for_each(|case| drop(scope.spawn(move || play(case))));
    });
}

/// Rows of the requests that were answered with success.
fn taken(requests: &Mutex<Vec<String>>) -> Vec<String> {
    let mut taken = requests.lock().expect("no thread panics").clone();
    taken.sort_unstable();
    taken
}

#[test]
fn an_array_is_sent_as_such_and_in_halves_until_the_row_is_found_that_is_refused() {
    let stored = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&stored);
    let server = Scripted::start(move |request: &Message| {
        // As a receiver reads it that knows nothing of lines.
        let body = request.text();
        let rows: Result<Vec<&RawValue>, _> = serde_json::from_str(&body);
        let (Some("application/json"), Ok(rows)) = (request.header("content-type"), rows) else {
            return answer(415, &[], "this is no array");
        };
        if request.header("livecosmos-rows") != Some(&*rows.len().to_string()) {
            return answer(415, &[], "rows are missing");
        }
        if rows.iter().any(|row| row.get().contains("\"V\":13.50")) {
            return answer(422, &[], "row 13 is unlucky");
        }
        noted.lock().expect("no thread panics").extend(rows.iter().map(|row| row.get().to_owned()));
        answer(200, &[], "")
    });
    let workdir = sending(&server.url(), "");
    let config = std::fs::read_to_string(workdir.config()).expect("the configuration");
    workdir.write("livecosmos.toml", config.replace("format = \"ndjson\"", "format = \"json\""));
    add_rows(&workdir, 0, 60);
    let _ = once(&workdir).run();
    let _ = once(&workdir).run().expect_code(0);
    let due = (0..60).filter(|at| *at != 13).map(|at| {
        let site = ["A", "B", "C"][at % 3];
        format!(r#"{{"SITE":"{site}","TIME":"2026-01-01T00:{at:02}:00Z","V":{at}.50}}"#)
    });
    let mut due: Vec<String> = due.collect();
    due.sort_unstable();
    assert_eq!(taken(&stored), due);
    let quarantine =
        std::fs::read_to_string(workdir.state_dir().join("MET.quarantine.ndjson")).expect("one row");
    assert!(quarantine.lines().count() == 1 && quarantine.contains("row 13 is unlucky"), "{quarantine}");
}

#[test]
fn a_row_that_is_refused_is_found_and_put_aside_and_all_others_arrive() {
    let stored = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&stored);
    let server = Scripted::start(move |request: &Message| {
        if request.text().contains("\"V\":13.50") {
            return answer(422, &[], "row 13 is unlucky");
        }
        noted.lock().expect("no thread panics").extend(request.text().lines().map(str::to_owned));
        answer(200, &[], "")
    });
    let workdir = sending(&server.url(), "");
    add_rows(&workdir, 0, 60);
    let _ = once(&workdir).run();
    let _ = once(&workdir).run().expect_code(0);
    assert_eq!(taken(&stored).len(), 59);
    let quarantine =
        std::fs::read_to_string(workdir.state_dir().join("MET.quarantine.ndjson")).expect("one row");
    assert!(quarantine.lines().count() == 1 && quarantine.contains("row 13 is unlucky"), "{quarantine}");
}

#[test]
fn a_server_that_asks_for_time_gets_it_and_then_all_rows() {
    for (status, header) in [(429, "2"), (503, "2")] {
        let asked: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let noted = Arc::clone(&asked);
        let server = Scripted::start(move |_| {
            let mut asked = noted.lock().expect("no thread panics");
            asked.push(Instant::now());
            if asked.len() == 1 {
                answer(status, &[("retry-after", header)], "")
            } else {
                answer(200, &[], "")
            }
        });
        let workdir = sending(&server.url(), "");
        // One site: nothing else is on its way when the answer comes.
        workdir.append("met.csv", "A,2026-01-01 00:00:00,0.50\n");
        let mut daemon = workdir.livecosmos().table(TABLE).spawn();
        wait_until("the second attempt", WITHIN, || (server.requests().len() == 2).then_some(()));
        daemon.terminate();
        let _ = daemon.wait().expect_code(0);
        let asked = asked.lock().expect("no thread panics");
        assert!(asked[1].duration_since(asked[0]) >= Duration::from_secs(2), "it came back too early");
    }
}

#[test]
fn what_passes_by_itself_is_tried_again_within_a_run() {
    for status in [408, 425, 500, 502, 504] {
        let count = AtomicUsize::new(0);
        let server = Scripted::start(move |_| {
            answer(if count.fetch_add(1, Ordering::SeqCst) == 0 { status } else { 204 }, &[], "")
        });
        let workdir = sending(&server.url(), "");
        workdir.append("met.csv", "A,2026-01-01 00:00:00,0.50\n");
        let _ = once(&workdir).run().expect_code(0);
        assert_eq!(server.requests().len(), 2, "{status}");
        let keys: Vec<_> =
            server.requests().iter().map(|it| it.header("idempotency-key").map(str::to_owned)).collect();
        assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
    }
}

#[test]
fn who_is_refused_is_told_so_and_nothing_is_put_aside() {
    let cases = [
        (401, 77, "[sink.http]"),
        (403, 77, "may not store"),
        (404, 69, "check url"),
        (405, 69, "check url"),
        (415, 69, "format"),
    ];
    at_once(cases, |(status, code, words)| {
        let server = Scripted::start(move |_| answer(status, &[], "no\u{7}, not\nyou"));
        let workdir = sending(&format!("{}/rows?key=hunter2", server.url()), "");
        add_rows(&workdir, 0, 3);
        let said = once(&workdir).run().expect_code(code).stderr;
        assert!(said.contains(words) && said.contains("(no, not you)"), "{status}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(!workdir.state_dir().join("MET.quarantine.ndjson").exists(), "{status}");
    });
}

#[test]
fn a_redirect_is_followed_within_the_server_and_not_to_another() {
    let elsewhere = Scripted::start(|_| answer(200, &[], ""));
    at_once(
        [("old", 0, 2), ("away", 69, 1), ("moved", 69, 1), ("round", 69, 4)],
        |(path, code, requests)| {
            let target = elsewhere.url();
            let server = Scripted::start(move |request| match request.target() {
                "/old" => answer(308, &[("location", "/new")], ""),
                "/away" => answer(307, &[("location", &target)], ""),
                "/moved" => answer(302, &[("location", "/new")], ""),
                "/round" => answer(307, &[("location", "/round")], ""),
                _ => answer(200, &[], ""),
            });
            let workdir = sending(&format!("{}/{path}", server.url()), "bearer = \"secret-token\"");
            workdir.append("met.csv", "A,2026-01-01 00:00:00,0.50\n");
            let said = once(&workdir).run().expect_code(code).stderr;
            let sent = server.requests().len();
            // A run tries again what may pass by itself.
            assert!(sent >= requests && sent.is_multiple_of(requests), "{path}: {sent} requests, {said}");
            assert!(!said.contains("secret-token"), "{said}");
        },
    );
    assert_eq!(elsewhere.requests().len(), 0, "rows and token stay with the server they are for");
}

#[test]
fn of_a_long_answer_the_beginning_is_read() {
    let server = Scripted::start(|_| answer(400, &[], &"x".repeat(4 << 20)));
    let workdir = sending(&server.url(), "");
    workdir.append("met.csv", "A,2026-01-01 00:00:00,0.50\n");
    let said = once(&workdir).run().stderr;
    assert!(said.contains(&"x".repeat(300)) && !said.contains(&"x".repeat(301)), "{}", said.len());
}

#[test]
fn a_batch_whose_fate_is_not_known_is_sent_again_as_it_was_though_more_rows_have_come() {
    let count = AtomicUsize::new(0);
    let server = Scripted::start(move |_| {
        // Of a run there are some attempts; the next run finds the server well.
        answer(if count.fetch_add(1, Ordering::SeqCst) == 0 { 400 + 1 } else { 200 }, &[], "")
    });
    let workdir = sending(&server.url(), "");
    let row = |at: u32| format!("A,2026-01-01 00:{at:02}:00,{at}.50\n");
    workdir.append("met.csv", (0..7).map(row).collect::<String>());
    let _ = once(&workdir).run().expect_code(77);
    workdir.append("met.csv", (7..20).map(row).collect::<String>());
    let _ = once(&workdir).run().expect_code(0);
    let requests = server.requests();
    let sent = |at: usize| (requests[at].header("idempotency-key").map(str::to_owned), requests[at].text());
    assert_eq!(requests.len(), 3);
    assert_eq!(sent(0), sent(1), "the same batch under the same key");
    assert_eq!(requests[2].text().lines().count(), 13);
}

#[test]
fn what_must_read_the_sink_says_that_it_cannot() {
    let receiver = Receiver::start();
    let workdir = sending(&receiver.url(), "");
    add_rows(&workdir, 0, 9);
    let _ = once(&workdir).run().expect_code(0);
    for arguments in [
        &["verify"][..],
        &["reconcile"],
        &["state", "rebuild", "--yes"],
        &["backfill", "--from", "2026-01-01", "--yes"],
    ] {
        let mut command = Livecosmos::new(workdir.folder());
        for argument in arguments {
            command = command.arg(argument);
        }
        // Verifying needs no state.
        let state = ["--state-dir".into(), workdir.state_dir().into_os_string()];
        let state = state.iter().filter(|_| arguments != ["verify"]);
        let command = command.arg(workdir.config()).arg(TABLE);
        let said = state.fold(command, Livecosmos::arg).run();
        assert!(said.stderr.contains("gives none back"), "{arguments:?}: {}", said.stderr);
        assert_eq!(said.code, Some(78), "{arguments:?}: {}", said.stderr);
    }
    let checked = Livecosmos::new(workdir.folder()).arg("check").arg(workdir.config()).run().expect_code(0);
    assert!(checked.stdout.contains("Idempotency-Key"), "{}", checked.stdout);
}
