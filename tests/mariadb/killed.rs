//! While rows keep coming, the daemon, the server and the network are killed at random moments.

use crate::support::mariadb::MariaDb;

crate::served::killed::play!(MariaDb);
