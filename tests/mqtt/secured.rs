//! Who we are, and who they are.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::support::authority::Authority;
use crate::support::mosquitto::Mosquitto;
use crate::support::process::{self, Process, free_address, wait_until};
use crate::{WITHIN, add_rows, at_once, once, sending};

/// A broker that knows its clients by their certificates.
fn encrypted(authority: &Authority) -> Mosquitto {
    let broker = Mosquitto::start();
    authority.sign("server", "localhost", &format!("IP:{}", broker.address().ip()));
    let mut broker = broker;
    broker.configure(&format!(
        "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\nuse_identity_as_username true\n\
         allow_anonymous false\n",
        authority.file("ca.crt"),
        authority.file("server.crt"),
        authority.file("server.key")
    ));
    broker.kill();
    broker.start_again();
    broker
}

#[test]
fn a_broker_and_its_client_know_each_other_by_their_certificates() {
    let authority = Authority::new();
    authority.sign("station", "station", "DNS:station");
    let broker = encrypted(&authority);
    let url = broker.url().replace("mqtt://", "mqtts://");
    let known = format!("ca = \"{}\"\n", authority.file("ca.crt"));
    let ours = format!(
        "certificate = \"{}\"\ncertificate_key = \"{}\"\n",
        authority.file("station.crt"),
        authority.file("station.key")
    );
    for version in ["5", "3.1.1"] {
        let workdir = sending(&url, &format!("version = \"{version}\"\n{known}{ours}"));
        add_rows(&workdir, 0, 60);
        let _ = once(&workdir).run().expect_code(0);
        assert!(broker.log().contains("u'station'"), "{}", broker.log());
    }
    // A stranger, and one who trusts nobody.
    at_once([&known, &ours], |lines| {
        let workdir = sending(&url, lines);
        add_rows(&workdir, 0, 3);
        let said = once(&workdir).run().expect_code(69).stderr;
        assert!(said.contains("certificate"), "{said}");
    });
}

#[test]
fn the_protocol_that_aws_asks_for_on_port_443_is_named_while_encryption_is_agreed_on() {
    let authority = Authority::new();
    let address = free_address();
    authority.sign("server", "localhost", &format!("IP:{}", address.ip()));
    let mut command: Command = process::command(Path::new("/usr/bin/openssl"));
    command.args([
        "s_server",
        "-accept",
        &address.to_string(),
        "-alpn",
        "x-amzn-mqtt-ca",
        "-tlsextdebug",
        "-quiet",
    ]);
    command.args(["-cert", &authority.file("server.crt"), "-key", &authority.file("server.key"), "-msg"]);
    let log = authority.folder().join("log");
    let mut server = Process::spawn("openssl", &mut command, &log);
    server.wait_ready(WITHIN, || TcpStream::connect(address).is_ok());
    let workdir = sending(
        &format!("mqtts://{address}"),
        &format!(
            "ca = \"{}\"\nalpn = \"x-amzn-mqtt-ca\"\nconnect_timeout = \"1s\"",
            authority.file("ca.crt")
        ),
    );
    let daemon = workdir.livecosmos().table("MET").spawn();
    // In the bytes of ClientHello, as openssl shows them.
    let hex = "782d616d7a6e2d6d7174742d6361";
    wait_until("the protocol's name", WITHIN, || {
        let dump: String = server.log().split_whitespace().collect();
        dump.contains(hex).then_some(())
    });
    drop(daemon);
}
