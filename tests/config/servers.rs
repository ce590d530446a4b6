//! Database servers: what names them, and that no message repeats a password.

use super::*;

fn server_config() -> String {
    LEAST
        .replace("\"csv\"", "\"postgres\"")
        .replace("path = \"data/{table}.csv\"", "url = \"postgresql://reader@db/stations\"")
}

/// A table in `PostgreSQL`, with one of its lines replaced.
fn server(old: &str, new: &str) -> String {
    let config = server_config();
    assert!(config.contains(old), "{old} is not in {config}");
    load(&config.replace(old, new)).map_or_else(|error| error, |_| "it is taken".to_owned())
}

#[test]
fn a_server_that_cannot_be_meant_is_refused() {
    let url = |url: &str| server("postgresql://reader@db/stations", url);
    insta::assert_snapshot!(url("postgresql://reader@db/stations"), @"it is taken");
    insta::assert_snapshot!(server("\"postgres\"", "\"postgresql\""), @"it is taken");
    insta::assert_snapshot!(server("url = \"postgresql://reader@db/stations\"", ""), @r#"[DIR]/config.toml:9:9: table LEVEL1_X has no source.url; set url under [source], such as "postgresql://user@host/database?sslmode=verify-full""#);
    insta::assert_snapshot!(url("mysql://db/x"), @"[DIR]/config.toml:4:7: url does not begin with postgresql://; write it as postgresql://user@host:5432/database?sslmode=verify-full");
    insta::assert_snapshot!(url("postgresql://db"), @"[DIR]/config.toml:4:7: url names no host or no database; write it as postgresql://user@host:5432/database?sslmode=verify-full");
    insta::assert_snapshot!(url("postgresql://db/x?sslmode=maybe"), @"[DIR]/config.toml:4:7: unknown sslmode 'maybe'; use disable, prefer, require, verify-ca or verify-full");
    insta::assert_snapshot!(url("postgresql://db/x?sslcert=/c"), @"[DIR]/config.toml:4:7: sslcert and sslkey go together; write it as postgresql://user@host:5432/database?sslmode=verify-full");
    insta::assert_snapshot!(url("postgresql://db/x?nonsense=1"), @"[DIR]/config.toml:4:7: url cannot be read: a parameter is unknown, or a character must be written as %XX; write it as postgresql://user@host:5432/database?sslmode=verify-full");
    let kind = "kind = \"postgres\"";
    let with = |line: &str| server(kind, &format!("{kind}\n{line}"));
    insta::assert_snapshot!(with("path = \"x\""), @"[DIR]/config.toml:4:8: a database server is named by `url`; remove this key");
    insta::assert_snapshot!(with("statements_max = 0"), @"[DIR]/config.toml:4:18: statements_max is 0; use 1 to 64");
    insta::assert_snapshot!(with("statement_timeout = \"0s\""), @"[DIR]/config.toml:4:21: statement_timeout is 0s; use 1s to 1d");
    insta::assert_snapshot!(with("password = \"a\"\npassword_file = \"b\""), @"[DIR]/config.toml:5:17: the password is said twice; keep one of password, password_file and password_credential");
    insta::assert_snapshot!(server("time_column", "time_format = \"%Y-%m-%d\"\ntime_column"), @"[DIR]/config.toml:11:15: a database server has times that are no texts; remove time_format, and name a timestamp column");
    insta::assert_snapshot!(server("site_column = \"SITE_ID\"", "site = \"{station}\""), @r#"[DIR]/config.toml:9:9: site = "{station}" is for files, and the source is a database; set site_column, or site to the one site's id"#);
    insta::assert_snapshot!(refusal("path =", "sites_query = \"SELECT 1\"\npath ="), @"[DIR]/config.toml:4:15: this key is for database servers, and the source is a file; remove it");
}

#[test]
fn a_mysql_server_that_cannot_be_meant_is_refused() {
    let url = |url: &str| {
        let config = server_config().replace("\"postgres\"", "\"mysql\"");
        load(&config.replace("postgresql://reader@db/stations", url))
            .map_or_else(|error| error, |_| "it is taken".to_owned())
    };
    assert_eq!(url("mysql://reader@db,db2:3307/stations?ssl-mode=VERIFY_IDENTITY"), "it is taken");
    insta::assert_snapshot!(url("postgresql://db/x"), @"[DIR]/config.toml:4:7: url does not begin with mysql://; write it as mysql://user@host:3306/database?ssl-mode=VERIFY_IDENTITY");
    insta::assert_snapshot!(url("mysql://db/x?ssl-mode=maybe"), @"[DIR]/config.toml:4:7: unknown ssl-mode 'maybe'; use DISABLED, PREFERRED, REQUIRED or VERIFY_IDENTITY; write it as mysql://user@host:3306/database?ssl-mode=VERIFY_IDENTITY");
    for secret in
        ["mysql://reader:hun?ter2@db/x", "mysql://reader:hun/ter2@db/x", "mysql://reader:hunter2@db"]
    {
        let message = url(secret);
        assert!(!message.contains("hun") && !message.contains("ter2"), "{message}");
    }
}

#[test]
fn a_password_in_a_url_is_in_no_message() {
    for url in [
        "postgresql://reader:hunter2@db",
        "postgresql://reader:hunter2@db/x?nonsense=1",
        "postgresql://reader:hun?ter2@db/x",
        "postgresql://reader:hun/ter2@db/x",
        "postgresql://reader:hunter2@db:port/x",
        "postgres:/reader:hunter2@db/x",
    ] {
        let message = server("postgresql://reader@db/stations", url);
        assert!(!message.contains("hun") && !message.contains("ter2"), "{message}");
    }
}
