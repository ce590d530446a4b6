//! Stations that keep writing: rows of many sites, with ties, in transactions that commit out of order.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::daemon::{Workdir, workdir};
use crate::support::objects::{self, StoredRow};
use crate::support::postgres::{Postgres, program};

const SITES: u32 = 20;
/// At once: their transactions overtake each other.
const WRITERS: u64 = 3;
const ROWS_PER_PART: u64 = 6;

const TABLE: &str = "CREATE TABLE met (id bigserial PRIMARY KEY, site_id text NOT NULL, \
     date_time timestamptz NOT NULL, ta double precision, note text); CREATE INDEX ON met (site_id, date_time, id);";

/// Makes the table that they write to, and says at what time its rows begin: recently enough that none counts
/// as a backlog, which is worked off beside the others.
pub(crate) fn make_table(server: &Postgres) {
    server.run(TABLE);
    server.run("CREATE TABLE clock AS SELECT date_trunc('second', now()) - interval '12 hours' AS began");
}

/// A folder that follows that table at `url`, in small objects. Times are seconds apart in the table, and a
/// transaction is overtaken by few others: `lookback` covers hundreds of them, however slow the machine.
pub(crate) fn following(url: &str, sink: &str) -> Workdir {
    workdir(&format!(
        "[source]\nkind = \"postgres\"\nurl = \"{url}\"\n{sink}\n\
         [upload]\nformat = \"ndjson\"\ncompression = \"none\"\nbatch_rows_max = 8\n\
         [poll]\ninterval = \"100ms\"\nfallback = \"all\"\nlookback = \"10m\"\n\
         [tables.MET]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\ntie_column = \"ID\"\n"
    ))
}

/// Keeps writing while `work` runs; gives what came of it. A transaction that fails, for the server is away,
/// is not made up for.
pub(crate) fn while_writing<T>(url: &str, work: impl FnOnce() -> T) -> T {
    let (tick, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // Time stands still while the server is away: none that waits for it falls behind the window.
                    let is_committed = write(url, tick.load(Ordering::Relaxed));
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

/// One transaction of two parts: between them another may take later ids, and commit before it. Whether it
/// is known to be committed.
fn write(url: &str, tick: u64) -> bool {
    let part = |number: u64| {
        let first = (tick * 2 + number) * ROWS_PER_PART;
        // Times go on by a second with each transaction, forth and back a little; many are equal.
        format!(
            "INSERT INTO met (site_id, date_time, ta, note) SELECT 'SITE' || i * 7 % {SITES}, \
             (SELECT began FROM clock) + ({tick} + i % 3) * interval '1 second', i / 7.0, 'né ' || i \
             FROM generate_series({first}, {}) AS i;",
            first + ROWS_PER_PART - 1
        )
    };
    let pause_ms = tick * 37 % 120;
    let sql = format!("BEGIN; {} SELECT pg_sleep({pause_ms} / 1000.0); {} COMMIT;", part(0), part(1));
    let mut psql = Command::new(program("psql"));
    psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", &sql]);
    // What was said of a server that is away is of no interest: what counts is what it holds in the end.
    let ended = psql.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}

/// How many rows are committed.
pub(crate) fn count(server: &Postgres) -> usize {
    server.run("SELECT count(*) FROM met")[0].parse().expect("a number")
}

/// Panics unless every row that is committed is stored, exactly once and as it is; gives their number.
pub(crate) fn assert_stored_once(server: &Postgres, stored: &[StoredRow]) -> usize {
    let committed = server.run(
        "SELECT id || '|' || site_id || '|' || to_char(date_time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
         || '|' || ta || '|' || note FROM met",
    );
    let count = committed.len();
    objects::assert_exactly_once(committed, stored, |row| {
        ["id", "site_id", "date_time", "ta", "note"].map(|column| row.text(column)).join("|")
    });
    count
}
