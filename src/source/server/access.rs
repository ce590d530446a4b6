//! What the configuration says of every server alike.

use std::time::Duration;

use crate::secret::Secret;
use crate::source::sqlite::TimeUnit;

/// How a server is used, whichever it is.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where the password is found.
    pub password: Secret,
    /// Names the sites to follow; `None` for all that the table holds.
    pub sites_query: Option<String>,
    /// Unit of times that are stored as whole numbers since 1970-01-01.
    pub time_unit: TimeUnit,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest time a statement, or a portion of its rows, may take.
    pub statement_timeout: Duration,
    /// Statements at the same time, of all tables of this server.
    pub statements_max: usize,
}

/// With the defaults of everything that has one.
impl Default for Access {
    fn default() -> Self {
        Self {
            password: Secret::Usual,
            sites_query: None,
            time_unit: TimeUnit::Seconds,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_mins(5),
            statements_max: 4,
        }
    }
}
