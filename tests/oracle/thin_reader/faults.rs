//! What goes wrong, and what the reader makes of it: by what the operator must do, without a password, and
//! never as fewer rows than there are.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::{PATIENCE, connect, refusal, rows, settings, wait_until};
use crate::support::tns::{
    Account, Answer, Cell, Column, Fault, Front, OraError, PASSWORD, Release, Server, Setup, Type, Verifier,
};
use livecosmos::source::oracle::thin::{Bind, Cell as Read, Connection, Settings, ThinError};
use secrecy::SecretString;

const RELEASES: [Release; 3] = [Release::V12, Release::V19, Release::V23];
/// Long enough for an answer on a busy machine, short enough to wait for in vain.
const SHORT: Duration = Duration::from_millis(1500);

fn numbers(count: u32) -> Answer {
    Answer::rows(vec![Column::new("V", Type::AnyNumber)], (0..count).map(|n| vec![Cell::number(n)]).collect())
}

/// A server whose answers go wrong as the statement says.
fn faulty(release: Release) -> Server {
    Setup::new(|statement| match statement.sql.as_str() {
        "SELECT gone" => Answer::error(OraError::no_such_table()),
        "SELECT nocolumn" => Answer::error(OraError::new(904, "\"X\": invalid identifier")),
        "SELECT old" => numbers(1000).then(250, Fault::Error(OraError::snapshot_too_old())),
        "SELECT cut" => numbers(1000).then(250, Fault::HangUp),
        "SELECT cutfirst" => Answer::Fault(Fault::HangUp),
        "SELECT eof" => Answer::error(OraError::new(3113, "end-of-file on communication channel")),
        "SELECT denied" => Answer::error(OraError::new(1031, "insufficient privileges")),
        "SELECT slow" => numbers(1000).then(250, Fault::Stall),
        "SELECT silent" => numbers(1000).then(250, Fault::Silence),
        "SELECT bytes" => Answer::rows(
            vec![Column::new("V", Type::Varchar2(20))],
            (0..100)
                .map(|n| vec![if n == 50 { Cell::Wire(vec![b'a', 0xff]) } else { Cell::text("a") }])
                .collect(),
        ),
        _ => numbers(3),
    })
    .release(release)
    .account(Account { verifier: Verifier::V11g, ..Account::new("old", PASSWORD) })
    .account(Account { verifier: Verifier::V11gOnly, ..Account::new("older", PASSWORD) })
    .account(Account {
        refused: Some(OraError::new(28000, "the account is locked")),
        ..Account::new("locked", PASSWORD)
    })
    .account(Account {
        refused: Some(OraError::new(28001, "the password has expired")),
        ..Account::new("expired", PASSWORD)
    })
    .start()
}

fn as_user(server: &Server, user: &str, password: &str) -> ThinError {
    refusal(&Settings { user: user.into(), password: SecretString::from(password), ..settings(server) })
}

fn is_denied(error: &ThinError, code: &str) -> bool {
    matches!(error, ThinError::Denied(text) if text.contains(code) && !text.contains(PASSWORD))
}

#[test]
fn a_wrong_password_is_denied_and_the_message_names_old_verifiers() {
    for release in RELEASES {
        let server = faulty(release);
        let error = as_user(&server, "reader", "a wrong one");
        assert!(is_denied(&error, "ORA-01017"), "{error}");
        assert!(error.to_string().contains("verifiers of 12c and later only"), "{error}");
        assert!(!error.to_string().contains("a wrong one"), "{error}");
        assert!(is_denied(&as_user(&server, "nobody", PASSWORD), "ORA-01017"));
    }
}

#[test]
fn an_account_with_an_11g_verifier_is_denied_with_the_right_password() {
    let server = faulty(Release::V19);
    let error = as_user(&server, "old", PASSWORD);
    assert!(is_denied(&error, "ORA-01017"), "{error}");
    assert!(error.to_string().contains("verifiers of 12c and later only"), "{error}");
    let read = super::witness::read_as("old", &server, 1, "inline", &["fine"]);
    assert_eq!(read[0].len(), 3, "a client that knows such verifiers is let in");
}

