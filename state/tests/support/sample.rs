//! Records and stores for tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use livecosmos_state::{
    Chain, ChainName, Cursor, Disk, FileId, FilePosition, Fill, FillKind, Fingerprint, Intent, Ledger,
    OpenError, Opened, Options, Site, SiteId, SourceFile, State, Store, TableName, Tally, Tie, Time, Window,
};

/// The table of most tests.
pub(crate) fn table() -> TableName {
    TableName::parse("LEVEL1_SOILMET_30MIN").unwrap()
}

/// An instant `seconds` after the first of 2025.
pub(crate) fn time(seconds: i64) -> Time {
    Time::new(1_735_689_600 + seconds, 0).unwrap()
}

/// A state of `sites` sites that holds every kind of value.
pub(crate) fn state_of(sites: usize) -> State {
    let mut state = State::new(table(), "csv:/data/{table}.csv");
    state.started = Some(time(0));
    state.last_run = Some(Time::new(1_735_700_000, 123_456_789).unwrap());
    state.floor = Some(Time::new(-1, 999_999_999).unwrap());
    state.sites = (0..sites).map(|n| (SiteId::parse(&format!("SITE{n:06}")).unwrap(), site(n))).collect();
    state.files = vec![SourceFile {
        path: "/data/LEVEL1_SOILMET_30MIN.csv".to_owned(),
        file: FileId(u64::MAX),
        covered: 70_000,
        check: 5_000_000_000,
        floor_until: 0,
    }];
    state
}

fn site(n: usize) -> Site {
    let seq = n as u64 * 300;
    let file = |offset| Cursor::File { file: FileId(0x0123_4567_89ab_cdef), offset };
    let row = |seconds, tie| Cursor::Row { time: time(seconds), tie };
    let (from, to) = match n % 4 {
        0 => (Cursor::Start, file(251)),
        1 => (file(65_535), file(65_536)),
        2 => (row(0, Tie::None), row(1_800, Tie::Integer(-1 - i64::from(u32::MAX)))),
        _ => (row(0, Tie::Text(String::new())), row(1_800, Tie::Text("é 1".to_owned()))),
    };
    let pending = (!n.is_multiple_of(3)).then(|| Intent {
        seq,
        from: from.clone(),
        to,
        next: n.is_multiple_of(7).then(|| file(1 << 40)),
        key: format!("SITE{n:06}/LIVE_SOILMET_30MIN/{seq:020}.json"),
        rows: 1 + seq,
        last_data: time(1_800),
        digest: [u8::try_from(n % 256).unwrap(); 32],
        since: time(1_900),
    });
    Site {
        last_data: (!n.is_multiple_of(5)).then(|| time(-60)),
        floor: (n.is_multiple_of(2)).then(|| time(-10_800)),
        live: Chain { seq, cursor: from.clone(), passed: None, pending: pending.clone() },
        ahead: (0..n % 3).map(|at| FilePosition { file: FileId(7), offset: at as u64 * 1_000 }).collect(),
        late: late(n, pending),
        requeue: Chain { seq: n as u64 % 3, ..Chain::new() },
        ledger: ledger(n),
        ledger_from: n.is_multiple_of(3).then(|| time(-3_600)),
        fills: fills(n, &from),
        sent: Tally { rows: seq * 1_000, late: n as u64 % 3, resent: u64::MAX >> (n % 64) },
    }
}

fn late(n: usize, pending: Option<Intent>) -> Chain {
    if n.is_multiple_of(2) {
        return Chain::new();
    }
    let at = |offset| Cursor::File { file: FileId(3), offset };
    Chain { seq: n as u64, cursor: at(5), passed: n.is_multiple_of(5).then(|| at(9)), pending }
}

/// Up to three hours, with a row that is there twice.
fn ledger(n: usize) -> Ledger {
    let mut ledger = Ledger::default();
    for row in (0..n as u64 % 4).flat_map(|row| [row, row / 2]) {
        let hour = i64::try_from(row).unwrap() * 3_600 - 3_600;
        ledger.insert(time(hour), Fingerprint { row: row << 40, version: u32::MAX - 1 });
    }
    ledger
}

fn fills(n: usize, after: &Cursor) -> BTreeMap<ChainName, Fill> {
    const KINDS: [FillKind; 4] = [FillKind::CatchUp, FillKind::Backfill, FillKind::Repair, FillKind::Resend];
    let fill = |kind: usize| Fill {
        kind: KINDS[kind],
        since: time(7_200),
        after: after.clone(),
        until: Cursor::Row { time: time(1_800), tie: Tie::None },
        window: Window { first: (n > 3).then(|| time(-1_800)), end: (n > 4).then(|| time(3_600)) },
        chain: Chain { seq: kind as u64, cursor: after.clone(), ..Chain::new() },
    };
    (0..4).filter(|kind| n % 6 > *kind + 1).map(|kind| (name(kind), fill(kind))).collect()
}

fn name(kind: usize) -> ChainName {
    ChainName::parse(&format!("fill-{kind}")).unwrap()
}

/// Opens the table's store in `dir`.
pub(crate) fn open(dir: &Path) -> Result<Opened, OpenError> {
    Store::open(&Options::default(), dir, &table())
}

/// Opens the table's store in `dir`, with its files on `disk`.
pub(crate) fn open_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<Opened, OpenError> {
    Store::open(&Options { disk, instance: Some([5; 16]), ..Options::default() }, dir, &table())
}

/// A directory with one named `state` in it: the state directory of a [`super::sim::SimDisk`].
pub(crate) fn state_dir() -> tempfile::TempDir {
    let above = tempfile::tempdir().unwrap();
    std::fs::create_dir(above.path().join("state")).unwrap();
    above
}

/// The name of a file of the table in `dir`.
pub(crate) fn file(dir: &Path, suffix: &str) -> std::path::PathBuf {
    dir.join(format!("{}{suffix}", table()))
}

/// The two files of a state, as a first commit writes them.
pub(crate) fn files_of(state: &State) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().store.commit(|empty| empty.clone_from(state)).unwrap();
    std::fs::read(file(dir.path(), ".state")).unwrap()
}
