//! The fixtures themselves: each server starts, answers as the tests that use it rely on, and ends.

mod support;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::time::Duration;

use support::front::{Fault, Front};
use support::http::Message;
use support::objects::{self, StoredRow};
use support::process::wait_until;
use support::s3_client::S3Client;
use support::{garage, moto, s3s};

const SOON: Duration = Duration::from_secs(20);
/// Names the file in which a copy of this test binary says where its server listens.
const ADDRESS_FILE: &str = "LIVECOSMOS_TEST_ADDRESS_FILE";

#[test]
fn s3s_keeps_the_first_object_and_answers_412_to_the_second() {
    assert_first_object_stays(s3s::start().client());
}

#[test]
fn moto_keeps_the_first_object_and_answers_412_to_the_second() {
    assert_first_object_stays(moto::start().client());
}

#[test]
fn garage_overwrites_the_first_object_and_drops_its_metadata() {
    let server = garage::start();
    let client = server.client();
    assert_eq!(client.put_if_absent("probe", b"one", &[("seq", "1")]), 200);
    assert_eq!(client.put_if_absent("probe", b"two", &[]), 200);
    let object = client.get("probe").expect("an object");
    assert_eq!((object.body.as_slice(), object.metadata.len()), (b"two".as_slice(), 0));
}

#[test]
fn every_server_lists_what_was_stored_and_says_what_is_not_there() {
    let (s3s, moto, garage) = (s3s::start(), moto::start(), garage::start());
    for client in [s3s.client(), moto.client(), garage.client()] {
        for key in ["a/b c/00000000000000000001.json", "a/d", "b"] {
            assert_eq!(client.put(key, key.as_bytes()), 200);
        }
        assert_eq!(client.list("a/"), ["a/b c/00000000000000000001.json", "a/d"]);
        assert_eq!(client.list(""), ["a/b c/00000000000000000001.json", "a/d", "b"]);
        client.delete("a/d");
        assert_eq!(client.get("a/d"), None);
        assert_eq!(client.head("a/d"), None);
        assert_eq!(objects::in_bucket(client, "b"), BTreeMap::from([("b".to_owned(), b"b".to_vec())]));
    }
}

#[test]
fn a_list_longer_than_a_page_is_read_to_its_end() {
    let server = s3s::start();
    let mut expected: Vec<String> = (0..1001).map(|number| format!("site/{number:05}")).collect();
    for key in &expected {
        assert_eq!(server.client().put(key, b""), 200);
    }
    expected.sort();
    assert!(server.client().list("site/") == expected, "the list of the server differs");
    assert!(server.objects().into_keys().eq(expected), "the files of the server differ");
}

#[test]
fn s3s_and_garage_refuse_a_wrong_secret() {
    let (s3s, garage) = (s3s::start(), garage::start());
    for client in [s3s.client(), garage.client()] {
        let stranger = S3Client { secret_key: "another".to_owned(), ..client.clone() };
        assert_eq!(stranger.put("a", b"a"), 403);
        assert_eq!(client.head("a"), None);
    }
}

#[test]
fn a_stopped_server_refuses_connections_and_has_its_objects_when_started_again() {
    let mut server = s3s::start();
    server.client().put("kept", b"bytes");
    server.stop();
    assert!(server.client().try_request("GET", "kept", "", &[], b"").is_err());
    server.start_again();
    assert_eq!(server.client().get("kept").expect("an object").body, b"bytes");
}

#[test]
fn a_dropped_server_is_gone() {
    let server = s3s::start();
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_killed_test_leaves_no_server_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address_file = folder.path().join("address");
    let mut test = Command::new(std::env::current_exe().expect("this binary has a path"))
        .args(["--ignored", "--exact", "holds_a_server_until_it_is_killed"])
        .env(ADDRESS_FILE, &address_file)
        .env("TMPDIR", folder.path())
        .spawn()
        .expect("this binary runs");
    let address = wait_until("the server of the other test", SOON, || {
        let line = std::fs::read_to_string(&address_file).ok()?;
        line.strip_suffix('\n').map(str::to_owned)
    });
    assert!(TcpStream::connect(&address).is_ok());
    test.kill().expect("a child can be killed");
    test.wait().expect("a killed child can be waited for");
    wait_until("the end of its server", SOON, || TcpStream::connect(&address).is_err().then_some(()));
}

#[test]
#[ignore = "runs as a child of the test above, which kills it"]
fn holds_a_server_until_it_is_killed() {
    let Some(address_file) = std::env::var_os(ADDRESS_FILE) else { return };
    let server = s3s::start();
    let mut file = std::fs::File::create(Path::new(&address_file)).expect("a new file");
    writeln!(file, "{}", server.address()).expect("room for a line");
    std::thread::park();
}

