//! What can go wrong with the thin driver, by what the operator must do.

use oracledb::ErrorKind;

/// Objects that are not there, or not for this user.
const NO_SUCH_THING: [usize; 2] = [904, 942];
/// The database does not let this user in, or do this.
const REFUSED: [usize; 5] = [1005, 1017, 1031, 28000, 28001];
const WRONG_PASSWORD: usize = 1017;
/// Errors after which the session is gone.
const SESSION_IS_GONE: [usize; 16] =
    [28, 1012, 1033, 1034, 1041, 1089, 1090, 1092, 2396, 2399, 3113, 3114, 3135, 12153, 12571, 28547];

/// Why a call failed. No message holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThinError {
    /// The configuration does not fit the database.
    #[error("{0}")]
    Config(String),
    /// The database refuses the user.
    #[error("{0}")]
    Denied(String),
    /// It did not work now, and may work later.
    #[error("{message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// The connection cannot be used any more: what comes next on it is not known.
        is_broken: bool,
    },
}

impl ThinError {
    /// Whether the connection must be discarded.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Unavailable { is_broken: true, .. })
    }

    pub(super) fn broken(message: String) -> Self {
        Self::Unavailable { message, is_broken: true }
    }
}

/// Says what an error of the driver means for `target`, the connect string as it may be shown.
pub(super) fn classify(target: &str, error: &oracledb::Error) -> ThinError {
    match error.kind() {
        ErrorKind::DbError(database) => by_code(target, database.code(), database.message()),
        // These errors repeat the connect string, in which somebody may have put a password.
        ErrorKind::InvalidConnectString(_, reason) => ThinError::Config(format!(
            "the connect string is not one: {reason}; write host:port/service, a TNS alias or a descriptor"
        )),
        ErrorKind::TnsAliasNotFound(file, _) => ThinError::Config(format!(
            "no such TNS alias in {file}; name one of its aliases, or write host:port/service"
        )),
        ErrorKind::ParseError(..)
        | ErrorKind::InvalidDescriptorNode(..)
        | ErrorKind::InvalidNetworkName(_) => {
            ThinError::Config("the connect string, or tnsnames.ora, cannot be parsed".to_owned())
        }
        ErrorKind::NoConfigDir => ThinError::Config(
            "the connect string is a TNS alias, and no folder with a tnsnames.ora is known; set TNS_ADMIN"
                .to_owned(),
        ),
        ErrorKind::CallTimeoutExceeded => ThinError::Unavailable {
            message: format!("{target} took longer over a call than it may; it was cancelled"),
            is_broken: false,
        },
        ErrorKind::InvalidEncodedString => ThinError::broken(format!(
            "{target} sent text that is not in its own character set; select the column by \
             UTL_RAW.CAST_TO_RAW, or leave it out"
        )),
        _ => ThinError::broken(format!("{target}: {error}")),
    }
}

fn by_code(target: &str, code: usize, text: &str) -> ThinError {
    let message = format!("{target}: {}", text.lines().next().unwrap_or(text));
    if NO_SUCH_THING.contains(&code) {
        ThinError::Config(message)
    } else if code == WRONG_PASSWORD {
        ThinError::Denied(format!(
            "{message}; this driver knows password verifiers of 12c and later only: where the password is \
             right, set it anew on a database that makes such verifiers, or use driver = \"oci\""
        ))
    } else if REFUSED.contains(&code) {
        ThinError::Denied(message)
    } else {
        ThinError::Unavailable { message, is_broken: SESSION_IS_GONE.contains(&code) }
    }
}
