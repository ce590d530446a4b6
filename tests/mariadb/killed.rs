//! While rows keep coming, the daemon, the server and the network are killed at random moments.

use crate::served::{killed, played, played_for_long};
use crate::support::mariadb::MariaDb;

played!(killed, MariaDb:
    rows_are_stored_once_though_the_daemon_is_killed_while_they_are_written
    rows_are_stored_once_though_the_server_is_killed_while_they_are_written
    rows_are_stored_once_though_connections_are_cut_in_the_middle_of_what_the_server_sends
    a_server_that_is_away_for_long_is_asked_once_a_poll_and_read_on_when_it_is_back
);
played_for_long!(killed, MariaDb:
    rows_are_stored_once_though_the_daemon_is_killed_many_times_while_they_are_written
    rows_are_stored_once_though_the_server_is_killed_many_times_while_they_are_written
    rows_are_stored_once_though_connections_are_cut_many_times
);
