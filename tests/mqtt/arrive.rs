//! What arrives, and how it is spelled.

use crate::support::mosquitto::Mosquitto;
use crate::support::process::wait_until;
use crate::support::subscriber::Subscriber;
use crate::{TABLE, TOPICS, WITHIN, add_rows, assert_arrived, change, once, sending};

#[test]
fn every_row_arrives_once_in_both_versions_and_with_facts_in_all_places() {
    let cases = [
        ("", "5"),
        ("facts = \"line\"", "5"),
        ("version = \"3.1.1\"", "3.1.1"),
        ("version = \"3.1.1\"\nfacts = \"line\"", "3.1.1"),
    ];
    for (lines, version) in cases {
        let broker = Mosquitto::start();
        let receiver = Subscriber::start(broker.address(), version, TOPICS);
        let workdir = sending(&broker.url(), lines);
        add_rows(&workdir, 0, 300);
        let _ = once(&workdir).run().expect_code(0);
        add_rows(&workdir, 300, 31);
        let _ = once(&workdir).run().expect_code(0);
        let _ = once(&workdir).run().expect_code(0);
        assert_arrived(&receiver, 331);
        let batches = receiver.batches();
        let keys: Vec<&str> = batches.keys().map(String::as_str).collect();
        if lines == "version = \"3.1.1\"" {
            assert_eq!(
                keys,
                ["livecosmos/MET/A.ndjson", "livecosmos/MET/B.ndjson", "livecosmos/MET/C.ndjson"]
            );
        } else {
            assert!(keys.iter().any(|key| key.ends_with("/MET/A/live/0.ndjson")), "{keys:?}");
            assert!(keys.iter().any(|key| key.ends_with("/MET/C/live/3.ndjson")), "{keys:?}");
        }
    }
}

#[test]
fn facts_before_a_compressed_payload_are_readable_and_the_payload_is_what_was_sent() {
    let broker = Mosquitto::start();
    let receiver = Subscriber::start(broker.address(), "5", TOPICS);
    let workdir = sending(&broker.url(), "version = \"3.1.1\"\nfacts = \"line\"");
    change(&workdir, "format = \"ndjson\"", "format = \"ndjson\"\ncompression = \"gzip\"");
    add_rows(&workdir, 0, 100);
    let _ = once(&workdir).run().expect_code(0);
    assert_arrived(&receiver, 100);
}

#[test]
fn a_document_of_a_logger_arrives_alone_under_its_site_as_the_predecessors_receivers_take_it() {
    let broker = Mosquitto::start();
    let heard = broker.listen("cosmos/+/data", &["-F", "%t %p"]);
    let workdir = sending(&broker.url(), "version = \"3.1.1\"\ntopic = \"cosmos/{site}/data\"");
    change(&workdir, "format = \"ndjson\"", "format = \"cr1000x\"");
    add_rows(&workdir, 0, 6);
    wait_until("a listener", WITHIN, || broker.log().contains("cosmos/+/data").then_some(()));
    let _ = once(&workdir).run().expect_code(0);
    let lines =
        wait_until("three documents", WITHIN, || Some(heard.heard()).filter(|lines| lines.len() == 3));
    for line in lines {
        let (topic, document) = line.split_once(' ').expect("topic and payload");
        let document: serde_json::Value = serde_json::from_str(document).expect("one JSON document");
        let site = topic.split('/').nth(1).expect("the site");
        assert_eq!(document["head"]["environment"]["station_name"], site, "{document}");
        assert_eq!(document["data"].as_array().expect("rows").len(), 2);
    }
}

#[test]
fn batches_are_cut_to_what_the_broker_takes_and_a_row_that_is_too_large_is_put_aside() {
    for (lines, limit) in
        [("", "max_packet_size 6000\n"), ("version = \"3.1.1\"\npacket_bytes_max = \"6000B\"", "")]
    {
        let broker = Mosquitto::start_with(&format!("allow_anonymous true\n{limit}"));
        let receiver =
            Subscriber::start(broker.address(), if limit.is_empty() { "3.1.1" } else { "5" }, TOPICS);
        let workdir = sending(&broker.url(), lines);
        change(&workdir, "batch_rows_max = 40", "batch_rows_max = 10000");
        add_rows(&workdir, 0, 900);
        let said = once(&workdir).run().expect_code(0).stderr;
        assert_arrived(&receiver, 900);
        assert!(!said.contains("refused"), "what is cut to fit is not refused first: {said}");

        workdir.append("met.csv", format!("A,2026-01-03 00:00:00,{}\n", "9".repeat(7000)));
        add_rows(&workdir, 900, 9);
        let _ = once(&workdir).run();
        let _ = once(&workdir).run().expect_code(0);
        assert_arrived(&receiver, 909);
        let quarantine = workdir.state_dir().join("MET.quarantine.ndjson");
        let quarantine = std::fs::read_to_string(quarantine).expect("one row");
        assert_eq!(quarantine.lines().count(), 1, "{quarantine}");
        assert!(quarantine.contains("takes packets of 6000 bytes"), "{quarantine}");
    }
}

#[test]
fn the_status_is_online_while_the_daemon_is_there_and_offline_when_it_was_killed_or_has_ended() {
    for version in ["5", "3.1.1"] {
        let mut broker = Mosquitto::start();
        let workdir = sending(
            &broker.url(),
            &format!(
                "version = \"{version}\"\nstatus_topic = \"field/{{table}}/status\"\nkeep_alive = \"5s\""
            ),
        );
        let heard = broker.listen("field/MET/status", &["-F", "%r %p"]);
        let says = |what: &str| {
            wait_until(what, WITHIN, || {
                // Who subscribes later is told what is retained.
                heard.heard().last().filter(|line| line.ends_with(what)).map(|_| ())
            });
        };
        let daemon = workdir.livecosmos().table(TABLE).spawn();
        says("online");
        drop(daemon.kill());
        says("offline");
        let mut daemon = workdir.livecosmos().table(TABLE).spawn();
        says("online");
        daemon.terminate();
        let _ = daemon.wait().expect_code(0);
        says("offline");

        let daemon = workdir.livecosmos().table(TABLE).spawn();
        says("online");
        broker.kill();
        broker.start_again();
        // Nothing is to be sent, and it comes back all the same.
        let again = broker.listen("field/MET/status", &["-F", "%r %p", "-i", "later"]);
        wait_until("its return", WITHIN, || {
            again.heard().last().filter(|line| line.ends_with("online")).map(|_| ())
        });
        drop(daemon);
    }
}

#[test]
fn that_nobody_listens_is_said_and_no_error() {
    let broker = Mosquitto::start();
    let workdir = sending(&broker.url(), "");
    add_rows(&workdir, 0, 9);
    let said = once(&workdir).run().expect_code(0).stderr;
    assert_eq!(said.matches("nobody subscribes").count(), 1, "{said}");
}
