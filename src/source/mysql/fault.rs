//! What `MySQL` and `MariaDB` say went wrong, in words that name the remedy.

use std::time::Duration;

use mysql_async::{DriverError, Error, IoError, ServerError};
use tokio_rustls::rustls;

use crate::source::server::Fault;

const BAD_HANDSHAKE: u16 = 1043;
const DATABASE_DENIED: u16 = 1044;
const ACCESS_DENIED: u16 = 1045;
const UNKNOWN_DATABASE: u16 = 1049;
const SHUTTING_DOWN: u16 = 1053;
const UNKNOWN_COLUMN: u16 = 1054;
const TABLE_DENIED: u16 = 1142;
const COLUMN_DENIED: u16 = 1143;
const NO_SUCH_TABLE: u16 = 1146;
const NO_SUCH_INDEX: u16 = 1176;
const LOCK_WAIT: u16 = 1205;
const DEADLOCK: u16 = 1213;
const SPECIFIC_DENIED: u16 = 1227;
const INTERRUPTED: u16 = 1317;
const VIEW_INVALID: u16 = 1356;
const TABLE_CHANGED: u16 = 1412;
const NEEDS_PREPARING: u16 = 1615;
const PLUGIN_DENIED: u16 = 1698;
const EXPIRED: u16 = 1820;
const LOCKED_ACCOUNT: u16 = 3118;
const KILLED: u16 = 1927;
const TOO_SLOW: [u16; 2] = [1969, 3024];
const GONE: [u16; 3] = [2006, 2013, 2055];

/// A server that took the connection and says nothing.
pub(super) fn silent(server: &str, waited: Duration) -> Fault {
    Fault::lost(format!(
        "{server} did not answer within {} s; is it the database's address? It is tried again",
        waited.as_secs()
    ))
}

/// A server that says nothing of a statement any more.
pub(super) fn stuck(server: &str, table: &str, waited: Duration) -> Fault {
    Fault::lost(format!(
        "{server}: {table}: no rows for {} s; it is tried again: raise `statement_timeout`, or make the index \
         'check' names",
        waited.as_secs()
    ))
}

/// Whether the server refuses us, and another of the same would.
pub(super) fn is_denial(error: &Error) -> bool {
    let codes = [DATABASE_DENIED, ACCESS_DENIED, UNKNOWN_DATABASE, PLUGIN_DENIED, EXPIRED, LOCKED_ACCOUNT];
    matches!(error, Error::Server(error) if codes.contains(&error.code))
}

/// No connection came about.
pub(super) fn connecting(server: &str, user: &str, error: &Error) -> Fault {
    let said = said(error);
    match error {
        Error::Server(error) => match error.code {
            ACCESS_DENIED | PLUGIN_DENIED | EXPIRED | LOCKED_ACCOUNT => Fault::denied(format!(
                "{server} refuses {user} ({said}); check the password and the account, and set MYSQL_PWD, \
                 password_file or password_credential"
            )),
            DATABASE_DENIED => {
                Fault::denied(format!("{server} refuses {user} ({said}); grant SELECT on a table of it"))
            }
            UNKNOWN_DATABASE => {
                Fault::config(format!("{server}: {said}; name an existing database in `url`"))
            }
            BAD_HANDSHAKE => Fault::lost(format!(
                "{server} takes no connection ({said}); does it want TLS? Set ssl-mode in `url`"
            )),
            code => Fault::lost(format!("{server} takes no connection ({said}, {code}); it is tried again")),
        },
        error if is_of_tls(error) => Fault::lost(format!(
            "{server}: TLS failed ({said}); it is tried again: check ssl-mode and ssl-ca in `url`, and the \
             certificate there"
        )),
        Error::Driver(DriverError::NoClientSslFlagFromServer) => Fault::config(format!(
            "{server} knows no TLS; set it up there, or set ssl-mode=DISABLED in `url` where nobody listens"
        )),
        Error::Driver(DriverError::CleartextPluginDisabled | DriverError::UnknownAuthPlugin { .. }) => {
            Fault::denied(format!(
                "{server} asks for {user} in a way that is not spoken here ({said}); give it a password of mysql_native_password or caching_sha2_password"
            ))
        }
        _ => Fault::lost(format!("{server} cannot be reached ({said}); it is tried again")),
    }
}

