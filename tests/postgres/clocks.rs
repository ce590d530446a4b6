//! The server's clock is another than ours.

use crate::served::{clocks, played};
use crate::support::postgres::PostgreSql;

played!(clocks, PostgreSql:
    rows_that_a_server_ahead_of_us_stamps_are_held_back_counted_and_stored_once_when_their_time_has_come
    rows_are_stored_once_whoever_stamps_them_within_what_tolerance_and_lookback_allow
);
