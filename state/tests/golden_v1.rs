//! The bytes of format 1.0: a file of the first release is read for ever, and becomes one of format 3.

#![expect(clippy::disallowed_methods, reason = "what a test puts on disk need not outlive it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;

use livecosmos_state::*;
use support::frames::{Header, frame};
use support::sample::{file, open};
use support::second::{Instant, PayloadCursor, PayloadTie, instant, row, varint};
use wincode::{SchemaRead, SchemaWrite};

const GOLDEN: &[u8] = include_bytes!("golden/1.0.state");
const GENERATION: u64 = 300;
const INSTANCE: [u8; 16] = *b"\x01\x23\x45\x67\x89\xab\x4c\xde\x8f\x00\x11\x22\x33\x44\x55\x66";

/// What the golden file holds: every kind of value, at both sides of each width of a varint.
fn golden_state() -> State {
    let time = |seconds, nanos| Time::new(seconds, nanos).unwrap();
    let mut state = State::new(TableName::parse("LEVEL1_SOILMET_30MIN").unwrap(), "csv:soilmet");
    state.started = Some(time(1_735_689_600, 0));
    state.last_run = Some(time(1_735_693_200, 123_456_789));
    state.floor = Some(time(-1, 999_999_999));
    let empty = SiteId::parse("A").unwrap();
    state.sites.insert(empty, Site::default());
    let file = FileId(0x0123_4567_89ab_cdef);
    let table_row = Site {
        last_data: Some(time(1_735_689_600, 500_000_000)),
        floor: None,
        live: Chain {
            seq: 250,
            cursor: Cursor::Row { time: time(1_735_687_800, 0), tie: Tie::None },
            passed: None,
            pending: Some(Intent {
                seq: 251,
                from: Cursor::Row { time: time(1_735_687_800, 0), tie: Tie::Integer(-65_537) },
                to: Cursor::Row { time: time(1_735_689_600, 0), tie: Tie::Text("é1".to_owned()) },
                next: None,
                key: "ALIC1/LIVE_SOILMET_30MIN/00000000000000000251.json".to_owned(),
                rows: 65_535,
                last_data: time(1_735_689_600, 1),
                digest: std::array::from_fn(|n| u8::try_from(n * 8).unwrap()),
                since: time(1_735_690_000, 0),
            }),
        },
        ahead: vec![],
        ..Site::default()
    };
    state.sites.insert(SiteId::parse("ALIC1").unwrap(), table_row);
    let file_row = Site {
        last_data: None,
        floor: Some(time(-377_705_116_800, 0)),
        live: Chain {
            seq: 65_536,
            cursor: Cursor::File { file, offset: 4_294_967_295 },
            passed: None,
            pending: None,
        },
        ahead: vec![
            FilePosition { file, offset: 4_294_967_296 },
            FilePosition { file: FileId(1), offset: u64::MAX },
        ],
        ..Site::default()
    };
    state.sites.insert(SiteId::parse("ZZ-9_").unwrap(), file_row);
    let path = "/data/LEVEL1_SOILMET_30MIN.csv".to_owned();
    state.files = vec![SourceFile { path, file, covered: 4_294_967_000, check: u64::MAX, floor_until: 7 }];
    state
}

#[test]
fn the_golden_file_is_read_as_it_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(file(dir.path(), ".state"), GOLDEN).unwrap();
    let inspection = inspect(dir.path(), &golden_state().table);
    let whole = inspection.whole().expect("the golden file is whole");
    assert_eq!((whole.major, whole.minor, whole.generation, whole.instance), (1, 0, GENERATION, INSTANCE));
    assert_eq!(whole.state, golden_state());
}

/// Opened with a whole backup beside it, so that nothing is mended.
fn opened() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    for suffix in [".state", ".state.backup"] {
        fs::write(file(dir.path(), suffix), GOLDEN).unwrap();
    }
    let opened = open(dir.path()).unwrap();
    assert_eq!(opened.origin, Origin::Primary);
    (dir, opened.store)
}

#[test]
fn a_state_of_format_1_is_not_touched_before_the_first_commit() {
    let (dir, store) = opened();
    assert_eq!((store.state(), store.generation()), (&golden_state(), GENERATION));
    drop(store);
    for suffix in [".state", ".state.backup"] {
        assert_eq!(fs::read(file(dir.path(), suffix)).unwrap(), GOLDEN);
    }
}

