//! Commits of growing states beside a plain write of the same bytes, in one directory and one run.
//!
//! `cargo bench -p livecosmos-state --bench commit [-- DIR]`. The plain write is what no store can go
//! below: the same bytes twice, each into a new file that is synced.
//!
//! The last two rows are the cost of a ledger: 60 sites with a row a minute, and a lookback of a day.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use livecosmos_state::{
    Chain, Cursor, FileId, Fingerprint, Intent, Options, Site, SiteId, State, Store, TableName, Time,
};

const SITES: [usize; 4] = [50, 1_000, 10_000, 100_000];
/// What a commit may cost at most, in plain writes.
const RATIO_MAX: f64 = 3.0;
const RATIO_SITES: usize = 10_000;
const LEDGER_SITES: usize = 60;
const LEDGER_ROWS: usize = 24 * 60;
/// What a commit may cost more with that ledger.
const LEDGER_COST_MAX: Duration = Duration::from_millis(4);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    // Cargo passes flags of its own, such as --bench.
    let dir = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from);
    let parent = dir.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let dir = tempfile::tempdir_in(parent)?;
    println!(
        "| sites | ledger rows | file bytes | commit median | commit worst | plain twice, median | ratio |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for sites in SITES {
        let ratio = measure(dir.path(), sites, 0)?.ratio;
        if sites == RATIO_SITES {
            println!("{}: at most {RATIO_MAX} plain writes", verdict(ratio <= RATIO_MAX));
        }
    }
    let without = measure(dir.path(), LEDGER_SITES, 0)?;
    let with = measure(dir.path(), LEDGER_SITES, LEDGER_ROWS)?;
    let cost = with.commit.saturating_sub(without.commit);
    println!(
        "{}: a ledger costs {cost:.1?} a commit and {} bytes a file, at most {LEDGER_COST_MAX:?}",
        verdict(cost <= LEDGER_COST_MAX),
        with.file_bytes - without.file_bytes
    );
    Ok(())
}

fn verdict(kept: bool) -> &'static str {
    if kept { "kept" } else { "MISSED" }
}

/// What a state costs.
struct Cost {
    commit: Duration,
    ratio: f64,
    file_bytes: usize,
}

/// Commits and plain writes in turn, so that both see the same disk.
fn measure(dir: &Path, sites: usize, ledger_rows: usize) -> Outcome<Cost> {
    let table = TableName::parse(&format!("BENCH_{sites}_{ledger_rows}"))?;
    let mut store = Store::open(&Options::default(), dir, &table)?.store;
    let state = state_of(&table, sites, ledger_rows)?;
    store.commit(|empty| *empty = state)?;
    let bytes = fs::read(dir.join(format!("{table}.state")))?;
    let runs = if sites > 10_000 { 15 } else { 41 };
    let (mut commits, mut plain) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let began = Instant::now();
        store.commit(|state| state.sites.values_mut().for_each(|site| site.live.seq = run))?;
        commits.push(began.elapsed());
        plain.push(write_twice(dir, &bytes)?);
    }
    commits.sort();
    plain.sort();
    let (commit, twice) = (commits[commits.len() / 2], plain[plain.len() / 2]);
    let ratio = commit.as_secs_f64() / twice.as_secs_f64();
    let (worst, rows, file_bytes) = (commits[commits.len() - 1], sites * ledger_rows, bytes.len());
    println!("| {sites} | {rows} | {file_bytes} | {commit:.1?} | {worst:.1?} | {twice:.1?} | {ratio:.2} |");
    Ok(Cost { commit, ratio, file_bytes })
}

fn write_twice(dir: &Path, bytes: &[u8]) -> Outcome<Duration> {
    let began = Instant::now();
    for name in ["plain.1", "plain.2"] {
        let mut file = File::create(dir.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    Ok(began.elapsed())
}

/// Sites as they are while all of them upload: each with an intent, and a row a minute in its ledger.
fn state_of(table: &TableName, sites: usize, ledger_rows: usize) -> Outcome<State> {
    let mut state = State::new(table.clone(), "csv:bench");
    let time = Time::new(1_735_689_600, 0)?;
    let file = FileId(0x0123_4567_89ab_cdef);
    for n in 0..sites {
        let at = |offset: usize| Cursor::File { file, offset: offset as u64 };
        let pending = Intent {
            seq: 1_000,
            from: at(n * 1_000),
            to: at(n * 1_000 + 900),
            next: None,
            key: format!("SITE{n:06}/LIVE_SOILMET_30MIN/{:020}.json", 1_000),
            rows: 48,
            last_data: time,
            digest: [0xa5; 32],
            since: time,
        };
        let live = Chain { seq: 1_000, cursor: at(n * 1_000), passed: None, pending: Some(pending) };
        let mut site = Site { last_data: Some(time), floor: Some(time), live, ..Site::default() };
        for minute in 0..ledger_rows {
            // Spread over 64 bits as hashes are.
            let row = (n * ledger_rows + minute + 1) as u64;
            let fingerprint = Fingerprint { row: row.wrapping_mul(0x9e37_79b9_7f4a_7c15), version: 1 };
            let seconds = time.seconds + 60 * i64::try_from(minute)?;
            site.ledger.insert(Time::new(seconds, 0)?, fingerprint);
        }
        state.sites.insert(SiteId::parse(&format!("SITE{n:06}"))?, site);
    }
    Ok(state)
}
