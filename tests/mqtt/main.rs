//! Rows to an MQTT broker: once where the receiver keeps the contract of `docs/mqtt.md`, whoever is killed and
//! whatever is lost on the way.
#![allow(clippy::print_stdout, reason = "says what was compared, and the seed")]

#[path = "../data/mod.rs"]
mod data;
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod arrive;
mod kept;
mod refused;
mod secured;

use std::time::Duration;

use support::daemon::Workdir;
use support::process::wait_until;
pub(crate) use support::sent::{TABLE, add_rows, assert_once, once};
use support::subscriber::Subscriber;

pub(crate) const TOPICS: &str = "livecosmos/#";
pub(crate) const WITHIN: Duration = Duration::from_mins(1);

/// A folder that sends `met.csv` to `url`; `more` stands under `[sink.mqtt]`.
pub(crate) fn sending(url: &str, more: &str) -> Workdir {
    support::sent::sending(url, "mqtt", more)
}

/// Replaces a part of the configuration.
pub(crate) fn change(workdir: &Workdir, from: &str, to: &str) {
    let config = std::fs::read_to_string(workdir.config()).expect("the configuration");
    assert!(config.contains(from), "{from} is not in {config}");
    workdir.write("livecosmos.toml", config.replace(from, to));
}

/// Plays each case on a thread of its own: they wait more than they work.
pub(crate) fn at_once<C: Send>(cases: impl IntoIterator<Item = C>, play: impl Fn(C) + Sync) {
    std::thread::scope(|scope| {
        let play = &play;
        cases.into_iter().for_each(|case| drop(scope.spawn(move || play(case))));
    });
}

/// Waits until the receiver has got as many rows, and compares them.
pub(crate) fn assert_arrived(receiver: &Subscriber, count: u32) {
    wait_until("all rows at the receiver", WITHIN, || (receiver.rows() >= count as usize).then_some(()));
    assert_once(&receiver.batches(), count);
}
