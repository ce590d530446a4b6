//! Connections are encrypted as `ssl-mode` says, and certificates are looked at on both sides.

use crate::served::speech::Speech as _;
use crate::served::table::{following, ids, insert, stored_ids};
use crate::support::authority::Authority;
use crate::support::mariadb::{MariaDb, Mariadb};

/// A server with a certificate for its address, and accounts that it lets in by encryption alone.
fn encrypted(authority: &Authority) -> Mariadb {
    let mut server = Mariadb::start();
    authority.sign("server", "db.example.org", &format!("IP:{}", server.address().ip()));
    authority.sign("reader", "reader", "DNS:reader.example.org");
    let settings = [("ssl-ca", "ca.crt"), ("ssl-cert", "server.crt"), ("ssl-key", "server.key")];
    server.stop();
    for (name, file) in settings {
        server.set(&format!("{name}={}", server.take_file(authority.file(file)).display()));
    }
    server.start_again();
    server.run(MariaDb::TABLE);
    insert(&server, 1, 9);
    server.run(
        "CREATE USER reader@'%' REQUIRE SSL; CREATE USER known@'%' REQUIRE X509; \
         GRANT SELECT ON stations.met TO reader@'%'; GRANT SELECT ON stations.met TO known@'%'",
    );
    server
}

fn run(url: &str) -> (Option<i32>, String) {
    let workdir = following::<MariaDb>(url, "");
    let run = workdir.livecosmos().table("MET").arg("--once").run();
    if run.code == Some(0) {
        assert_eq!(stored_ids(&workdir), ids(1, 9));
    }
    (run.code, run.stderr)
}

#[test]
fn each_ssl_mode_asks_as_much_of_the_server_as_it_says() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = encrypted(&authority);
    let url = |mode: &str| server.url_of("reader").replace("DISABLED", mode);
    let trusting = |whom: &Authority| format!("{}&ssl-ca={}", url("VERIFY_IDENTITY"), whom.file("ca.crt"));
    for works in ["PREFERRED", "REQUIRED"] {
        assert_eq!(run(&url(works)).0, Some(0), "{works}");
    }
    let (code, said) = run(&url("DISABLED"));
    assert!(code == Some(77) && said.contains("refuses reader"), "{said}");
    let (code, said) = run(&trusting(&authority));
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&trusting(&stranger));
    assert!(code == Some(69) && said.contains("TLS failed"), "{said}");
    let (code, said) = run(&format!("{}&ssl-ca=/nowhere.pem", url("VERIFY_IDENTITY")));
    assert!(code == Some(78) && said.contains("/nowhere.pem cannot be read"), "{said}");
}

#[test]
fn a_certificate_of_another_host_is_refused_and_our_own_lets_us_in() {
    let authority = Authority::new();
    let mut server = encrypted(&authority);
    let url = server.url_of("known");
    let url = url.replace("DISABLED", &format!("VERIFY_IDENTITY&ssl-ca={}", authority.file("ca.crt")));
    let (code, said) = run(&url);
    assert!(code == Some(77) && said.contains("refuses known"), "{said}");
    let ours = format!("&ssl-cert={}&ssl-key={}", authority.file("reader.crt"), authority.file("reader.key"));
    let (code, said) = run(&format!("{url}{ours}"));
    assert_eq!(code, Some(0), "{said}");
    server.stop();
    authority.sign("server", "elsewhere.example.org", "DNS:elsewhere.example.org");
    for file in ["server.crt", "server.key"] {
        server.take_file(authority.file(file));
    }
    server.start_again();
    let (code, said) = run(&format!("{url}{ours}"));
    assert!(code == Some(69) && said.contains("not valid for"), "{said}");
}

#[test]
fn a_server_without_encryption_is_taken_where_that_is_only_preferred() {
    let server = Mariadb::start_with(&["skip-ssl"]);
    server.run(MariaDb::TABLE);
    insert(&server, 1, 9);
    assert_eq!(run(&server.url().replace("DISABLED", "PREFERRED")).0, Some(0));
    let (code, said) = run(&server.url().replace("DISABLED", "REQUIRED"));
    assert!(code == Some(78) && said.contains("knows no TLS"), "{said}");
}