#[test]
fn the_next_commit_of_a_state_of_format_1_writes_format_3_with_nothing_lost() {
    let (dir, mut store) = opened();
    assert_eq!(store.commit(|_| ()).unwrap(), GENERATION + 1);
    drop(store);
    let inspection = inspect(dir.path(), &golden_state().table);
    let (Found::Whole(primary), Found::Whole(backup)) = (&inspection.primary, &inspection.backup) else {
        panic!("{inspection:?}")
    };
    assert_eq!(primary, backup);
    assert_eq!((primary.major, primary.minor, primary.generation), (3, 0, GENERATION + 1));
    assert_eq!((primary.instance, &primary.state), (INSTANCE, &golden_state()));
}

#[test]
fn a_torn_upgrade_is_finished_from_either_format() {
    let (dir, mut store) = opened();
    store.commit(|state| state.source.push('x')).unwrap();
    drop(store);
    let newest = fs::read(file(dir.path(), ".state")).unwrap();
    for (primary, source) in [(GOLDEN, "csv:soilmetx"), (&newest[..100], "csv:soilmetx")] {
        fs::write(file(dir.path(), ".state"), primary).unwrap();
        assert_eq!(open(dir.path()).unwrap().store.state().source, source);
    }
    fs::write(file(dir.path(), ".state"), GOLDEN).unwrap();
    fs::write(file(dir.path(), ".state.backup"), &newest[..100]).unwrap();
    assert_eq!(*open(dir.path()).unwrap().store.state(), golden_state());
}

#[derive(SchemaRead, SchemaWrite, Debug, PartialEq)]
struct Payload {
    table: String,
    source: String,
    started: Option<Instant>,
    last_run: Option<Instant>,
    floor: Option<Instant>,
    sites: Vec<PayloadSite>,
    files: Vec<(String, u64, u64, u64, u64)>,
}

#[derive(SchemaRead, SchemaWrite, Debug, PartialEq)]
struct PayloadSite {
    id: String,
    last_data: Option<Instant>,
    floor: Option<Instant>,
    seq: u64,
    cursor: PayloadCursor,
    pending: Option<PayloadIntent>,
    ahead: Vec<(u64, u64)>,
}

#[derive(SchemaRead, SchemaWrite, Debug, PartialEq)]
struct PayloadIntent {
    seq: u64,
    from: PayloadCursor,
    to: PayloadCursor,
    key: String,
    rows: u64,
    last_data: Instant,
    digest: [u8; 32],
    since: Instant,
}

/// The golden state once more, written down for the second implementation.
fn golden_payload() -> Payload {
    let file = 0x0123_4567_89ab_cdef;
    Payload {
        table: "LEVEL1_SOILMET_30MIN".to_owned(),
        source: "csv:soilmet".to_owned(),
        started: Some(instant(1_735_689_600, 0)),
        last_run: Some(instant(1_735_693_200, 123_456_789)),
        floor: Some(instant(-1, 999_999_999)),
        sites: vec![
            PayloadSite {
                id: "A".to_owned(),
                last_data: None,
                floor: None,
                seq: 0,
                cursor: PayloadCursor::Start,
                pending: None,
                ahead: vec![],
            },
            PayloadSite {
                id: "ALIC1".to_owned(),
                last_data: Some(instant(1_735_689_600, 500_000_000)),
                floor: None,
                seq: 250,
                cursor: row(1_735_687_800, PayloadTie::None),
                pending: Some(PayloadIntent {
                    seq: 251,
                    from: row(1_735_687_800, PayloadTie::Integer(-65_537)),
                    to: row(1_735_689_600, PayloadTie::Text("é1".to_owned())),
                    key: "ALIC1/LIVE_SOILMET_30MIN/00000000000000000251.json".to_owned(),
                    rows: 65_535,
                    last_data: instant(1_735_689_600, 1),
                    digest: std::array::from_fn(|n| u8::try_from(n * 8).unwrap()),
                    since: instant(1_735_690_000, 0),
                }),
                ahead: vec![],
            },
            PayloadSite {
                id: "ZZ-9_".to_owned(),
                last_data: None,
                floor: Some(instant(-377_705_116_800, 0)),
                seq: 65_536,
                cursor: PayloadCursor::File { file, offset: 4_294_967_295 },
                pending: None,
                ahead: vec![(file, 4_294_967_296), (1, u64::MAX)],
            },
        ],
        files: vec![("/data/LEVEL1_SOILMET_30MIN.csv".to_owned(), file, 4_294_967_000, u64::MAX, 7)],
    }
}

#[test]
fn a_second_implementation_writes_the_golden_file_and_reads_it() {
    let payload = wincode::config::serialize(&golden_payload(), varint()).unwrap();
    let header = Header { major: 1, generation: GENERATION, instance: INSTANCE, ..Header::default() };
    assert_eq!(frame(&header, &payload), GOLDEN);
    let read: Payload = wincode::config::deserialize_exact(&GOLDEN[72..], varint()).unwrap();
    assert_eq!(read, golden_payload());
}