#[test]
fn a_challenge_that_the_driver_panics_at_is_an_error() {
    let error = as_user(&faulty(Release::V19), "older", PASSWORD);
    assert!(error.is_broken(), "{error}");
    assert!(error.to_string().contains("the thin driver cannot deal with"), "{error}");
}

#[test]
fn an_account_that_is_locked_or_expired_is_denied() {
    for release in RELEASES {
        let server = faulty(release);
        assert!(is_denied(&as_user(&server, "locked", PASSWORD), "ORA-28000"));
        assert!(is_denied(&as_user(&server, "expired", PASSWORD), "ORA-28001"));
    }
}

#[test]
fn what_is_not_there_is_a_matter_of_the_configuration_and_the_connection_stays() {
    for release in RELEASES {
        let server = faulty(release);
        let mut connection = connect(&server);
        for (sql, code) in [("SELECT gone", "ORA-00942"), ("SELECT nocolumn", "ORA-00904")] {
            let error = rows(&mut connection, sql, &[], 10).unwrap_err();
            assert!(matches!(&error, ThinError::Config(text) if text.contains(code)), "{error}");
        }
        let error = rows(&mut connection, "SELECT denied", &[], 10).unwrap_err();
        assert!(is_denied(&error, "ORA-01031"), "{error}");
        assert_eq!(rows(&mut connection, "SELECT fine", &[], 10).unwrap().len(), 3);
    }
}

