//! Logins, statements, fetches, and how they fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oracle::{ConnStatus, Connection, Connector};

use super::{connect, load_client};
use crate::support::oracle::{Answer, Fault, OracleServer, ora, row};

const LONG_ENOUGH: Duration = Duration::from_secs(20);

#[test]
fn a_statement_is_executed_and_its_row_fetched() {
    let server = OracleServer::start();
    let connection = connect(&server);
    let one: String = connection.query_row_as("SELECT 1 FROM dual", &[]).expect("a row");
    assert_eq!(one, "1");
    assert_eq!(server.logins(), ["scott"]);
    let (version, banner) = connection.server_version().expect("the server says its version");
    assert_eq!((version.major(), version.minor()), (19, 3));
    assert!(banner.starts_with("Oracle Database 19c"), "{banner}");
}

#[test]
fn rows_are_fetched_in_arrays_of_the_size_that_was_set() {
    let server = OracleServer::start();
    server.on("SELECT n FROM t", |_| {
        Answer::rows("N NUMBER(10)", (0..2500).map(|n: i32| row([n.to_string().as_str()])))
    });
    let connection = connect(&server);
    let mut statement =
        connection.statement("SELECT n FROM t").fetch_array_size(1000).build().expect("built");
    let rows: Vec<i32> =
        statement.query_as(&[]).expect("rows").collect::<Result<_, _>>().expect("all of them");
    assert_eq!(rows, (0..2500).collect::<Vec<_>>());
    assert_eq!(server.statements()[0].fetches, [(1000, 1000), (1000, 1000), (1000, 500)]);
}

#[test]
fn a_last_array_that_is_full_is_followed_by_an_empty_one() {
    let server = OracleServer::start();
    server.on("SELECT n FROM t", |_| {
        Answer::rows("N NUMBER(10)", (0..20).map(|n: i32| row([n.to_string().as_str()])))
    });
    let connection = connect(&server);
    let mut statement = connection.statement("SELECT n FROM t").fetch_array_size(10).build().expect("built");
    assert_eq!(statement.query_as::<i32>(&[]).expect("rows").count(), 20);
    assert_eq!(server.statements()[0].fetches, [(10, 10), (10, 10), (10, 0)]);
}

#[test]
fn a_placeholder_without_a_value_is_an_error() {
    let server = OracleServer::start();
    let connection = connect(&server);
    let error = connection.query("SELECT 1 FROM t WHERE a = :a", &[]).expect_err("nothing was bound");
    assert_eq!(error.oci_code(), Some(1008));
}

fn login_error(user: &str, password: &str, dsn: &str) -> oracle::Error {
    load_client();
    Connection::connect(user, password, dsn).expect_err("the login fails")
}

#[test]
fn logins_fail_with_the_codes_of_oracle() {
    let mut server = OracleServer::start();
    let dsn = server.dsn();
    assert_eq!(login_error("scott", "lion", &dsn).oci_code(), Some(1017));
    assert_eq!(login_error("scott", "", &dsn).oci_code(), Some(1005));
    assert_eq!(login_error("scott", "tiger", "NO_SUCH_ALIAS").oci_code(), Some(12154));
    let other_service = dsn.replace("XEPDB1", "OTHER");
    assert_eq!(login_error("scott", "tiger", &other_service).oci_code(), Some(12514));
    server.refuse_logins(Some(ora(28000, "the account is locked")));
    assert_eq!(login_error("scott", "tiger", &dsn).oci_code(), Some(28000));
    server.refuse_logins(Some(Fault::Cut));
    assert_eq!(login_error("scott", "tiger", &dsn).oci_code(), Some(3113));
    server.stop();
    assert_eq!(login_error("scott", "tiger", &dsn).oci_code(), Some(12541));
}

#[test]
fn the_user_of_the_operating_system_logs_in_without_a_password() {
    let server = OracleServer::start();
    server.account("", "");
    load_client();
    let connection = Connector::new("", "", server.dsn()).external_auth(true).connect().expect("let in");
    connection.ping().expect("the session answers");
    assert_eq!(server.logins(), [""]);
}

#[test]
fn the_next_address_of_a_description_is_tried_where_one_does_not_answer() {
    let (mut first, second) = (OracleServer::start(), OracleServer::start());
    first.stop();
    let address = |server: &OracleServer| {
        format!("(ADDRESS=(PROTOCOL=TCP)(HOST=127.0.0.1)(PORT={}))", server.address().port())
    };
    let dsn = format!(
        "(DESCRIPTION=(ADDRESS_LIST={}{})(CONNECT_DATA=(SERVICE_NAME=XEPDB1)))",
        address(&first),
        address(&second)
    );
    load_client();
    Connection::connect("scott", "tiger", dsn).expect("the second lets scott in");
    assert_eq!(second.logins(), ["scott"]);
}

#[test]
fn a_statement_fails_with_its_code_and_the_session_goes_on() {
    let server = OracleServer::start();
    let connection = connect(&server);
    for (code, message) in [
        (942, "table or view does not exist"),
        (904, "\"X\": invalid identifier"),
        (60, "deadlock detected while waiting for resource"),
        (1013, "user requested cancel of current operation"),
        (54, "resource busy and acquire with NOWAIT specified or timeout expired"),
    ] {
        server.on("SELECT * FROM t", move |_| Answer::Fails(ora(code, message)));
        let error = connection.query("SELECT * FROM t", &[]).expect_err("the statement fails");
        assert_eq!(error.oci_code(), Some(code));
        assert!(error.to_string().contains(&format!("ORA-{code:05}: {message}")), "{error}");
        connection.ping().expect("the session answers");
    }
}