/// Whether encryption did not come about.
fn is_of_tls(error: &Error) -> bool {
    match error {
        Error::Io(IoError::Tls(_)) => true,
        Error::Io(IoError::Io(error)) => {
            let cause: Option<&(dyn std::error::Error + Send + Sync)> = error.get_ref();
            cause.and_then(|cause| cause.downcast_ref::<rustls::Error>()).is_some()
        }
        _ => false,
    }
}

/// A statement about `table` failed.
pub(super) fn statement(server: &str, table: &str, error: &Error) -> Fault {
    match error {
        Error::Server(error) => of_server(server, table, error),
        _ => Fault::lost(format!(
            "{server}: the connection broke while {table} was read ({}); it is made again",
            said(error)
        )),
    }
}

fn of_server(server: &str, table: &str, error: &ServerError) -> Fault {
    let ServerError { code, message: said, .. } = error;
    let failed = |remedy: &str| Fault::failed(format!("{server}: {table}: {said} ({code}); {remedy}"));
    match *code {
        NO_SUCH_TABLE | UNKNOWN_COLUMN | UNKNOWN_DATABASE | VIEW_INVALID => Fault::stale(format!(
            "{server}: {table}: {said}; it was dropped or renamed: put it back, or mend the configuration"
        )),
        // What was known of the table is not so any more.
        NO_SUCH_INDEX | TABLE_CHANGED | NEEDS_PREPARING => {
            Fault::lost(format!("{server}: {table}: {said} ({code}); it is tried again"))
        }
        DATABASE_DENIED | ACCESS_DENIED | TABLE_DENIED | COLUMN_DENIED | SPECIFIC_DENIED | PLUGIN_DENIED => {
            Fault::denied(format!("{server}: {said}; GRANT SELECT ON {table} to this account"))
        }
        LOCK_WAIT => failed("another session holds a lock; it is tried again"),
        DEADLOCK => failed("the server chose it to end a deadlock; it is tried again"),
        INTERRUPTED => failed("somebody ended the statement; it is tried again"),
        code if TOO_SLOW.contains(&code) => {
            failed("it is tried again: raise `statement_timeout`, or make the index 'check' names")
        }
        code if GONE.contains(&code) || [SHUTTING_DOWN, KILLED].contains(&code) => {
            Fault::lost(format!("{server}: {said} ({code}); the connection is made again"))
        }
        _ => failed("it is tried again"),
    }
}

/// What went wrong, without the driver's words for where.
fn said(error: &Error) -> String {
    match error {
        Error::Server(error) => error.message.clone(),
        Error::Io(IoError::Io(error)) => error.to_string(),
        Error::Io(IoError::Tls(error)) => error.to_string(),
        Error::Driver(error) => error.to_string().trim_end_matches('.').to_owned(),
        Error::Other(error) => error.to_string(),
        Error::Url(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceError;

    fn outcome(code: u16) -> String {
        let error = ServerError { code, message: "said so".to_owned(), state: String::new() };
        match SourceError::from(statement("mysql://db/stations", "MET", &Error::Server(error))) {
            SourceError::Config(_) => "config".to_owned(),
            SourceError::Denied(_) => "denied".to_owned(),
            SourceError::Unavailable(_) => "unavailable".to_owned(),
            SourceError::Stopped(_) => "stopped".to_owned(),
        }
    }

    #[test]
    fn errors_are_told_apart_by_what_the_operator_must_do() {
        for (expected, codes) in [
            ("denied", &[1044, 1045, 1142, 1143, 1698][..]),
            ("config", &[1049, 1146, 1054]),
            ("unavailable", &[1205, 1213, 3024, 1969, 1317, 2006, 2013, 1053, 1927, 1615, 1]),
        ] {
            for code in codes {
                assert_eq!(outcome(*code), expected, "{code}");
            }
        }
    }
}
