//! How the reader's sessions begin, and begin again.

use super::{connect, refusal, rows, settings};
use crate::support::tns::{
    Account, Answer, Cell, Column, Front, PASSWORD, Release, Server, Setup, Type, USER,
};
use livecosmos::source::oracle::thin::ThinError;

fn server(release: Release) -> Server {
    let row = |_: &_| Answer::rows(vec![Column::new("1", Type::AnyNumber)], vec![vec![Cell::number(1)]]);
    Setup::new(row).release(release).start()
}

#[test]
fn a_session_is_named_so_that_its_owner_finds_it() {
    for release in [Release::V12, Release::V19, Release::V23] {
        let server = server(release);
        rows(&mut connect(&server), "SELECT 1 FROM dual", &[], 1).unwrap();
        assert_eq!(server.seen().labels, ["livecosmos"]);
    }
}

#[test]
fn the_driver_sets_the_sessions_time_zone_at_logon() {
    let server = server(Release::V19);
    let _connection = connect(&server);
    let said = server.seen().logons.remove(0);
    let (_, statement) = said.iter().find(|(name, _)| name == "AUTH_ALTER_SESSION").unwrap();
    assert!(statement.starts_with("ALTER SESSION SET TIME_ZONE="), "{statement}");
}

#[test]
fn no_password_travels() {
    let server = server(Release::V23);
    let _connection = connect(&server);
    let seen = server.seen();
    assert!(!format!("{:?}{:?}", seen.logons, seen.connects).contains(PASSWORD));
}

#[test]
fn a_listener_may_send_the_reader_on_to_another_server() {
    for release in [Release::V12, Release::V19, Release::V23] {
        let (node, scan) = (server(release), server(release));
        scan.set_front(Front::Redirect(node.address()));
        rows(&mut connect(&scan), "SELECT 1 FROM dual", &[], 1).unwrap();
        assert_eq!((scan.seen().statements.len(), node.seen().statements.len()), (0, 1));
    }
}

#[test]
fn a_listener_that_refused_may_let_the_reader_in_later() {
    let server = server(Release::V19);
    server.set_front(Front::Refuse(12514));
    assert!(refusal(&settings(&server)).is_broken());
    server.set_front(Front::Open);
    rows(&mut connect(&server), "SELECT 1 FROM dual", &[], 1).unwrap();
}

#[test]
fn a_password_that_was_changed_is_denied_at_the_next_connect() {
    let server = server(Release::V19);
    let mut connection = connect(&server);
    server.set_account(Account::new(USER, "another"));
    rows(&mut connection, "SELECT 1 FROM dual", &[], 1).unwrap();
    assert!(matches!(refusal(&settings(&server)), ThinError::Denied(_)));
}
