//! Who we are, and who they are.

use crate::support::authority::Authority;
use crate::support::receiver::Receiver;
use crate::support::scripted::{Scripted, answer};
use crate::{add_rows, assert_once, once, sending};

#[test]
fn a_server_and_its_client_know_each_other_by_their_certificates() {
    let authority = Authority::new();
    authority.sign("station", "station", "DNS:station");
    let receiver = Receiver::start_encrypted(&authority);
    let url = receiver.url().replace("http://", "https://");
    let known = format!("ca = \"{}\"\n", authority.file("ca.crt"));
    let ours = format!(
        "certificate = \"{}\"\ncertificate_key = \"{}\"\n",
        authority.file("station.crt"),
        authority.file("station.key")
    );
    let workdir = sending(&url, &format!("{known}{ours}"));
    add_rows(&workdir, 0, 60);
    let _ = once(&workdir).run().expect_code(0);
    assert_once(&receiver.batches(), 60);

    let stranger = sending(&url, &known);
    add_rows(&stranger, 0, 3);
    let said = once(&stranger).run().expect_code(69).stderr;
    assert!(said.contains("does not answer"), "{said}");
    let trusting_nobody = sending(&url, &ours);
    add_rows(&trusting_nobody, 0, 3);
    let said = once(&trusting_nobody).run().expect_code(69).stderr;
    assert!(said.contains("certificate"), "{said}");
    assert_once(&receiver.batches(), 60);
}

#[test]
fn tokens_and_passwords_come_from_where_they_are_kept_and_are_never_shown() {
    let server = Scripted::start(|_| answer(200, &[], ""));
    let cases = [
        ("bearer = \"tok\"", "Bearer tok"),
        ("bearer_file = \"token\"", "Bearer from-file"),
        ("user = \"us\"\npassword = \"pw\"", "Basic dXM6cHc="),
        ("user = \"us\"", "Basic dXM6ZnJvbS1lbnY="),
    ];
    for (lines, expected) in cases {
        let workdir = sending(&server.url(), lines);
        workdir.write("token", "from-file\n");
        workdir.append("met.csv", "A,2026-01-01 00:00:00,0.50\n");
        let run = once(&workdir).env("LIVECOSMOS_PASSWORD", "from-env").env("LIVECOSMOS_LOG", "trace").run();
        let said = run.expect_code(0).stderr;
        let request = server.requests().pop().expect("a request");
        assert_eq!(request.header("authorization"), Some(expected));
        for secret in ["Bearer tok", "from-file", "from-env", "dXM6"] {
            assert!(!said.contains(secret), "{secret} is shown: {said}");
        }
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_remedy() {
    let refusal = |url: &str, lines: &str| {
        let workdir = sending(url, lines);
        add_rows(&workdir, 0, 3);
        once(&workdir).run().expect_code(78).stderr
    };
    assert!(refusal("http://ingest.example.org/rows", "").contains("allow_http = true in [sink.http]"));
    assert!(refusal("https://user:pw@h/rows", "").contains("remove them"));
    assert!(refusal("https://h/rows", "bearer = \"x\"\nuser = \"y\"").contains("keep one of the two"));
    assert!(refusal("https://h/rows", "bearer = \"x\"\nbearer_file = \"y\"").contains("said twice"));
    assert!(refusal("https://h/rows", "password = \"x\"").contains("set user"));
    assert!(refusal("https://h/rows", "certificate = \"x\"").contains("go together"));
    assert!(refusal("https://h/rows", "ca = \"none.crt\"").contains("none.crt cannot be read"));
    assert!(refusal("https://h/rows", "headers = { \"a b\" = \"x\" }").contains("'a b'"));
    assert!(refusal("https://", "").contains("https://host:port/path"));
    let workdir = sending("https://h/rows", "");
    let config = std::fs::read_to_string(workdir.config()).expect("the configuration");
    workdir.write("livecosmos.toml", config.replace("format =", "key = \"hive\"\nformat ="));
    assert!(once(&workdir).run().expect_code(78).stderr.contains("gives nothing back"));
}
