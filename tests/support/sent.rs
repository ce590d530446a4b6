//! Rows that are sent to a receiver, which stores them in a table of its own, and whether it has each once.

use std::collections::BTreeMap;
use std::path::Path;

use super::daemon::{Livecosmos, Workdir, workdir};
use super::objects;

/// The table that they are from.
pub const TABLE: &str = "MET";

/// A folder that sends `met.csv` to `url`; `more` stands under `[sink.KIND]`.
pub fn sending(url: &str, kind: &str, more: &str) -> Workdir {
    let workdir = workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"met.csv\"\n[sink]\nurl = \"{url}\"\n[sink.{kind}]\n{more}\n[upload]\n\
         format = \"ndjson\"\nbatch_rows_max = 40\n[poll]\ninterval = \"1s\"\nfallback = \"all\"\n\
         [tables.{TABLE}]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\n"
    ));
    workdir.write("met.csv", "SITE,TIME,V\n");
    workdir
}

/// `count` more rows of three sites in turn, from row `first` on.
pub fn add_rows(workdir: &Workdir, first: u32, count: u32) {
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

/// A run over that table that ends by itself.
pub fn once(workdir: &Workdir) -> Livecosmos {
    workdir.livecosmos().table(TABLE).arg("--once")
}

/// The batches in a receiver's database: key to rows, as objects are.
pub fn batches_in(database: &Path) -> BTreeMap<String, Vec<u8>> {
    let database = rusqlite::Connection::open(database).expect("its database");
    let mut statement = database.prepare("SELECT key, line FROM rows ORDER BY rowid").expect("its table");
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let mut batches: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for row in rows.expect("rows") {
        let (key, line) = row.expect("a row");
        let batch = batches.entry(format!("{}.ndjson", key.trim_matches('"'))).or_default();
        batch.extend(line.as_bytes());
        batch.push(b'\n');
    }
    batches
}

/// Rows `0..count` were stored, each once.
pub fn assert_once(batches: &BTreeMap<String, Vec<u8>>, count: u32) {
    let mut values: Vec<String> = objects::rows(batches).iter().map(|row| row.text("V")).collect();
    let mut due: Vec<String> = (0..count).map(|at| format!("{at}.50")).collect();
    values.sort_unstable();
    due.sort_unstable();
    assert_eq!(values.len(), due.len(), "rows lost or doubled");
    assert_eq!(values, due);
}
