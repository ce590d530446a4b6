//! Who is refused, and what cannot be meant.

use crate::support::daemon::{Livecosmos, Workdir, workdir};
use crate::support::mosquitto::Mosquitto;
use crate::support::process::{free_address, wait_until};
use crate::support::subscriber::Subscriber;
use crate::{TOPICS, WITHIN, add_rows, assert_arrived, once, sending};

fn check(workdir: &Workdir) -> Livecosmos {
    Livecosmos::new(workdir.folder()).arg("check").arg(workdir.config())
}

#[test]
fn a_wrong_password_ends_with_its_code_and_the_right_one_is_taken_from_where_it_is_kept() {
    let passwords = workdir("");
    let file = Mosquitto::password_file("field", "hunter2", passwords.folder());
    let broker = Mosquitto::start_with(&format!("password_file {}\n", file.display()));
    for version in ["5", "3.1.1"] {
        for (lines, code) in [
            ("user = \"field\"\npassword = \"wrong\"", 77),
            ("", 77),
            ("user = \"field\"\npassword_file = \"secret\"", 0),
            ("user = \"field\"", 0),
        ] {
            let workdir = sending(&broker.url(), &format!("version = \"{version}\"\n{lines}"));
            workdir.write("secret", "hunter2\n");
            add_rows(&workdir, 0, 3);
            let run =
                once(&workdir).env("LIVECOSMOS_PASSWORD", "hunter2").env("LIVECOSMOS_LOG", "trace").run();
            let said = run.expect_code(code).stderr;
            assert!(!said.contains("hunter2"), "{said}");
            assert!(code == 0 || said.contains("[sink.mqtt]"), "{said}");
            assert!(!workdir.state_dir().join("MET.quarantine.ndjson").exists());
            let checked = check(&workdir).env("LIVECOSMOS_PASSWORD", "hunter2").run();
            let _ = checked.expect_code(code);
        }
    }
}

#[test]
fn a_topic_that_is_forbidden_to_one_site_holds_up_that_site_alone() {
    let rules = "topic write livecosmos/MET/A\ntopic write livecosmos/MET/B\ntopic read livecosmos/#\n";
    let folder = workdir("");
    folder.write("rules", rules);
    let lines =
        |folder: &Workdir| format!("allow_anonymous true\nacl_file {}\n", folder.path("rules").display());
    let mut broker = Mosquitto::start_with(&lines(&folder));
    let mut receiver = Subscriber::start(broker.address(), "5", TOPICS);
    let workdir = sending(&broker.url(), "");
    add_rows(&workdir, 0, 90);
    let said = once(&workdir).run().expect_code(3).stderr;
    assert!(said.contains("not authorized") && said.contains("access rules"), "{said}");
    assert!(!workdir.state_dir().join("MET.quarantine.ndjson").exists());
    folder.write("rules", format!("{rules}topic write livecosmos/MET/C\n"));
    wait_until("the rows of the others", WITHIN, || (receiver.rows() == 60).then_some(()));
    let seen = receiver.subscriptions();
    broker.kill();
    broker.start_again();
    receiver.wait_subscribed(seen);
    let _ = once(&workdir).run().expect_code(0);
    assert_arrived(&receiver, 90);
}

#[test]
fn a_topic_that_is_forbidden_to_all_ends_with_its_code() {
    let folder = workdir("");
    folder.write("rules", "topic read #\n");
    let broker = Mosquitto::start_with(&format!(
        "allow_anonymous true\nacl_file {}\n",
        folder.path("rules").display()
    ));
    let workdir = sending(&broker.url(), "topic = \"rows\"");
    add_rows(&workdir, 0, 9);
    let said = once(&workdir).run().expect_code(77).stderr;
    assert!(said.contains("not authorized") && said.contains("topic rows"), "{said}");
}

#[test]
fn check_says_what_the_broker_allows_and_pushes_no_daemon_out() {
    let broker = Mosquitto::start_with("allow_anonymous true\nmax_packet_size 20480\n");
    let workdir = sending(&broker.url(), "client_id = \"field\"");
    let daemon = workdir.livecosmos().table("MET").spawn();
    wait_until("the daemon", WITHIN, || broker.log().contains(" as field ").then_some(()));
    let said = check(&workdir).run().expect_code(0).stdout;
    for words in [
        "MQTT 5",
        "QoS 1",
        "20480 bytes",
        "retained messages kept",
        "livecosmos/{table}/{site}",
        "idempotency-key",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(broker.log().contains("field-check") && !broker.log().contains("already connected"));
    drop(daemon);
    let older = sending(&broker.url(), "version = \"3.1.1\"");
    let said = check(&older).run().expect_code(0).stdout;
    assert!(said.contains("MQTT 3.1.1") && said.contains("at least once"), "{said}");
    let nobody = sending(&format!("mqtt://{}", free_address()), "");
    let said = check(&nobody).run().expect_code(69).stderr;
    assert!(said.contains("does not answer"), "{said}");
    add_rows(&nobody, 0, 3);
    let _ = once(&nobody).run().expect_code(69);
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_remedy() {
    let refusal = |url: &str, lines: &str| {
        let workdir = sending(url, lines);
        once(&workdir).run().expect_code(78).stderr
    };
    let secure = "mqtts://broker.example.org";
    assert!(refusal("mqtt://broker.example.org", "").contains("allow_plain = true in [sink.mqtt]"));
    assert!(refusal("mqtts://user:pw@h", "").contains("remove them"));
    assert!(refusal("mqtts://h/rows", "").contains("topic under [sink.mqtt]"));
    assert!(refusal("mqtts://", "").contains("mqtts://host:8883"));
    assert!(refusal("mqtt3://h", "").contains("mqtts://host:8883"));
    assert!(refusal(secure, "topic = \"rows/#\"").contains("wildcard"));
    assert!(refusal(secure, "topic = \"{sight}\"").contains("known are {site}"));
    assert!(refusal(secure, "status_topic = \"a/+\"").contains("wildcard"));
    assert!(refusal(secure, "status_topic = \"{site}\"").contains("known are {table}"));
    assert!(refusal(secure, "version = \"4\"").contains("3.1.1"));
    assert!(refusal(secure, "version = \"3.1.1\"\nfacts = \"properties\"").contains("set facts to"));
    assert!(refusal(secure, "password = \"x\"").contains("set user"));
    assert!(refusal(secure, "certificate = \"x\"").contains("go together"));
    assert!(refusal(secure, "ca = \"none.crt\"").contains("none.crt cannot be read"));
    assert!(refusal("mqtt://localhost", "alpn = \"mqtt\"").contains("write mqtts://"));
    assert!(refusal(secure, "client_id = \"\"").contains("client_id is empty"));
    assert!(refusal(secure, "keep_alive = \"1s\"").contains("keep_alive is 1s"));
    assert!(refusal(secure, "packet_bytes_max = \"1KiB\"").contains("packet_bytes_max is "));
    assert!(refusal(secure, "topics = \"x\"").contains("did you mean 'topic'"));
    let workdir =
        sending(secure, "client_id = \"one\"\n[tables.TEMP]\nsite_column = \"SITE\"\ntime_column = \"TIME\"");
    assert!(once(&workdir).run().expect_code(78).stderr.contains("put {table} into client_id"));
    let workdir = sending(secure, "");
    crate::change(&workdir, "format =", "key = \"iot-swarm\"\nformat =");
    assert!(once(&workdir).run().expect_code(78).stderr.contains("gives nothing back"));
}
