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

use std::collections::BTreeMap;
use std::time::Duration;

use support::daemon::{Livecosmos, Workdir, workdir};
use support::objects;
use support::process::wait_until;
use support::subscriber::Subscriber;

pub(crate) const TABLE: &str = "MET";
pub(crate) const TOPICS: &str = "livecosmos/#";
pub(crate) const WITHIN: Duration = Duration::from_mins(1);

/// A folder that sends `met.csv` to `url`; `more` stands under `[sink.mqtt]`.
pub(crate) fn sending(url: &str, more: &str) -> Workdir {
    let workdir = workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"met.csv\"\n[sink]\nurl = \"{url}\"\n[sink.mqtt]\n{more}\n[upload]\n\
         format = \"ndjson\"\nbatch_rows_max = 40\n[poll]\ninterval = \"1s\"\nfallback = \"all\"\n\
         [tables.{TABLE}]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n"
    ));
    workdir.write("met.csv", "SITE,TIME,V\n");
    workdir
}

/// Replaces a part of the configuration.
pub(crate) fn change(workdir: &Workdir, from: &str, to: &str) {
    let config = std::fs::read_to_string(workdir.config()).expect("the configuration");
    assert!(config.contains(from), "{from} is not in {config}");
    workdir.write("livecosmos.toml", config.replace(from, to));
}

/// `count` more rows of three sites in turn, from row `first` on.
pub(crate) fn add_rows(workdir: &Workdir, first: u32, count: u32) {
    let row = |at: u32| {
        let (day, minute) = (1 + at / 1440, at % 1440);
        format!(
            "{},2026-01-{day:02} {:02}:{:02}:00,{at}.50\n",
            ["A", "B", "C"][at as usize % 3],
            minute / 60,
            minute % 60
        )
    };
    workdir.append("met.csv", (first..first + count).map(row).collect::<String>());
}

/// Plays each case on a thread of its own: they wait more than they work.
pub(crate) fn at_once<C: Send>(cases: impl IntoIterator<Item = C>, play: impl Fn(C) + Sync) {
    std::thread::scope(|scope| {
        let play = &play;
        cases.into_iter().for_each(|case| drop(scope.spawn(move || play(case))));
    });
}

pub(crate) fn once(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table(TABLE).arg("--once")
}

/// Waits until the receiver has got as many rows, and compares them.
pub(crate) fn assert_arrived(receiver: &Subscriber, count: u32) {
    wait_until("all rows at the receiver", WITHIN, || (receiver.rows() >= count as usize).then_some(()));
    assert_once(&receiver.batches(), count);
}

/// Rows `0..count` were stored, each once.
pub(crate) fn assert_once(batches: &BTreeMap<String, Vec<u8>>, count: u32) {
    let mut values: Vec<String> = objects::rows(batches).iter().map(|row| row.text("V")).collect();
    let mut due: Vec<String> = (0..count).map(|at| format!("{at}.50")).collect();
    values.sort_unstable();
    due.sort_unstable();
    assert_eq!(values.len(), due.len(), "rows lost or doubled");
    assert_eq!(values, due);
}
