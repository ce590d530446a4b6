//! What went wrong, by what the operator must do.

use oracle::Error;

use super::NoClient;

/// Why a call of the database failed. No message has a password in it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no client library.
    #[error(transparent)]
    NoClient(#[from] NoClient),
    /// The configuration names what the database does not have.
    #[error("{0}")]
    Config(String),
    /// The database refuses us.
    #[error("{0}")]
    Denied(String),
    /// The database cannot be reached or asked now.
    #[error("{message}")]
    Unavailable {
        /// What happened, and what to do.
        message: String,
        /// The session is gone; another must be made.
        is_session_lost: bool,
    },
}

/// ODPI-C's own errors.
mod dpi {
    pub(super) const NOT_CONNECTED: i32 = 1010;
    pub(super) const CALL_TIMEOUT: i32 = 1067;
    pub(super) const CONNECTION_CLOSED: i32 = 1080;
}

impl Failure {
    /// A failure of a session that exists.
    pub(super) fn of(error: &Error, dsn: &str) -> Self {
        Self::worded(error, dsn, None)
    }

    /// A failure to make one.
    pub(super) fn connecting(error: &Error, dsn: &str, user: &str) -> Self {
        Self::worded(error, dsn, Some(user))
    }

    /// No login came about.
    pub(super) fn silent(dsn: &str, reason: &str) -> Self {
        let place = without_credentials(dsn);
        let message =
            format!("Oracle at {place}: {reason}; is it a database, and is it up? it is tried again");
        Self::Unavailable { message, is_session_lost: true }
    }

    fn worded(error: &Error, dsn: &str, connecting_as: Option<&str>) -> Self {
        let text = plain(&error.to_string());
        let of_oracle = error.oci_code();
        let remedy = of_oracle.and_then(|code| remedy(code, connecting_as));
        let place = without_credentials(dsn);
        let message = match (remedy, error.dpi_code()) {
            (Some(remedy), _) => format!("Oracle at {place}: {text}; {remedy}"),
            (None, Some(dpi::CALL_TIMEOUT)) => {
                format!("Oracle at {place}: {text}; it is tried again, or raise `statement_timeout`")
            }
            (None, _) => format!("Oracle at {place}: {text}; it is tried again"),
        };
        match of_oracle {
            Some(904 | 942 | 4043) => Self::Config(message),
            Some(1005 | 1017 | 1031 | 1045 | 28000 | 28001) => Self::Denied(message),
            _ => Self::Unavailable { message, is_session_lost: is_lost(error, connecting_as.is_some()) },
        }
    }
}

fn is_lost(error: &Error, is_connecting: bool) -> bool {
    is_connecting || matches!(error.dpi_code(), Some(dpi::NOT_CONNECTED | dpi::CONNECTION_CLOSED))
}

fn remedy(code: i32, user: Option<&str>) -> Option<String> {
    let user = user.unwrap_or("this user");
    Some(match code {
        942 => "create the table, grant SELECT on it, or correct its name".to_owned(),
        904 => "correct the name of the column".to_owned(),
        4043 => "correct the name of the table".to_owned(),
        1005 => format!("set the password of {user}"),
        1017 => format!("correct user or password of {user}"),
        1031 => "grant SELECT on the table".to_owned(),
        1045 => format!("GRANT CREATE SESSION TO {user}"),
        28000 => format!("ALTER USER {user} ACCOUNT UNLOCK"),
        28001 | 28002 => format!("set a new password for {user}"),
        1555 => "it is tried again from the last row that was stored; a larger undo_retention prevents it"
            .to_owned(),
        12154 => "correct `dsn`, or put the alias into tnsnames.ora in TNS_ADMIN".to_owned(),
        12514 => "correct the service name in `dsn`, or wait until the listener knows it".to_owned(),
        12541 => "correct host and port in `dsn`, or start the listener".to_owned(),
        _ => return None,
    })
}

/// The text of an error on one line.
///
/// Where ODPI-C puts an error of the database behind its own it copies bytes of the heap that lie behind
/// that error, too, up to the first zero: they may be anything, and belong in no log.
fn plain(text: &str) -> String {
    match text.strip_prefix("DPI Error: ") {
        Some(text) => text.lines().next().unwrap_or_default().to_owned(),
        None => text.trim_start_matches("OCI Error: ").lines().map(str::trim).collect::<Vec<_>>().join(": "),
    }
}

/// A connect string may begin with `user/password@`.
fn without_credentials(dsn: &str) -> &str {
    dsn.rsplit_once('@').map_or(dsn, |(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_odpi_c_appends_to_its_own_errors_is_left_out() {
        let text = "DPI Error: DPI-1080: connection was closed by ORA-00028\nORA-00028: your session hunter2";
        assert_eq!(plain(text), "DPI-1080: connection was closed by ORA-00028");
    }

    #[test]
    fn an_error_of_the_database_keeps_its_causes() {
        let text =
            "OCI Error: ORA-00604: error occurred at recursive SQL level 1\nORA-01000: too many cursors";
        assert_eq!(
            plain(text),
            "ORA-00604: error occurred at recursive SQL level 1: ORA-01000: too many cursors"
        );
    }

    #[test]
    fn credentials_in_a_connect_string_are_left_out() {
        assert_eq!(without_credentials("scott/tiger@//db:1521/X"), "//db:1521/X");
        assert_eq!(without_credentials("//db:1521/X"), "//db:1521/X");
    }
}
