//! The server's clock is another than ours.

use crate::support::mariadb::MariaDb;

crate::served::clocks::play!(MariaDb);
