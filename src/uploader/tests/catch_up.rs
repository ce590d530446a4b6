//! A backlog that the live chain jumps over: its rows and the fresh ones are stored once, whenever the
//! process dies and whatever becomes of the state.

use super::*;
use crate::source::sqlite::{self, SqliteSource, TimeUnit};

/// A table of a database, followed with its fills.
pub(super) struct Station {
    pub(super) world: World,
    batch_rows_max: usize,
    pub(super) settle_s: i64,
}

impl Station {
    pub(super) fn new() -> Self {
        let station =
            Self { world: World { folder: tempfile::tempdir().unwrap() }, batch_rows_max: 3, settle_s: 0 };
        station.sql("CREATE TABLE T (ID INTEGER PRIMARY KEY, SITE TEXT, TIME INTEGER, VALUE INTEGER)");
        station.sql("CREATE INDEX T_BY_SITE ON T (SITE, TIME)");
        station
    }

    pub(super) fn sql(&self, statement: &str) {
        let database = rusqlite::Connection::open(self.path()).unwrap();
        database.execute(statement, []).unwrap();
    }

    /// Rows of `site` with `values`, one a minute, the first at `first_s` before now.
    pub(super) fn add(&self, site: &str, first_s: i64, values: std::ops::Range<u32>) {
        let mut database = rusqlite::Connection::open(self.path()).unwrap();
        let all = database.transaction().unwrap();
        for (n, value) in values.enumerate() {
            let time = NOW_S - first_s + 60 * i64::try_from(n).unwrap();
            let row = "INSERT INTO T (SITE, TIME, VALUE) VALUES (?1, ?2, ?3)";
            all.execute(row, (site, time, value)).unwrap();
        }
        all.commit().unwrap();
    }

    fn path(&self) -> std::path::PathBuf {
        self.world.folder.path().join("rows.sqlite")
    }

    pub(super) fn source(&self) -> Box<dyn Source> {
        let limits = Limits { batch_rows_max: self.batch_rows_max, ..shape().limits };
        let shape = TableShape { limits, tie_column: Some("ID".into()), settle_s: self.settle_s, ..shape() };
        let settings = sqlite::Settings { path: self.path(), time_unit: TimeUnit::Seconds };
        Box::new(SqliteSource::open(settings, shape).unwrap())
    }

    pub(super) fn open(&self, state_dir: &Path, sink: Arc<dyn Sink>, settings: Settings) -> Following {
        let watch = Arc::new(Watch::default());
        let uploader = Arc::new(uploader(state_dir, sink, settings, watch.clone()));
        Following { uploader, source: Some(self.source()), watch }
    }

    /// Follows the table, and its fills, to their ends.
    pub(super) async fn follow(&self, state_dir: &Path, sink: Arc<dyn Sink>, settings: Settings) {
        let mut following = self.open(state_dir, sink, settings);
        let report = following.run_to_the_end().await;
        assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
        self.work_off(&following).await;
        following.uploader.close().unwrap();
    }

    pub(super) async fn work_off(&self, following: &Following) {
        let mut last = None;
        while let Some(site) = following.uploader.next_fill(last.as_ref(), &BTreeSet::new()) {
            let (_, report) = following.uploader.fill(self.source(), &site).await;
            assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
            last = Some(site);
        }
    }
}

fn splitting() -> Settings {
    Settings { catch_up_after_s: Some(3_600), ..settings() }
}

/// Site A has 40 old rows and 4 fresh ones, site B 50 old ones, site C 2 old ones.
fn backlog() -> Station {
    let station = Station::new();
    station.add("A", 86_400, 0..40);
    station.add("A", 600, 40..44);
    station.add("B", 86_400, 44..94);
    station.add("C", 86_400, 94..96);
    station
}