#[test]
fn a_statement_whose_columns_changed_is_prepared_anew() {
    let server = OracleServer::start();
    let is_changed = Arc::new(AtomicBool::new(true));
    server.on("SELECT v FROM t WHERE s = :s", move |_| {
        if is_changed.swap(false, Ordering::SeqCst) {
            Answer::Fails(ora(1007, "variable not in select list"))
        } else {
            Answer::rows("V VARCHAR2(9)", [row(["retyped"])])
        }
    });
    let connection = connect(&server);
    let value: String =
        connection.query_row_as_named("SELECT v FROM t WHERE s = :s", &[("s", &"A")]).expect("a row");
    assert_eq!(value, "retyped");
    let statements = server.statements();
    assert_eq!(statements.len(), 2);
    assert!(statements.iter().all(|statement| statement.bind("s") == Some("A")));
}

/// The rows that come before the query fails, and how it fails.
fn rows_until(server: &OracleServer, connection: &Connection, fault: Fault) -> (usize, oracle::Error) {
    server.on("SELECT n FROM t", move |_| {
        Answer::rows("N NUMBER", (0..25).map(|_| row(["7"]))).then(fault.clone())
    });
    let mut statement = connection.statement("SELECT n FROM t").fetch_array_size(10).build().expect("built");
    let mut count = 0;
    for row in statement.query_as::<String>(&[]).expect("rows") {
        match row {
            Ok(_) => count += 1,
            Err(error) => return (count, error),
        }
    }
    panic!("the query does not fail");
}

#[test]
fn a_fetch_that_fails_gives_the_rows_of_the_arrays_before_it() {
    let server = OracleServer::start();
    let connection = connect(&server);
    let (rows, error) = rows_until(&server, &connection, ora(1555, "snapshot too old"));
    assert_eq!((rows, error.oci_code()), (20, Some(1555)));
    connection.ping().expect("the session answers");
}

#[test]
fn a_connection_that_is_cut_between_arrays_is_dead() {
    let server = OracleServer::start();
    let connection = connect(&server);
    let (rows, error) = rows_until(&server, &connection, Fault::Cut);
    assert_eq!((rows, error.dpi_code()), (20, Some(1080)));
    assert!(error.to_string().contains("ORA-03113"), "{error}");
    assert_eq!(connection.status().expect("the client knows"), ConnStatus::Closed);
    assert_eq!(connection.ping().expect_err("it is dead").dpi_code(), Some(1010));
}

#[test]
fn a_call_that_takes_too_long_is_broken_off_and_the_session_goes_on() {
    let server = OracleServer::start();
    server.on("SELECT slow FROM t", |_| Answer::Fails(Fault::Stall));
    let connection = connect(&server);
    connection.set_call_timeout(Some(Duration::from_secs(1))).expect("a time limit can be set");
    let error = connection.query("SELECT slow FROM t", &[]).expect_err("it takes too long");
    assert_eq!(error.dpi_code(), Some(1067), "{error}");
    connection.query_row("SELECT 1 FROM dual", &[]).expect("the session can be used");
}

#[test]
fn a_server_that_does_not_even_answer_a_break_costs_the_session() {
    let server = OracleServer::start();
    server.on("SELECT slow FROM t", |_| Answer::Fails(Fault::Silence));
    let connection = connect(&server);
    connection.set_call_timeout(Some(Duration::from_secs(1))).expect("a time limit can be set");
    let error = connection.query("SELECT slow FROM t", &[]).expect_err("it takes too long");
    assert_eq!(error.dpi_code(), Some(1080), "{error}");
    let error = connection.query_row("SELECT 1 FROM dual", &[]).expect_err("the session is gone");
    assert_eq!(error.dpi_code(), Some(1010));
}

#[test]
fn another_thread_breaks_a_call_off() {
    let server = OracleServer::start();
    server.on("SELECT slow FROM t", |_| Answer::Fails(Fault::Stall));
    let connection = Arc::new(connect(&server));
    let calling = Arc::clone(&connection);
    let call = std::thread::spawn(move || calling.query("SELECT slow FROM t", &[]).map(drop));
    server.wait_for("SELECT slow FROM t", 1, LONG_ENOUGH);
    connection.break_execution().expect("the break is sent");
    let error = call.join().expect("the thread ends").expect_err("the call was broken off");
    assert_eq!(error.oci_code(), Some(1013));
    connection.ping().expect("the session answers");
}

#[test]
fn a_server_that_comes_back_takes_new_sessions_only() {
    let mut server = OracleServer::start();
    let connection = connect(&server);
    server.restart();
    let error = connection.query_row("SELECT 1 FROM dual", &[]).expect_err("the session is gone");
    assert_eq!(error.dpi_code(), Some(1080));
    connect(&server).query_row("SELECT 1 FROM dual", &[]).expect("a new session");
}

#[test]
fn settings_of_the_session_and_the_ends_of_transactions_reach_the_server() {
    let server = OracleServer::start();
    let connection = connect(&server);
    connection.execute("ALTER SESSION SET TIME_ZONE = '+00:00'", &[]).expect("set");
    connection.execute("SET TRANSACTION READ ONLY", &[]).expect("set");
    connection.rollback().expect("ended");
    connection.commit().expect("ended");
    let sent: Vec<_> = server.statements().into_iter().map(|statement| statement.sql).collect();
    assert_eq!(
        sent,
        ["ALTER SESSION SET TIME_ZONE = '+00:00'", "SET TRANSACTION READ ONLY", "ROLLBACK", "COMMIT"]
    );
}
