//! Refused logins, failed statements, lost sessions.

use std::time::{Duration, Instant};

use livecosmos::source::oracle::oci::{Account, Failure, Link, Settings};

use super::{LONG_ENOUGH, connect, query, read, settings};
use crate::support::oracle::{Answer, Fault, OracleServer, ora, row};

fn refused(settings: &Settings) -> Failure {
    Link::connect(settings).err().expect("the login fails")
}

fn message_of(server: &OracleServer, link: &Link, code: i32, message: &'static str) -> (Failure, String) {
    server.on("SELECT * FROM t", move |_| Answer::Fails(ora(code, message)));
    let failure = query(link, "SELECT * FROM t").expect_err("the statement fails");
    let message = failure.to_string().replace(&server.dsn(), "//db/X");
    (failure, message)
}

#[test]
fn errors_say_what_the_operator_must_do() {
    let server = OracleServer::start();
    let link = connect(&server);
    let (failure, message) = message_of(&server, &link, 942, "table or view does not exist");
    assert!(matches!(failure, Failure::Config(_)));
    assert_eq!(
        message,
        "Oracle at //db/X: ORA-00942: table or view does not exist; create the table, grant SELECT on it, or \
         correct its name"
    );
    let (failure, _) = message_of(&server, &link, 904, "\"X\": invalid identifier");
    assert!(matches!(failure, Failure::Config(_)));
    let (failure, message) = message_of(&server, &link, 1031, "insufficient privileges");
    assert!(matches!(failure, Failure::Denied(_)));
    assert_eq!(message, "Oracle at //db/X: ORA-01031: insufficient privileges; grant SELECT on the table");
    for code in [60, 54, 1013, 4068] {
        let (failure, message) = message_of(&server, &link, code, "something");
        assert!(matches!(failure, Failure::Unavailable { is_session_lost: false, .. }), "{failure:?}");
        assert_eq!(message, format!("Oracle at //db/X: ORA-{code:05}: something; it is tried again"));
        link.ping().expect("the session answers");
    }
    let (failure, message) = message_of(&server, &link, 28, "your session has been killed");
    assert!(matches!(failure, Failure::Unavailable { is_session_lost: true, .. }), "{failure:?}");
    assert_eq!(message, "Oracle at //db/X: DPI-1080: connection was closed by ORA-00028; it is tried again");
}

#[test]
fn a_login_that_is_refused_names_the_user_and_never_the_password() {
    let server = OracleServer::start();
    let mut settings = settings(&server);
    settings.account = Some(Account { user: "scott".to_owned(), password: "0pen-Sesame".into() });
    settings.dsn = server.dsn();
    let failure = refused(&settings);
    assert!(matches!(failure, Failure::Denied(_)), "{failure:?}");
    assert_eq!(
        failure.to_string().replace(&server.dsn(), "//db/X"),
        "Oracle at //db/X: ORA-01017: invalid username/password; logon denied; correct user or password of scott"
    );
    for (code, remedy) in [
        (28000, "ALTER USER scott ACCOUNT UNLOCK"),
        (28001, "set a new password for scott"),
        (1045, "GRANT CREATE SESSION TO scott"),
    ] {
        server.refuse_logins(Some(ora(code, "no")));
        let failure = refused(&settings);
        assert!(matches!(failure, Failure::Denied(_)), "{failure:?}");
        assert!(failure.to_string().ends_with(remedy), "{failure}");
    }
    assert!(!format!("{settings:?} {failure:?}").contains("Sesame"));
}

#[test]
fn a_password_that_expires_soon_is_a_warning() {
    let server = OracleServer::start();
    assert_eq!(connect(&server).warning(), None);
    server.warn_at_login(28002, "the password will expire within 7 days");
    let link = connect(&server);
    assert_eq!(
        link.warning().map(|warning| warning.replace(&server.dsn(), "//db/X")).as_deref(),
        Some(
            "Oracle at //db/X: ORA-28002: the password will expire within 7 days; set a new password for this user"
        )
    );
    assert_eq!(query(&link, "SELECT 1 FROM dual").expect("rows"), ["number 1"]);
}

#[test]
fn a_database_that_is_not_there_is_unavailable() {
    let mut server = OracleServer::start();
    let settings = settings(&server);
    let is_unavailable =
        |failure: &Failure| matches!(failure, Failure::Unavailable { is_session_lost: true, .. });
    server.refuse_logins(Some(ora(1033, "ORACLE initialization or shutdown in progress")));
    assert!(is_unavailable(&refused(&settings)));
    server.stop();
    let failure = refused(&settings);
    assert!(is_unavailable(&failure));
    assert!(failure.to_string().contains("ORA-12541: TNS:no listener; correct host and port"), "{failure}");
    let failure = refused(&Settings { dsn: "NO_SUCH_ALIAS".to_owned(), ..settings });
    assert!(is_unavailable(&failure));
    assert!(failure.to_string().contains("ORA-12154"), "{failure}");
    assert!(failure.to_string().ends_with("put the alias into tnsnames.ora in TNS_ADMIN"), "{failure}");
}

