//! What `PostgreSQL` says went wrong, in words that name the remedy.

use std::error::Error as _;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use super::connect::Ended;
use crate::source::server::Fault;

/// An error with all that caused it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// A server that took the connection and says nothing.
pub(super) fn silent(server: &str, waited: Duration) -> Fault {
    Fault::lost(format!(
        "{server} did not answer within {} s; is it the database's address? It is tried again",
        waited.as_secs()
    ))
}

/// No connection came about.
pub(super) fn connecting(server: &str, user: &str, error: &Error) -> Fault {
    let Some(db) = error.as_db_error() else {
        let said = chain(error);
        if said.contains("password missing") {
            return Fault::denied(format!(
                "{server} asks for the password of {user}, and none is set; set PGPASSWORD, PGPASSFILE, \
                 password_file or password_credential"
            ));
        }
        return Fault::lost(format!("{server} cannot be reached ({said}); it is tried again"));
    };
    let said = db.message();
    match db.code() {
        code if code.code().starts_with("28") => Fault::denied(format!(
            "{server} refuses {user} ({said}); check the password, the role, and pg_hba.conf there"
        )),
        code if *code == SqlState::INVALID_CATALOG_NAME => {
            Fault::config(format!("{server}: {said}; name an existing database in `url`"))
        }
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            Fault::denied(format!("{server} refuses {user} ({said}); grant CONNECT on the database"))
        }
        code => {
            Fault::lost(format!("{server} takes no connection ({said}, {}); it is tried again", code.code()))
        }
    }
}

/// A statement about `table` failed.
pub(super) fn statement(server: &str, table: &str, error: &Error, ended: &Ended) -> Fault {
    if let Some(db) = error.as_db_error() {
        return of_server(server, table, db);
    }
    let said = ended.reason().unwrap_or_else(|| chain(error));
    if error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>) {
        return Fault::lost(format!(
            "{server}: the connection broke while {table} was read ({said}); it is made again"
        ));
    }
    Fault::lost(format!("{server}: {table} cannot be read ({said}); it is tried again"))
}

fn of_server(server: &str, table: &str, db: &DbError) -> Fault {
    let (said, code) = (db.message(), db.code());
    let failed =
        |remedy: &str| Fault::failed(format!("{server}: {table}: {said} ({}); {remedy}", code.code()));
    match code {
        code if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::UNDEFINED_COLUMN => {
            Fault::stale(format!(
                "{server}: {table}: {said}; it was dropped or renamed: put it back, or mend the configuration"
            ))
        }
        // A plan that was made before a column got another type.
        code if code.code() == "0A000" && said.contains("cached plan") => {
            Fault::stale(format!("{server}: {table}: {said}; it is tried again"))
        }
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => Fault::denied(format!(
            "{server}: {said}; GRANT SELECT ON {table} (and USAGE on its schema) to this role"
        )),
        code if *code == SqlState::QUERY_CANCELED => failed(
            "it is tried again; if it was `statement_timeout`, raise that or make the index 'check' names",
        ),
        code if *code == SqlState::LOCK_NOT_AVAILABLE => {
            failed("another session holds a lock; it is tried again")
        }
        code if code.code().starts_with("57P") || code.code().starts_with("08") => {
            Fault::lost(format!("{server}: {said} ({}); the connection is made again", code.code()))
        }
        code if code.code().starts_with("22") => {
            failed("a value of the table cannot be read; mend it there, or leave it out by a view")
        }
        _ => failed("it is tried again"),
    }
}
