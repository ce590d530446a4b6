//! Commits of growing states beside a plain write of the same bytes, in one directory and one run.
//!
//! `cargo bench -p livecosmos-state --bench commit [-- DIR]`. The plain write is what no store can go
//! below: the same bytes twice, each into a new file that is synced.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use livecosmos_state::{Chain, Cursor, FileId, Intent, Options, Site, SiteId, State, Store, TableName, Time};

const SITES: [usize; 4] = [50, 1_000, 10_000, 100_000];
/// What a commit may cost at most, in plain writes.
const RATIO_MAX: f64 = 3.0;
const RATIO_SITES: usize = 10_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    // Cargo passes flags of its own, such as --bench.
    let dir = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from);
    let parent = dir.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let dir = tempfile::tempdir_in(parent)?;
    println!("| sites | file bytes | commit median | commit worst | plain twice, median | ratio | goal |");
    println!("|---:|---:|---:|---:|---:|---:|---|");
    for sites in SITES {
        measure(dir.path(), sites)?;
    }
    Ok(())
}

/// Commits and plain writes in turn, so that both see the same disk.
fn measure(dir: &Path, sites: usize) -> Outcome<()> {
    let table = TableName::parse(&format!("BENCH_{sites}"))?;
    let mut store = Store::open(&Options::default(), dir, &table)?.store;
    let state = state_of(&table, sites)?;
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
    let goal = match sites {
        RATIO_SITES if ratio <= RATIO_MAX => "kept: at most 3",
        RATIO_SITES => "MISSED: at most 3",
        _ => "",
    };
    let worst = commits[commits.len() - 1];
    println!(
        "| {sites} | {} | {commit:.1?} | {worst:.1?} | {twice:.1?} | {ratio:.2} | {goal} |",
        bytes.len()
    );
    Ok(())
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

/// Sites as they are while all of them upload: each with an intent.
fn state_of(table: &TableName, sites: usize) -> Outcome<State> {
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
        let site =
            Site { last_data: Some(time), floor: Some(time), live, ahead: Vec::new(), ..Site::default() };
        state.sites.insert(SiteId::parse(&format!("SITE{n:06}"))?, site);
    }
    Ok(state)
}
