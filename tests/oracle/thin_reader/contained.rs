//! What the driver does not expect stops neither the process nor, where it is one value, the rows around it.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::{connect, rows};
use crate::support::tns::{Answer, Cell, Column, Release, Server, Setup, Type};
use livecosmos::panics::abort_on_others;
use livecosmos::source::oracle::thin::Cell as Read;

fn serving(kind: Type, values: Vec<Cell>) -> Server {
    let rows: Vec<Vec<Cell>> = values.into_iter().map(|value| vec![value]).collect();
    Setup::new(move |_| Answer::rows(vec![Column::new("V", kind)], rows.clone())).start()
}

#[test]
fn a_value_that_makes_the_driver_panic_breaks_the_connection_only() {
    for release in [Release::V12, Release::V19, Release::V23] {
        let answer = |_: &_| {
            Answer::rows(vec![Column::new("V", Type::BinaryDouble)], vec![vec![Cell::Wire(vec![1, 2, 3])]])
        };
        let server = Setup::new(answer).release(release).start();
        let mut connection = connect(&server);
        let error = rows(&mut connection, "SELECT v FROM t", &[], 10).unwrap_err();
        assert!(error.is_broken() && !connection.is_open(), "{error}");
        super::wait_until("the session ends", || server.open_sessions() == 0);
    }
}

#[test]
fn a_date_that_cannot_be_is_one_invalid_value() {
    let server = serving(
        Type::Date,
        vec![
            Cell::Wire(vec![120, 126, 13, 32, 61, 1, 1]),
            Cell::Wire(vec![119, 101, 2, 29, 1, 1, 1]),
            Cell::Wire(vec![120, 128, 2, 29, 24, 60, 60]),
        ],
    );
    let read = rows(&mut connect(&server), "SELECT v FROM t", &[], 10).unwrap();
    assert_eq!(
        read,
        [
            [Read::Invalid("2026-13-32T60:00:00".into())],
            [Read::Invalid("1901-02-29T00:00:00".into())],
            [Read::Text("2028-02-29T23:59:59".into())],
        ]
    );
}

#[test]
fn dates_before_christ_and_of_the_old_calendar_are_read() {
    let server = serving(
        Type::Date,
        vec![Cell::Wire(vec![53, 88, 1, 1, 1, 1, 1]), Cell::Wire(vec![115, 100, 2, 29, 1, 1, 1])],
    );
    let read = rows(&mut connect(&server), "SELECT v FROM t", &[], 10).unwrap();
    assert_eq!(
        read,
        [[Read::Text("-4712-01-01T00:00:00".into())], [Read::Text("1500-02-29T00:00:00".into())]]
    );
}

#[test]
fn a_number_that_is_none_is_one_invalid_value() {
    let server = serving(
        Type::AnyNumber,
        vec![
            Cell::Wire(vec![0xC1, 200]),
            Cell::Wire(vec![0]), // minus infinity
            Cell::number("-0.5"),
        ],
    );
    let read = rows(&mut connect(&server), "SELECT v FROM t", &[], 10).unwrap();
    assert!(matches!(&read[0][0], Read::Invalid(text) if text.contains("NUMBER")), "{:?}", read[0]);
    assert_eq!(read[1..], [[Read::NotFinite("-Infinity")], [Read::Text("-0.5".into())]]);
}

/// Runs one of the tests below in a process of its own.
fn run_alone(test: &str) -> std::process::Output {
    let program = std::env::current_exe().expect("this program has a path");
    Command::new(program)
        .args(["--ignored", "--exact", "--nocapture", &format!("thin_reader::contained::{test}")])
        .output()
        .expect("it starts once more")
}

#[test]
fn a_panic_outside_of_the_driver_ends_the_process() {
    let output = run_alone("a_panic_elsewhere");
    let signal = output.status.signal();
    assert_eq!(signal, Some(6), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not the driver"));
}

#[test]
fn a_panic_inside_of_the_driver_does_not_end_the_process_and_is_not_reported() {
    let output = run_alone("a_panic_in_the_driver");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
#[ignore = "is run by a test, in a process of its own"]
fn a_panic_elsewhere() {
    abort_on_others();
    let caught = std::panic::catch_unwind(|| panic!("not the driver"));
    drop(caught);
}

#[test]
#[ignore = "is run by a test, in a process of its own"]
fn a_panic_in_the_driver() {
    abort_on_others();
    a_value_that_makes_the_driver_panic_breaks_the_connection_only();
}
