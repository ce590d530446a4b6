//! What servers say in words of their own.

use crate::support::database::{Database, Engine};

/// SQL where one kind of server differs from another.
pub(crate) trait Speech: Engine {
    /// `kind` under `[source]`.
    const KIND: &'static str;
    /// Makes table `met` of `id`, `site_id`, `date_time` and `ta`, with the index it should have.
    const TABLE: &'static str;
    /// Makes table `met` with a column `note` besides, whose ids the server gives. Times are whole seconds.
    const WRITTEN_TABLE: &'static str;
    /// The first instant of 2025.
    const NEW_YEAR: &'static str;
    /// The second that it is by the server's clock.
    const NOW: &'static str;
    /// Makes `ta` a text; what its type is then called; and makes it a number again, without column `note`.
    const TEXT: [&'static str; 3];

    /// Rows of a column `i`: the numbers from the first to the last.
    fn numbers(first: i64, last: i64) -> String;

    /// The instant so many seconds behind another, both SQL.
    fn later(instant: &str, seconds: &str) -> String;

    /// An instant as objects show it.
    fn shown(instant: &str) -> String;

    /// A statement that takes so long.
    fn pause(ms: u64) -> String;

    /// Ends the daemon's sessions, or only what they are at.
    fn strike(server: &Database<Self>, ends_sessions: bool)
    where
        Self: Sized;
}
