//! The server's clock is another than ours.

use crate::support::postgres::PostgreSql;

crate::served::clocks::play!(PostgreSql);
