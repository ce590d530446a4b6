//! Connections are encrypted as `sslmode` says, and certificates are looked at on both sides.

use crate::served::table::{following, ids, served, stored_ids};
use crate::support::authority::Authority;
use crate::support::postgres::{PostgreSql, Postgres};

/// A server with a certificate for its address, which lets nobody in without encryption.
fn encrypted(authority: &Authority, access: &str) -> Postgres {
    let server = served::<PostgreSql>(9);
    authority.sign("server", "db.example.org", &format!("IP:{}", server.address().ip()));
    authority.sign("reader", "reader", "DNS:reader.example.org");
    server.encrypt(authority.folder());
    server.set_access(access);
    server.run("CREATE ROLE reader LOGIN; GRANT SELECT ON met TO reader");
    server
}

const ACCESS: &str =
    "host all postgres all trust\nhostssl all reader all trust\nhostnossl all reader all reject\n";

#[test]
fn each_sslmode_asks_as_much_of_the_server_as_it_says() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = encrypted(&authority, ACCESS);
    let reader = server.url_of("reader").replace("sslmode=disable", "");
    let trusted = format!("&sslrootcert={}", authority.file("ca.crt"));
    let other = format!("&sslrootcert={}", stranger.file("ca.crt"));
    let run = |url: String| {
        let workdir = following::<PostgreSql>(&url, "");
        let run = workdir.livecosmos().table("MET").arg("--once").run();
        if run.code == Some(0) {
            assert_eq!(stored_ids(&workdir), ids(1, 9));
        }
        (run.code, run.stderr)
    };
    for works in ["sslmode=prefer", "sslmode=require", ""] {
        assert_eq!(run(format!("{reader}{works}")).0, Some(0), "{works}");
    }
    for works in ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full"] {
        assert_eq!(run(format!("{reader}{works}{trusted}")).0, Some(0), "{works}");
        let (code, said) = run(format!("{reader}{works}{other}"));
        assert!(
            code == Some(69) && said.contains("UnknownIssuer") || said.contains("BadSignature"),
            "{works}: {said}"
        );
    }
    let (code, said) = run(format!("{reader}sslmode=disable"));
    assert!(code == Some(77) && said.contains("refuses reader"), "{said}");
    let (code, said) = run(format!("{reader}sslmode=verify-full&sslrootcert=/nowhere.pem"));
    assert!(code == Some(78) && said.contains("/nowhere.pem cannot be read"), "{said}");
}

#[test]
fn verify_full_asks_that_the_certificate_is_for_the_host_and_verify_ca_does_not() {
    let authority = Authority::new();
    let server = encrypted(&authority, ACCESS);
    authority.sign("server", "elsewhere.example.org", "DNS:elsewhere.example.org");
    server.encrypt(authority.folder());
    let url = |mode: &str| {
        let url = server.url_of("reader").replace("sslmode=disable", "");
        format!("{url}sslmode={mode}&sslrootcert={}", authority.file("ca.crt"))
    };
    let run =
        |mode: &str| following::<PostgreSql>(&url(mode), "").livecosmos().table("MET").arg("--once").run();
    let _ = run("verify-ca").expect_code(0);
    let refused = run("verify-full").expect_code(69);
    assert!(refused.stderr.contains("not valid for"), "{}", refused.stderr);
}

#[test]
fn a_client_certificate_lets_in_whom_it_names() {
    let authority = Authority::new();
    let access = "host all postgres all trust\nhostssl all reader all cert\n";
    let server = encrypted(&authority, access);
    let url = server.url_of("reader").replace("sslmode=disable", "sslmode=verify-full");
    let url = format!("{url}&sslrootcert={}", authority.file("ca.crt"));
    let none =
        following::<PostgreSql>(&url, "").livecosmos().table("MET").arg("--once").run().expect_code(77);
    assert!(none.stderr.contains("refuses reader"), "{}", none.stderr);
    let with =
        format!("{url}&sslcert={}&sslkey={}", authority.file("reader.crt"), authority.file("reader.key"));
    let workdir = following::<PostgreSql>(&with, "");
    let _ = workdir.livecosmos().table("MET").arg("--once").run().expect_code(0);
    assert_eq!(stored_ids(&workdir), ids(1, 9));
}