#[test]
fn a_listener_that_refuses_is_unavailable() {
    for (code, text) in [(12514, "ORA-12514"), (12528, "ORA-12528")] {
        let server = Setup::new(|_| numbers(1)).front(Front::Refuse(code)).start();
        let error = refusal(&settings(&server));
        assert!(error.is_broken() && error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_peer_that_takes_the_connection_and_says_nothing_is_given_up_in_time() {
    let server = Setup::new(|_| numbers(1)).front(Front::Silent).start();
    let start = Instant::now();
    let error = refusal(&Settings { connect_within: SHORT, ..settings(&server) });
    assert!(error.is_broken() && error.to_string().contains("within 1.5 s"), "{error}");
    assert!(start.elapsed() >= SHORT && start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn a_port_where_nobody_listens_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = faulty(Release::V19);
    let nobody = Settings { connect_string: format!("127.0.0.1:{port}/x"), ..settings(&server) };
    assert!(refusal(&nobody).is_broken());
}

#[test]
fn a_server_that_requires_encryption_is_an_error_that_names_the_other_driver() {
    let server = Setup::new(|_| numbers(1)).front(Front::RequiresEncryption).start();
    let error = refusal(&settings(&server));
    assert!(error.is_broken() && error.to_string().contains("use driver = \"oci\""), "{error}");
}

#[test]
fn connect_strings_are_shown_without_what_stands_before_an_at() {
    let server = faulty(Release::V19);
    for string in
        ["reader/geheim@nowhere", "reader/geheim@//127.0.0.1:1/x", "(DESCRIPTION=geheim", "geheim@("]
    {
        let error = refusal(&Settings { connect_string: string.into(), ..settings(&server) });
        assert!(!error.to_string().contains("geheim"), "{string}: {error}");
    }
}

/// Reads until it goes wrong: how many rows came before, and the error.
fn read_to_the_fault(connection: &mut Connection, sql: &str) -> (u32, ThinError) {
    let mut cursor = connection.query(sql, &[], 100).expect("the first rows come");
    let (mut count, mut cells) = (0, Vec::new());
    loop {
        match cursor.next(&mut cells) {
            Ok(true) => {
                assert_eq!(cells, [Read::Text(count.to_string())]);
                count += 1;
            }
            Ok(false) => panic!("the rows ended as if they were all, after {count}"),
            Err(error) => {
                assert_eq!(cursor.next(&mut cells), Ok(false), "an error comes once");
                return (count, error);
            }
        }
    }
}

#[test]
fn a_snapshot_that_is_too_old_fails_the_fetch_and_keeps_the_connection() {
    for release in RELEASES {
        let server = faulty(release);
        let mut connection = connect(&server);
        let (count, error) = read_to_the_fault(&mut connection, "SELECT old");
        assert_eq!(count, 200, "the page with the error is lost, those before it are not");
        assert!(!error.is_broken() && error.to_string().contains("ORA-01555"), "{error}");
        assert_eq!(rows(&mut connection, "SELECT fine", &[], 10).unwrap().len(), 3);
    }
}

#[test]
fn a_connection_that_is_cut_in_the_middle_of_a_fetch_is_an_error() {
    for release in RELEASES {
        let server = faulty(release);
        let mut connection = connect(&server);
        let (count, error) = read_to_the_fault(&mut connection, "SELECT cut");
        assert!(count == 200 && error.is_broken(), "{count} {error}");
        assert!(!connection.is_open());
        assert!(connection.ping().unwrap_err().is_broken());
    }
}

#[test]
fn a_session_that_ends_breaks_the_connection() {
    for release in RELEASES {
        for sql in ["SELECT cutfirst", "SELECT eof"] {
            let server = faulty(release);
            let mut connection = connect(&server);
            let error = rows(&mut connection, sql, &[], 10).unwrap_err();
            assert!(error.is_broken() && !connection.is_open(), "{sql}: {error}");
        }
        let server = faulty(release);
        let mut connection = connect(&server);
        server.cut_all();
        assert!(connection.ping().unwrap_err().is_broken());
    }
}

#[test]
fn a_call_that_takes_too_long_is_cancelled_and_the_connection_stays() {
    for release in RELEASES {
        let server = faulty(release);
        let mut connection =
            Connection::connect(&Settings { call_within: SHORT, ..settings(&server) }).unwrap();
        let (count, error) = read_to_the_fault(&mut connection, "SELECT slow");
        assert!(count == 200 && !error.is_broken(), "{count} {error}");
        assert!(error.to_string().contains("cancelled"), "{error}");
        assert_eq!(rows(&mut connection, "SELECT fine", &[], 10).unwrap().len(), 3);
    }
}

#[test]
fn a_server_that_falls_silent_breaks_the_connection_in_time() {
    for release in RELEASES {
        let server = faulty(release);
        let mut connection =
            Connection::connect(&Settings { call_within: SHORT, ..settings(&server) }).unwrap();
        let (start, (count, error)) = (Instant::now(), read_to_the_fault(&mut connection, "SELECT silent"));
        assert!(count == 200 && error.is_broken() && !connection.is_open(), "{count} {error}");
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    }
}

#[test]
fn leaving_a_server_that_is_silent_does_not_wait_for_it() {
    let server = faulty(Release::V19);
    let (dropped, closed) = (connect(&server), connect(&server));
    server.freeze();
    let start = Instant::now();
    drop(dropped);
    closed.close(SHORT);
    assert!(start.elapsed() >= SHORT && start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn closing_logs_off() {
    let server = faulty(Release::V19);
    let start = Instant::now();
    connect(&server).close(PATIENCE);
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    wait_until("the session ends", || server.open_sessions() == 0);
}

#[test]
fn text_that_is_not_in_its_character_set_is_an_error_and_breaks_the_connection() {
    for release in RELEASES {
        let server = faulty(release);
        let mut connection = connect(&server);
        let error = rows(&mut connection, "SELECT bytes", &[], 10).unwrap_err();
        assert!(error.is_broken() && error.to_string().contains("CAST_TO_RAW"), "{error}");
    }
}

#[test]
fn no_message_holds_a_value_that_was_bound() {
    let server = faulty(Release::V19);
    let binds = [("b0", Bind::Text("site".into()))];
    let error = connect(&server).query("SELECT v WHERE a = :other", &binds, 10).err().unwrap();
    assert!(!error.to_string().contains("site"), "{error}");
}
