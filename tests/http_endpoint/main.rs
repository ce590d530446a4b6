//! Rows to an HTTP endpoint: once where the receiver keeps the contract of `docs/http-endpoint.md`, whoever is
//! killed and whatever is lost on the way.
#![allow(clippy::print_stdout, reason = "says what was compared, and the seed")]

#[path = "../data/mod.rs"]
mod data;
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod kept;
mod secured;

use std::collections::BTreeMap;

use support::daemon::{Livecosmos, Workdir, workdir};
use support::objects;

pub(crate) const TABLE: &str = "MET";

/// A folder that sends `met.csv` to `url`; `more` stands under `[sink.http]`.
pub(crate) fn sending(url: &str, more: &str) -> Workdir {
    let workdir = workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"met.csv\"\n[sink]\nurl = \"{url}\"\n[sink.http]\n{more}\n[upload]\n\
         format = \"ndjson\"\nbatch_rows_max = 40\n[poll]\ninterval = \"1s\"\nfallback = \"all\"\n\
         [tables.{TABLE}]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n"
    ));
    workdir.write("met.csv", "SITE,TIME,V\n");
    workdir
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

pub(crate) fn once(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table(TABLE).arg("--once")
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