#[test]
fn a_lost_reply_leaves_the_object_and_a_lost_request_does_not() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let client = front.client(server.client());
    front.fail_next(1, "PUT", Fault::LoseReply);
    assert_connection_broke(client.try_request("PUT", "stored", "", &[], b"x"));
    front.fail_next(1, "PUT", Fault::LoseRequest);
    assert_connection_broke(client.try_request("PUT", "lost", "", &[], b"x"));
    front.fail_next(1, "PUT", Fault::Answer(503));
    assert_eq!(client.put("refused", b"x"), 503);
    assert_eq!(client.put("fine", b"x"), 200);
    assert_eq!(client.list(""), ["fine", "stored"]);
    assert_eq!(front.count("PUT", 200), 2);
}

#[test]
fn a_stalled_put_is_stored_and_ends_when_the_front_is_cut() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let client = front.client(server.client());
    front.fail_next(1, "PUT", Fault::Stall);
    std::thread::scope(|scope| {
        let stalled = scope.spawn(|| client.try_request("PUT", "a", "", &[], b"x"));
        wait_until("the put at the server", SOON, || (front.count("PUT", 200) == 1).then_some(()));
        assert!(!stalled.is_finished());
        front.cut();
        assert_connection_broke(stalled.join().expect("no panic"));
    });
    assert_eq!(client.list(""), ["a"]);
}

#[test]
fn of_two_puts_at_once_behind_the_front_one_is_stored_and_one_is_told_so() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let client = front.client(server.client());
    // Large enough that both would look for the key before either has moved its object into place.
    let body = vec![b'x'; 1 << 20];
    for round in 0..20 {
        let key = format!("round/{round}");
        let start = Barrier::new(2);
        let put = |who: &str| {
            start.wait();
            client.put_if_absent(&key, &body, &[("who", who)])
        };
        let mut statuses = std::thread::scope(|scope| {
            let (one, two) = (scope.spawn(|| put("one")), scope.spawn(|| put("two")));
            [one.join().expect("no panic"), two.join().expect("no panic")]
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "round {round}");
    }
}

#[test]
fn a_put_whose_client_hangs_up_is_stored_with_its_metadata_behind_the_front() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let client = front.client(server.client());
    for round in 0..50 {
        hang_up_after_put(&client, &format!("round/{round}"));
    }
    wait_until("all puts at the server", SOON, || (front.count("PUT", 200) == 50).then_some(()));
    for key in client.list("") {
        assert_eq!(client.head(&key), Some(BTreeMap::from([("seq".to_owned(), "1".to_owned())])), "{key}");
    }
}

#[test]
fn objects_are_read_whatever_their_compression() {
    let lines = b"{\"n\":0.10}\n{\"n\":2}\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines).expect("memory");
    let objects = BTreeMap::from([
        ("1".to_owned(), lines.to_vec()),
        ("2".to_owned(), gzip.finish().expect("memory")),
        ("3".to_owned(), zstd::encode_all(lines.as_slice(), 1).expect("memory")),
    ]);
    let rows = objects::rows(&objects);
    let texts: Vec<String> = rows.iter().map(|row| row.text("n")).collect();
    assert_eq!(texts, ["0.10", "2", "0.10", "2", "0.10", "2"]);
}

#[test]
fn the_difference_names_missing_doubled_and_foreign_rows() {
    let row = |object: &str, line: &str| StoredRow { object: object.to_owned(), line: line.to_owned() };
    let stored =
        [row("1", "a"), row("1", "b"), row("2", "b"), row("2", "x"), row("3", "twice"), row("3", "twice")];
    let expected = ["a", "b", "c", "twice", "twice"].map(str::to_owned);
    let difference = objects::difference(expected, &stored, |row| row.line.clone());
    assert_eq!(
        difference.to_string(),
        "1 rows missing, 1 doubled, 1 foreign\n  missing: c\n  doubled: b in 1, 2\n  foreign: x in 2\n"
    );
    assert!(!difference.is_none());
    assert!(objects::difference(["a".to_owned()], &stored[..1], |row| row.line.clone()).is_none());
}

fn assert_first_object_stays(client: &S3Client) {
    assert_eq!(client.put_if_absent("probe", b"one", &[("seq", "1")]), 200);
    assert_eq!(client.put_if_absent("probe", b"two", &[("seq", "2")]), 412);
    let object = client.get("probe").expect("an object");
    assert_eq!(object.body, b"one");
    assert_eq!(object.metadata, BTreeMap::from([("seq".to_owned(), "1".to_owned())]));
    assert_eq!(client.head("probe"), Some(object.metadata));
}

/// The other side hung up; the client did not merely tire of waiting.
fn assert_connection_broke(reply: std::io::Result<Message>) {
    let error = reply.expect_err("no reply");
    assert_ne!(error.kind(), ErrorKind::WouldBlock, "the client gave up before the connection broke");
}

/// Sends a whole conditional put and hangs up without waiting for the reply, as a killed client does.
fn hang_up_after_put(client: &S3Client, key: &str) {
    let headers =
        [("if-none-match".to_owned(), "*".to_owned()), ("x-amz-meta-seq".to_owned(), "1".to_owned())];
    client.send("PUT", key, "", &headers, b"body").expect("a connection");
}
