//! Rows to an HTTP endpoint: once where the receiver keeps the contract of `docs/http-endpoint.md`, whoever is
//! killed and whatever is lost on the way.
#![allow(clippy::print_stdout, reason = "says what was compared, and the seed")]

#[path = "../data/mod.rs"]
mod data;
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod counted;
mod kept;
mod secured;

use support::daemon::Workdir;
pub(crate) use support::sent::{TABLE, add_rows, assert_once, once};

/// A folder that sends `met.csv` to `url`; `more` stands under `[sink.http]`.
pub(crate) fn sending(url: &str, more: &str) -> Workdir {
    support::sent::sending(url, "http", more)
}