fn keys_of(objects: &Objects, chain: &str) -> Vec<String> {
    let of_chain = |object: &&Object| object.facts.chain.as_str() == chain;
    objects
        .iter()
        .filter(|(_, object)| of_chain(object))
        .map(|(key, object)| format!("{key}: {} rows", object.facts.rows))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_rows_are_stored_before_a_backlog_that_no_batch_holds() {
    let (station, settings) = (backlog(), splitting());
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = station.open(&state_dir, shelf.clone(), settings);
    following.run_to_the_end().await;
    let live = keys_of(&shelf.objects.lock().unwrap(), "live");
    insta::assert_debug_snapshot!(live, @r#"
    [
        "A/T/00000000000000000000.ndjson: 3 rows",
        "A/T/00000000000000000001.ndjson: 3 rows",
        "A/T/00000000000000000002.ndjson: 1 rows",
        "B/T/00000000000000000000.ndjson: 3 rows",
        "B/T/00000000000000000001.ndjson: 1 rows",
        "C/T/00000000000000000000.ndjson: 2 rows",
    ]
    "#);
    station.work_off(&following).await;
    assert!(!following.uploader.has_fills());
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..96).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_with_a_backlog_take_turns() {
    let station = Station::new();
    station.add("A", 864_000, 0..300);
    station.add("B", 864_000, 300..600);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = station.open(&state_dir, shelf.clone(), splitting());
    following.run_to_the_end().await;
    let mut last = None;
    for _ in 0..2 {
        let site = following.uploader.next_fill(last.as_ref(), &BTreeSet::new()).unwrap();
        following.uploader.fill(station.source(), &site).await;
        last = Some(site);
    }
    let filled = keys_of(&shelf.objects.lock().unwrap(), "catchup-00000000000000000000");
    let of = |site: &str| filled.iter().filter(|key| key.starts_with(site)).count();
    assert_eq!((of("A/"), of("B/")), (16, 16), "each site has had its turn, and no more");
    station.work_off(&following).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..600).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_or_a_lost_state_while_a_backlog_is_worked_off_loses_and_doubles_nothing() {
    let station = backlog();
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    station.follow(&state_dir, shelf.clone(), splitting()).await;
    let due: Vec<u32> = (0..96).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), due);

    let crashes = std::mem::take(&mut *shelf.crashes.lock().unwrap());
    assert!(crashes.len() >= 40, "{} crashes", crashes.len());
    for (number, (objects, files)) in crashes.into_iter().enumerate() {
        for (what, files) in [("crash", files), ("lost", Files::new())] {
            let state_dir = station.world.state_dir(&format!("{what}-{number}"));
            write_folder(&state_dir, &files);
            let shelf = Shelf::new(&state_dir, objects.clone(), all_fine());
            station.follow(&state_dir, shelf.clone(), splitting()).await;
            assert_eq!(stored(&shelf.objects.lock().unwrap()), due, "after {what} {number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_old_state_beside_a_backlog_that_went_on_loses_and_doubles_nothing() {
    let station = backlog();
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    station.follow(&state_dir, shelf.clone(), splitting()).await;
    station.add("A", 300, 96..100);
    station.follow(&state_dir, shelf.clone(), splitting()).await;
    let newest = shelf.objects.lock().unwrap().clone();
    let due: Vec<u32> = (0..100).collect();
    assert_eq!(stored(&newest), due);
    let crashes = std::mem::take(&mut *shelf.crashes.lock().unwrap());
    for (number, (_, files)) in crashes.into_iter().enumerate() {
        let state_dir = station.world.state_dir(&format!("old-{number}"));
        write_folder(&state_dir, &files);
        let shelf = Shelf::new(&state_dir, newest.clone(), all_fine());
        station.follow(&state_dir, shelf.clone(), splitting()).await;
        assert_eq!(stored(&shelf.objects.lock().unwrap()), due, "with old state {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_with_another_idea_of_what_is_fresh_agree_on_one_hole() {
    let station = backlog();
    let (one_dir, other_dir) = (station.world.state_dir("one"), station.world.state_dir("other"));
    let shelf = Shelf::new(&one_dir, Objects::new(), all_fine());
    let other_settings = Settings { catch_up_after_s: Some(7_200), ..splitting() };
    let mut one = station.open(&one_dir, shelf.clone(), splitting());
    let mut other = station.open(&other_dir, shelf.clone(), other_settings);
    for _ in 0..4 {
        tokio::join!(one.run_to_the_end(), other.run_to_the_end());
        tokio::join!(station.work_off(&one), station.work_off(&other));
    }
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..96).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_backlog_that_arrives_piece_by_piece_in_its_order_is_sent() {
    let station = Station::new();
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    for piece in 0..6_u32 {
        let first_s = 864_000 - 60 * 10 * i64::from(piece);
        station.add("A", first_s, 10 * piece..10 * (piece + 1));
        station.follow(&state_dir, shelf.clone(), splitting()).await;
        let due: Vec<u32> = (0..10 * (piece + 1)).collect();
        assert_eq!(stored(&shelf.objects.lock().unwrap()), due, "piece {piece}");
    }
    let filled = keys_of(&shelf.objects.lock().unwrap(), "catchup-00000000000000000000");
    assert!(!filled.is_empty(), "the live chain never jumped: it proves nothing");
}
