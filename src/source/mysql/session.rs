//! What holds for a connection, in the words of its server.

use std::time::Duration;

/// Waiting for a lock of the table's definition ends after this at most.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(50);
/// A sink that is away holds a pass, and with it the rows that the server sends, for so long at most.
const WRITE_TIMEOUT: Duration = Duration::from_hours(24);

/// The two kinds of server, which limit the time of a statement by different names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Mysql,
    Mariadb,
}

impl Family {
    /// By what the server says of its version.
    pub(super) fn of(version: &str) -> Self {
        if version.contains("MariaDB") { Self::Mariadb } else { Self::Mysql }
    }

    /// What holds for a whole session. Nothing that the server was told of its own is relied on.
    pub(super) fn prepare(statement_timeout: Duration) -> String {
        let lock_wait_s = statement_timeout.min(LOCK_WAIT_MAX).as_secs().max(1);
        let write_s = WRITE_TIMEOUT.as_secs();
        format!(
            "SET NAMES utf8mb4; SET SESSION time_zone = '+00:00', sql_mode = '', sql_big_selects = 1, \
             sql_select_limit = 18446744073709551615, lock_wait_timeout = {lock_wait_s}, \
             net_write_timeout = {write_s}; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        )
    }

    /// Lets the optimizer look at an index for as many sites as are asked for. Servers of some versions do
    /// not know it.
    pub(super) fn widen(self) -> &'static str {
        match self {
            Self::Mysql => "SET SESSION range_optimizer_max_mem_size = 0",
            Self::Mariadb => "SET SESSION in_predicate_conversion_threshold = 0",
        }
    }

    /// Begins a transaction in which a statement may take so long; `None` for as long as it takes.
    pub(super) fn begin(self, limit: Option<Duration>) -> String {
        let limit = limit.unwrap_or_default();
        let limit = match self {
            Self::Mysql => format!("max_execution_time = {}", limit.as_millis()),
            Self::Mariadb => format!("max_statement_time = {}.{:03}", limit.as_secs(), limit.subsec_millis()),
        };
        format!("SET SESSION {limit}; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_limits_a_statement_in_its_own_unit() {
        let limit = Some(Duration::from_millis(1_500));
        assert!(Family::Mysql.begin(limit).starts_with("SET SESSION max_execution_time = 1500; START"));
        assert!(Family::Mariadb.begin(limit).starts_with("SET SESSION max_statement_time = 1.500; START"));
        assert!(Family::Mariadb.begin(None).starts_with("SET SESSION max_statement_time = 0.000; START"));
        assert_eq!(Family::of("10.11.6-MariaDB-0+deb12u1"), Family::Mariadb);
        assert_eq!(Family::of("8.0.36"), Family::Mysql);
    }
}
