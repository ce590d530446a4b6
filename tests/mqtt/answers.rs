//! What each answer leads to, of those that no real broker gives on demand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mqtt_proto::v5::{ConnackProperties, ConnectReasonCode, DisconnectReasonCode, PubackReasonCode, Publish};

use crate::support::daemon::Workdir;
use crate::support::process::wait_until;
use crate::support::stub_broker::{Reply, Said, StubBroker, acknowledge, leave, let_in, welcome};
use crate::{TABLE, WITHIN, at_once, once, sending};

fn one_row(url: &str, lines: &str) -> Workdir {
    let workdir = sending(url, lines);
    workdir.append("met.csv", "A,2026-01-01 00:00:00,0.50\n");
    workdir
}

/// A broker that answers the first message as `first` says, and takes all that follow.
fn at_first(mut first: impl FnMut(&Publish) -> Reply + Send + 'static) -> StubBroker {
    let mut count = 0;
    StubBroker::start(move |said| match said {
        Said::Connect(_) => let_in(),
        Said::Publish(publish) => {
            count += 1;
            if count == 1 { first(publish) } else { acknowledge(publish, PubackReasonCode::Success) }
        }
        Said::Disconnect => Reply::Silence,
    })
}

fn property<'p>(publish: &'p Publish, name: &str) -> Option<&'p str> {
    let found = publish.properties.user_properties.iter().find(|property| &*property.name == name);
    found.map(|property| &*property.value)
}

#[test]
fn what_passes_by_itself_is_tried_again_within_a_run_and_as_it_was() {
    for code in [
        PubackReasonCode::QuotaExceeded,
        PubackReasonCode::UnspecifiedError,
        PubackReasonCode::ImplementationSpecificError,
        PubackReasonCode::PacketIdentifierInUse,
    ] {
        let broker = at_first(move |publish| acknowledge(publish, code));
        let workdir = one_row(&broker.url(), "");
        let _ = once(&workdir).run().expect_code(0);
        let published = broker.published();
        assert_eq!(published.len(), 2, "{code:?}");
        assert_eq!(published[0].payload, published[1].payload);
        assert_eq!(property(&published[0], "idempotency-key"), property(&published[1], "idempotency-key"));
        assert!(
            property(&published[0], "idempotency-key").is_some_and(|key| key.ends_with("/MET/A/live/0\""))
        );
        assert_eq!(property(&published[0], "livecosmos-rows"), Some("1"));
        assert_eq!(published[0].properties.content_type.as_deref(), Some("application/x-ndjson"));
    }
}

#[test]
fn a_message_whose_acknowledgement_is_lost_is_sent_again_before_the_watermark_moves() {
    for reply in [Reply::Close(Vec::new()), Reply::Silence, leave(DisconnectReasonCode::ServerShuttingDown)] {
        let waits = matches!(reply, Reply::Silence);
        let broker = at_first(move |_| reply.clone());
        let workdir = one_row(&broker.url(), if waits { "request_timeout = \"5s\"" } else { "" });
        let _ = once(&workdir).run().expect_code(0);
        wait_until("its leave", WITHIN, || {
            matches!(broker.said().last(), Some(Said::Disconnect)).then_some(())
        });
        let said = broker.said();
        let connects = said.iter().filter(|said| matches!(said, Said::Connect(_))).count();
        assert_eq!(connects, 2, "on one connection nothing is sent twice");
        let published = broker.published();
        assert_eq!(published.len(), 2);
        assert_eq!(published[0].payload, published[1].payload);
    }
}

#[test]
fn a_session_that_was_kept_is_told_of_a_message_that_comes_again() {
    let connects = AtomicUsize::new(0);
    let mut count = 0;
    let broker = StubBroker::start(move |said| match said {
        Said::Connect(connect) => {
            assert!(!connect.clean_start && connect.properties.session_expiry_interval > Some(0));
            let has_session = connects.fetch_add(1, Ordering::SeqCst) > 0;
            let connack = mqtt_proto::v5::Connack::new(has_session, ConnectReasonCode::Success);
            Reply::Bytes(
                mqtt_proto::v5::Packet::Connack(connack).encode().expect("a packet").as_ref().to_vec(),
            )
        }
        Said::Publish(publish) => {
            count += 1;
            if count == 1 {
                Reply::Close(Vec::new())
            } else {
                acknowledge(publish, PubackReasonCode::Success)
            }
        }
        Said::Disconnect => Reply::Silence,
    });
    let workdir = one_row(&broker.url(), "");
    let _ = once(&workdir).run().expect_code(0);
    let published = broker.published();
    assert_eq!(published[0].qos_pid, published[1].qos_pid);
    assert_eq!((published[0].dup, published[1].dup), (false, true));
}

#[test]
fn nothing_is_stored_before_it_is_acknowledged() {
    let broker = StubBroker::start(|said| match said {
        Said::Connect(_) => let_in(),
        _ => Reply::Silence,
    });
    let workdir = one_row(&broker.url(), "request_timeout = \"1s\"");
    let mut daemon = workdir.livecosmos().table(TABLE).env("LIVECOSMOS_LOG", "debug").spawn();
    daemon.wait_for_stderr("did not acknowledge", WITHIN);
    drop(daemon.kill());
    let sent = broker.published();
    let taking = at_first(|publish| acknowledge(publish, PubackReasonCode::Success));
    crate::change(&workdir, &broker.url(), &taking.url());
    crate::change(&workdir, "request_timeout = \"1s\"", "");
    workdir.append("met.csv", "A,2026-01-01 00:01:00,1.50\n");
    let _ = once(&workdir).run().expect_code(0);
    let again = taking.published();
    assert_eq!(again.len(), 2, "the same batch, and then what came later");
    assert_eq!(again[0].payload, sent[0].payload);
}

