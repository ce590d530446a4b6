//! What the tests of the thin reader share.

mod binds;
mod contained;
mod faults;
mod paging;
mod samples;
mod sessions;
mod values;
mod witness;

use std::time::{Duration, Instant};

use crate::support::tns::{PASSWORD, Server, USER};
use livecosmos::source::oracle::thin::{Bind, Cell, Connection, Settings, ThinError};
use secrecy::SecretString;

/// Longer than any answer takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How a test connects to `server`.
pub(crate) fn settings(server: &Server) -> Settings {
    Settings {
        connect_string: server.connect_string(),
        user: USER.to_owned(),
        password: SecretString::from(PASSWORD),
        module: "livecosmos".to_owned(),
        connect_within: PATIENCE,
        call_within: PATIENCE,
    }
}

/// Connects to `server`.
pub(crate) fn connect(server: &Server) -> Connection {
    Connection::connect(&settings(server)).expect("the server lets us in")
}

/// Why a connect with these settings fails.
pub(crate) fn refusal(settings: &Settings) -> ThinError {
    match Connection::connect(settings) {
        Ok(_) => panic!("the server let us in"),
        Err(error) => error,
    }
}

/// All rows of a query.
pub(crate) fn rows(
    connection: &mut Connection,
    sql: &str,
    binds: &[(&str, Bind)],
    fetch_rows: u32,
) -> Result<Vec<Vec<Cell>>, ThinError> {
    let mut cursor = connection.query(sql, binds, fetch_rows)?;
    let (mut rows, mut cells) = (Vec::new(), Vec::new());
    while cursor.next(&mut cells)? {
        rows.push(cells.clone());
    }
    Ok(rows)
}

/// Waits until `is_so`, and panics where it does not come.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::yield_now();
    }
}