#[test]
fn a_server_that_takes_the_connection_and_says_nothing_is_given_up() {
    let server = OracleServer::start();
    server.refuse_logins(Some(Fault::Silence));
    let started = Instant::now();
    let failure = refused(&Settings { connect_timeout: Duration::from_millis(50), ..settings(&server) });
    assert!(started.elapsed() < LONG_ENOUGH);
    assert!(matches!(failure, Failure::Unavailable { is_session_lost: true, .. }), "{failure:?}");
    assert_eq!(
        failure.to_string().replace(&server.dsn(), "//db/X"),
        "Oracle at //db/X: no answer within 50ms; is it a database, and is it up? it is tried again"
    );
    server.refuse_logins(None);
    connect(&server).ping().expect("the session answers");
}

#[test]
fn without_an_account_the_user_of_the_operating_system_logs_in() {
    let server = OracleServer::start();
    server.account("", "");
    Link::connect(&Settings { account: None, ..settings(&server) }).expect("let in");
    assert_eq!(server.logins(), [""]);
}

#[test]
fn a_call_that_takes_too_long_keeps_the_session() {
    let server = OracleServer::start();
    server.on("SELECT slow FROM t", |_| Answer::Fails(Fault::Stall));
    let link = Link::connect(&Settings { call_timeout: Duration::from_secs(2), ..settings(&server) })
        .expect("let in");
    let failure = query(&link, "SELECT slow FROM t").expect_err("it takes too long");
    assert!(matches!(failure, Failure::Unavailable { is_session_lost: false, .. }), "{failure:?}");
    assert_eq!(
        failure.to_string().replace(&server.dsn(), "//db/X"),
        "Oracle at //db/X: DPI-1067: call timeout of 2000 ms exceeded with ORA-03156; it is tried again, or raise `statement_timeout`"
    );
    assert_eq!(query(&link, "SELECT 1 FROM dual").expect("rows"), ["number 1"]);
}

#[test]
fn a_server_that_answers_nothing_costs_the_session() {
    let server = OracleServer::start();
    server.on("SELECT slow FROM t", |_| Answer::Fails(Fault::Silence));
    let link = Link::connect(&Settings { call_timeout: Duration::from_secs(2), ..settings(&server) })
        .expect("let in");
    let failure = query(&link, "SELECT slow FROM t").expect_err("it takes too long");
    assert!(matches!(failure, Failure::Unavailable { is_session_lost: true, .. }), "{failure:?}");
}

#[test]
fn a_call_is_broken_off_from_another_thread() {
    let server = OracleServer::start();
    server
        .on("SELECT n FROM t", |_| Answer::rows("N NUMBER", (0..10).map(|_| row(["7"]))).then(Fault::Stall));
    let link = connect(&server);
    let breaker = link.breaker();
    let reading = std::thread::spawn(move || {
        let failure = link.query("SELECT n FROM t", &[], 10).and_then(|mut cursor| read(&mut cursor));
        (failure.expect_err("it is broken off"), link)
    });
    let started = Instant::now();
    while server.statements().first().is_none_or(|statement| statement.fetches.len() < 2) {
        assert!(started.elapsed() < LONG_ENOUGH);
        std::thread::yield_now();
    }
    breaker.break_off();
    let (failure, link) = reading.join().expect("the thread ends");
    assert!(failure.to_string().contains("ORA-01013"), "{failure}");
    assert_eq!(query(&link, "SELECT 1 FROM dual").expect("rows"), ["number 1"]);
}

#[test]
fn after_a_failed_fetch_no_row_is_shown_again() {
    let server = OracleServer::start();
    for (fault, is_lost) in [(ora(1555, "snapshot too old"), false), (Fault::Cut, true)] {
        server.on("SELECT n FROM t", move |_| {
            Answer::rows("N NUMBER", (0..25).map(|_| row(["7"]))).then(fault.clone())
        });
        let link = connect(&server);
        let mut cursor = link.query("SELECT n FROM t", &[], 10).expect("rows");
        let mut count = 0;
        let failure = loop {
            match cursor.next_row() {
                Ok(row) => count += row.map_or_else(|| panic!("the fetch does not fail"), |_| 1),
                Err(failure) => break failure,
            }
        };
        assert_eq!(count, 20, "rows of the array in which the fault lies are lost");
        let Failure::Unavailable { is_session_lost, .. } = failure else { panic!("{failure:?}") };
        assert_eq!(is_session_lost, is_lost);
        assert!(cursor.next_row().expect("it is over").is_none());
    }
}

#[test]
fn a_session_that_ended_with_its_server_is_lost_and_a_new_one_is_made() {
    let mut server = OracleServer::start();
    let link = connect(&server);
    server.restart();
    let failure = link.ping().expect_err("the session is gone");
    assert!(matches!(failure, Failure::Unavailable { is_session_lost: true, .. }), "{failure:?}");
    let failure = query(&link, "SELECT 1 FROM dual").expect_err("and stays so");
    assert!(matches!(failure, Failure::Unavailable { is_session_lost: true, .. }), "{failure:?}");
    drop(link);
    assert_eq!(query(&connect(&server), "SELECT 1 FROM dual").expect("rows"), ["number 1"]);
}

#[test]
fn settings_of_the_session_and_its_end_of_transaction_are_sent() {
    let server = OracleServer::start();
    let link = connect(&server);
    link.execute("ALTER SESSION SET TIME_ZONE = '+00:00'").expect("set");
    link.execute("SET TRANSACTION READ ONLY").expect("set");
    link.rollback().expect("ended");
    let sent: Vec<_> = server.statements().into_iter().map(|statement| statement.sql).collect();
    assert_eq!(sent, ["ALTER SESSION SET TIME_ZONE = '+00:00'", "SET TRANSACTION READ ONLY", "ROLLBACK"]);
}
