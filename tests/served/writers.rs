//! Stations that keep writing: rows of many sites, with ties, in transactions that commit out of order.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::speech::Speech;
use crate::support::daemon::{Workdir, workdir};
use crate::support::database::{Client, Database};
use crate::support::objects::{self, StoredRow};

const SITES: u32 = 20;
/// At once: their transactions overtake each other.
const WRITERS: u64 = 3;
const ROWS_PER_PART: u64 = 6;

/// Makes the table that they write to, and says at what time its rows begin: recently enough that none counts
/// as a backlog, which is worked off beside the others.
pub(crate) fn make_table<E: Speech>(server: &Database<E>) {
    server.run(E::WRITTEN_TABLE);
    server.run(&format!("CREATE TABLE clock AS SELECT {} AS began", E::later(E::NOW, "-43200")));
}

/// A folder that follows that table at `url`, in small objects. Times go on by half a minute in a second of ours,
/// and a daemon that is killed may come to the end of no pass for long: `lookback` covers all that is written.
pub(crate) fn following<E: Speech>(url: &str, sink: &str) -> Workdir {
    workdir(&format!(
        "[source]\nkind = \"{}\"\nurl = \"{url}\"\n{sink}\n\
         [upload]\nformat = \"ndjson\"\ncompression = \"none\"\nbatch_rows_max = 8\n\
         [poll]\ninterval = \"100ms\"\nfallback = \"all\"\nlookback = \"12h\"\n\
         [tables.MET]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\ntie_column = \"ID\"\n",
        E::KIND
    ))
}

/// Keeps writing while `work` runs; gives what came of it. A transaction that fails, for the server is away,
/// is not made up for.
pub(crate) fn while_writing<E: Speech, T>(client: &Client, work: impl FnOnce() -> T) -> T {
    let (tick, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // Time stands still while the server is away: none that waits for it falls behind the window.
                    // What was said of it is of no interest: what counts is what it holds in the end.
                    let is_committed = client.run(&writing::<E>(tick.load(Ordering::Relaxed))).is_ok();
                    tick.fetch_add(u64::from(is_committed), Ordering::Relaxed);
                }
            });
        }
        // A writer is told to end also where the work fails.
        let _over = Over(&is_over);
        work()
    })
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One transaction of two parts: between them another may take later ids, and commit before it.
fn writing<E: Speech>(tick: u64) -> String {
    let part = |number: u64| {
        let first = i64::try_from((tick * 2 + number) * ROWS_PER_PART).expect("small");
        let last = first + i64::try_from(ROWS_PER_PART).expect("small") - 1;
        // Times go on by a second with each transaction, forth and back a little; many are equal.
        format!(
            "INSERT INTO met (site_id, date_time, ta, note) SELECT CONCAT('SITE', i * 7 % {SITES}), {}, i / 7.0, \
             CONCAT('né ', i) FROM {}, clock",
            E::later("began", &format!("({tick} + i % 3)")),
            E::numbers(first, last)
        )
    };
    format!("BEGIN; {}; {}; {}; COMMIT", part(0), E::pause(tick * 37 % 120), part(1))
}

/// The rows that are committed, as [`name`] names them.
pub(crate) fn committed<E: Speech>(server: &Database<E>) -> Vec<String> {
    let time = E::shown("date_time");
    server.run(&format!("SELECT CONCAT_WS('|', id, site_id, {time}, ta, note) FROM met"))
}

/// What a row is called that is to be found again with all its values.
pub(crate) fn name(row: &StoredRow) -> String {
    ["id", "site_id", "date_time", "ta", "note"].map(|column| row.text(column)).join("|")
}
