//! A backlog that the live chain jumps over: its rows and the fresh ones are stored once, whenever the
//! process dies and whatever becomes of the state.

use livecosmos_state::{Chain, Fill, Window};

use super::*;
use crate::source::sqlite::{self, SqliteSource, TimeUnit};

/// A table of a database, followed with its fills.
pub(super) struct Station {
    pub(super) world: World,
    pub(super) batch_rows_max: usize,
    tie_column: Option<String>,
    pub(super) settle_s: i64,
}

impl Station {
    pub(super) fn new() -> Self {
        Self::with_columns("ID INTEGER PRIMARY KEY, SITE TEXT, TIME INTEGER, VALUE INTEGER", Some("ID"))
    }

    /// Nothing but their values tells its rows apart.
    pub(super) fn without_a_tie() -> Self {
        Self::with_columns("SITE TEXT, TIME INTEGER, VALUE INTEGER", None)
    }

    fn with_columns(columns: &str, tie_column: Option<&str>) -> Self {
        let world = World { folder: tempfile::tempdir().unwrap() };
        let tie_column = tie_column.map(str::to_owned);
        let station = Self { world, batch_rows_max: 3, tie_column, settle_s: 0 };
        station.sql(&format!("CREATE TABLE T ({columns})"));
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
        let tie_column = self.tie_column.clone();
        let shape = TableShape { limits, tie_column, settle_s: self.settle_s, ..shape() };
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

/// A fill of everything up to `until`.
pub(super) fn fill_up_to(until: Cursor, kind: FillKind) -> Fill {
    let since = Time::new(NOW_S, 0).unwrap();
    Fill { kind, since, after: Cursor::Start, until, window: Window::default(), chain: Chain::new() }
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

/// The catch-up fills of site A in the sink, with the rows of each of their objects.
fn fills_of_a(objects: &Objects) -> BTreeMap<String, Vec<u64>> {
    let mut fills = BTreeMap::<String, Vec<u64>>::new();
    for object in objects.values().filter(|object| object.facts.site.as_str() == "A") {
        let chain = object.facts.chain.as_str();
        if chain.starts_with("catchup-") {
            fills.entry(chain.to_owned()).or_default().push(object.facts.rows);
        }
    }
    fills
}

fn site(id: &str) -> SiteId {
    SiteId::parse(id).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_rows_that_fill_no_batch_are_no_backlog_though_a_row_of_the_future_waits_behind_them() {
    let station = Station::new();
    station.add("A", 86_400, 0..2);
    station.add("A", -7_200, 2..3);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = station.open(&state_dir, shelf.clone(), splitting());
    following.run_to_the_end().await;
    assert!(!following.uploader.has_fills());
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_object_of_a_fill_says_that_the_hole_is_full() {
    for vanish in [false, true] {
        let station = Station::new();
        station.add("A", 86_400, 0..10);
        station.add("A", 600, 10..11);
        let state_dir = station.world.state_dir("state");
        let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
        let mut following = station.open(&state_dir, shelf.clone(), splitting());
        following.run_to_the_end().await;
        let until = following.uploader.state().sites[&site("A")].fills.values().next().unwrap().until.clone();
        if vanish {
            station.sql("DELETE FROM T WHERE VALUE BETWEEN 3 AND 9");
        }
        station.work_off(&following).await;
        let objects = shelf.objects.lock().unwrap().clone();
        let fill = fills_of_a(&objects).into_values().next().unwrap();
        // Where rows are left, no object is there for the sake of the end alone.
        assert_eq!(fill, if vanish { vec![0] } else { vec![3, 3, 1] }, "vanish: {vanish}");
        let last = objects.values().rfind(|object| object.facts.chain.as_str().starts_with("catchup-"));
        assert_eq!(*last.unwrap().facts.successor(), until, "vanish: {vanish}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_whose_fill_is_under_way_or_has_failed_leaves_the_turn_to_others() {
    let station = backlog();
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = station.open(&state_dir, shelf.clone(), splitting());
    following.run_to_the_end().await;
    let uploader = &following.uploader;
    let (nobody, a) = (BTreeSet::new(), BTreeSet::from([site("A")]));
    assert_eq!(uploader.next_fill(None, &nobody), Some(site("A")));
    assert_eq!(uploader.next_fill(None, &a), Some(site("B")), "A is under way");
    uploader.put_off_fill(&site("A"), PassError::Reader("it died".into()));
    assert_eq!(uploader.next_fill(None, &nobody), Some(site("B")), "A waits for its next try");
    following.wait_out_pauses();
    assert_eq!(uploader.next_fill(None, &nobody), Some(site("A")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_falls_behind_again_and_again_leaves_a_bounded_number_of_holes_filled_oldest_first() {
    let station = Station::new();
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = station.open(&state_dir, shelf.clone(), splitting());
    for piece in 0..20_u32 {
        let first_s = 864_000 - 60 * 10 * i64::from(piece);
        station.add("A", first_s, 10 * piece..10 * (piece + 1));
        following.run_to_the_end().await;
    }
    let holes = following.uploader.state().sites[&site("A")].fills.len();
    assert_eq!(holes, 16);
    following.uploader.fill(station.source(), &site("A")).await;
    let begun = fills_of_a(&shelf.objects.lock().unwrap());
    assert_eq!(begun.keys().collect::<Vec<_>>(), ["catchup-00000000000000000000"]);
    station.work_off(&following).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..200).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_backlog_that_the_sink_refuses_is_passed_over_and_kept() {
    let station = Station::new();
    station.add("A", 86_400, 0..20);
    station.add("A", 600, 20..21);
    let state_dir = station.world.state_dir("state");
    let refused = AtomicU64::new(0);
    // The batch with the row, the row by itself, and then a while of nothing.
    let script: Script = Box::new(move |key, _| {
        let is_it = key.ends_with("catchup-00000000000000000000.00000000000000000001.ndjson");
        match if is_it { refused.fetch_add(1, Ordering::Relaxed) } else { u64::MAX } {
            0 | 1 => Fate::Refused,
            2 => Fate::Denied,
            _ => Fate::Fine,
        }
    });
    let shelf = Shelf::new(&state_dir, Objects::new(), script);
    let mut following = station.open(&state_dir, shelf.clone(), splitting());
    following.run_to_the_end().await;
    for _ in 0..3 {
        following.uploader.fill(station.source(), &site("A")).await;
        following.wait_out_pauses();
    }
    station.work_off(&following).await;
    let due: Vec<u32> = (0..21).filter(|n| *n != 6).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), due);
    assert_eq!(following.uploader.quarantined().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_takes_no_row_for_stored_because_one_like_it_was_sent_again() {
    let station = Station::without_a_tie();
    station.add("A", 86_400, 0..3);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = station.open(&state_dir, shelf.clone(), settings());
    following.run_to_the_end().await;
    let until = following.uploader.state().sites[&site("A")].live.cursor.clone();
    let chains = [("rewind-1", FillKind::Resend, 0), ("backfill-1", FillKind::Backfill, 1)];
    for (chain, kind, rows) in chains {
        station.add("A", 86_400, 0..rows);
        let chain = ChainName::parse(chain).unwrap();
        following.uploader.begin_fill(site("A"), chain, fill_up_to(until.clone(), kind)).await.unwrap();
        station.work_off(&following).await;
    }
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 0, 0, 1, 1, 2, 2]);
}