#[test]
fn a_row_whose_payload_is_refused_is_put_aside_and_all_others_arrive() {
    let broker = StubBroker::start(|said| match said {
        Said::Connect(_) => let_in(),
        Said::Publish(publish) => {
            let is_unlucky = String::from_utf8_lossy(&publish.payload).contains("13.50");
            let code =
                if is_unlucky { PubackReasonCode::PayloadFormatInvalid } else { PubackReasonCode::Success };
            acknowledge(publish, code)
        }
        Said::Disconnect => Reply::Silence,
    });
    let workdir = sending(&broker.url(), "");
    crate::add_rows(&workdir, 0, 60);
    let _ = once(&workdir).run();
    let _ = once(&workdir).run().expect_code(0);
    let quarantine =
        std::fs::read_to_string(workdir.state_dir().join("MET.quarantine.ndjson")).expect("one row");
    assert!(quarantine.lines().count() == 1 && quarantine.contains("payload format invalid"), "{quarantine}");
}

#[test]
fn a_broker_that_leaves_because_of_a_large_packet_gets_smaller_ones() {
    let broker = StubBroker::start(|said| match said {
        Said::Connect(_) => let_in(),
        Said::Publish(publish) if publish.payload.len() > 500 => leave(DisconnectReasonCode::PacketTooLarge),
        Said::Publish(publish) => acknowledge(publish, PubackReasonCode::Success),
        Said::Disconnect => Reply::Silence,
    });
    let workdir = sending(&broker.url(), "");
    let row = |at: u32| format!("A,2026-01-01 00:{at:02}:00,{at}.50\n");
    workdir.append("met.csv", (0..40).map(row).collect::<String>());
    let _ = once(&workdir).run();
    let _ = once(&workdir).run().expect_code(0);
    let taken = broker.published().into_iter().filter(|publish| publish.payload.len() <= 500);
    let rows: usize = taken.map(|publish| String::from_utf8_lossy(&publish.payload).lines().count()).sum();
    assert_eq!(rows, 40);
    assert!(!workdir.state_dir().join("MET.quarantine.ndjson").exists());
}

#[test]
fn what_the_broker_says_at_the_door_decides_the_code() {
    let refusing = |code| welcome(code, ConnackProperties::default());
    let none = ConnackProperties { max_qos: Some(mqtt_proto::QoS::Level0), ..ConnackProperties::default() };
    let cases = [
        (refusing(ConnectReasonCode::UnsupportedProtocolVersion), 78, "version = \"3.1.1\""),
        (refusing(ConnectReasonCode::ClientIdentifierNotValid), 78, "client_id"),
        (refusing(ConnectReasonCode::Banned), 77, "banned"),
        (refusing(ConnectReasonCode::NotAuthorized), 77, "access rules"),
        (refusing(ConnectReasonCode::ServerBusy), 69, "server busy"),
        (refusing(ConnectReasonCode::ServerMoved), 78, "set url"),
        (welcome(ConnectReasonCode::Success, none), 78, "QoS"),
        // A broker that knows 3.1.1 alone.
        (Reply::Close(vec![0x20, 2, 0, 1]), 78, "version = \"3.1.1\""),
        // And what is none at all.
        (Reply::Close(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), 69, "check that it speaks MQTT there"),
    ];
    at_once(cases, |(reply, exit, words)| {
        let broker = StubBroker::start(move |_| reply.clone());
        let workdir = one_row(&broker.url(), "");
        let said = once(&workdir).run().expect_code(exit).stderr;
        assert!(said.contains(words), "{words}: {said}");
    });
}

#[test]
fn a_name_that_another_client_uses_too_is_left_to_it_for_a_while() {
    let broker = at_first(|_| leave(DisconnectReasonCode::SessionTakenOver));
    let workdir = one_row(&broker.url(), "");
    let mut daemon = workdir.livecosmos().table(TABLE).spawn();
    daemon.wait_for_stderr("give each one of its own", WITHIN);
    let connects =
        |broker: &StubBroker| broker.said().iter().filter(|said| matches!(said, Said::Connect(_))).count();
    assert_eq!(connects(&broker), 1, "it does not push back");
    drop(daemon.kill());
}

#[test]
fn no_more_messages_are_on_their_way_than_the_broker_allows() {
    let mut held: Vec<Publish> = Vec::new();
    let broker = StubBroker::start(move |said| match said {
        Said::Connect(_) => welcome(
            ConnectReasonCode::Success,
            ConnackProperties { receive_max: Some(2), ..ConnackProperties::default() },
        ),
        Said::Publish(publish) => {
            // Two are answered together: a third that came before would never be.
            held.push(publish.clone());
            if held.len() < 2 {
                return Reply::Silence;
            }
            let acks = held.drain(..).map(|publish| acknowledge(&publish, PubackReasonCode::Success));
            Reply::Bytes(
                acks.flat_map(|ack| match ack {
                    Reply::Bytes(bytes) => bytes,
                    _ => Vec::new(),
                })
                .collect(),
            )
        }
        Said::Disconnect => Reply::Silence,
    });
    let workdir = sending(&broker.url(), "request_timeout = \"120s\"");
    for site in 0..8 {
        workdir.append("met.csv", format!("S{site},2026-01-01 00:00:00,{site}.50\n"));
    }
    let run = once(&workdir).spawn().wait_within(Duration::from_mins(1));
    let _ = run.expect("no message waits for ever").expect_code(0);
    assert_eq!(broker.published().len(), 8);
}
