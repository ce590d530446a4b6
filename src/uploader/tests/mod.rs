//! The promise, played through in one process: a crash before and after every put, lost replies, old
//! and lost states, two writers. The sink is a shelf that can be copied at any moment, which no server
//! offers; everything else is the real thing.

mod beside;
mod catch_up;
mod holes;
mod late;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use livecosmos_state::{Commit, Store, TableName, Time};

use super::*;
use crate::clock::Clock;
use crate::progress::Progress;
use crate::sink::{Guard, Sink};
use crate::source::csv::{self, CsvSource};
use crate::source::{Limits, SiteRule, Source, TableShape, TimeReader};

type Objects = BTreeMap<String, Object>;
type Files = BTreeMap<String, Vec<u8>>;

/// What happens to a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    ReplyLost,
    RequestLost,
    Refused,
    Denied,
}

/// Decides the fate of a put from its key and its number.
type Script = Box<dyn Fn(&str, u64) -> Fate + Send + Sync>;

struct Shelf {
    objects: Mutex<Objects>,
    script: Script,
    puts: AtomicU64,
    /// Where the state lies, to be copied at each put.
    state_dir: std::path::PathBuf,
    crashes: Mutex<Vec<(Objects, Files)>>,
}

impl Shelf {
    fn new(state_dir: &Path, objects: Objects, script: Script) -> Arc<Self> {
        let (puts, crashes) = (AtomicU64::new(0), Mutex::default());
        Arc::new(Self {
            objects: Mutex::new(objects),
            script,
            puts,
            state_dir: state_dir.to_owned(),
            crashes,
        })
    }

    fn remember_crash(&self) {
        // Nothing is stored meanwhile, or the state could know of an object that the copy lacks.
        let objects = self.objects.lock().unwrap();
        self.crashes.lock().unwrap().push((objects.clone(), read_folder(&self.state_dir)));
    }
}

#[async_trait]
impl Sink for Shelf {
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        self.remember_crash();
        let fate = (self.script)(key, self.puts.fetch_add(1, Ordering::Relaxed));
        match fate {
            Fate::RequestLost => return Err(SinkError::Retry("request lost".into())),
            Fate::Refused => return Err(SinkError::Refused(format!("{key} is refused"))),
            Fate::Denied => return Err(SinkError::Denied("the token has expired".into())),
            Fate::Fine | Fate::ReplyLost => {}
        }
        let taken = self.objects.lock().unwrap().contains_key(key);
        if !taken {
            self.objects.lock().unwrap().insert(key.to_owned(), object.clone());
            self.remember_crash();
        }
        match fate {
            Fate::ReplyLost => Err(SinkError::Retry("reply lost".into())),
            _ if taken => Ok(PutOutcome::Exists),
            _ => Ok(PutOutcome::Stored),
        }
    }

    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError> {
        Ok(self.objects.lock().unwrap().get(key).map(|object| (*object.facts).clone()))
    }

    async fn get(&self, key: &str) -> Result<Option<(Facts, bytes::Bytes)>, SinkError> {
        let found = self.objects.lock().unwrap().get(key).cloned();
        Ok(found.map(|object| ((*object.facts).clone(), object.bytes)))
    }

    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
        let objects = self.objects.lock().unwrap();
        let keys = objects.keys().filter(|key| key.starts_with(prefix) && key.as_str() >= from);
        Ok(keys.take(keys_max).cloned().collect())
    }

    async fn probe(&self) -> Result<Guard, SinkError> {
        Ok(Guard::CreateIfAbsent)
    }

    fn describe(&self) -> &'static str {
        "shelf"
    }
}

/// When the tests play.
const NOW_S: i64 = 1_800_000_000;

/// Stands still, but for the seconds it is moved by; and it may be set.
#[derive(Default)]
struct Watch {
    moved_s: AtomicI64,
    set_s: AtomicI64,
}

impl Clock for Watch {
    fn now(&self) -> Time {
        Time::new(NOW_S + self.moved_s.load(Ordering::Relaxed) + self.set_s.load(Ordering::Relaxed), 0)
            .unwrap()
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.moved_s.load(Ordering::Relaxed).unsigned_abs())
    }
}

struct Quiet;

impl Observer for Quiet {
    fn committed(&self, _: &Commit) {}
    fn stalled(&self, _: &CommitError, _: u32) {}
    fn resumed(&self) {}
    fn failed(&self, _: &CommitError) {}
}

fn table() -> TableName {
    TableName::parse("T").unwrap()
}

fn shape() -> TableShape {
    TableShape {
        table: table(),
        site: SiteRule::Column("SITE".into()),
        time_column: "TIME".into(),
        tie_column: None,
        time: TimeReader::utc(),
        null_values: vec![String::new()],
        text_columns: BTreeSet::default(),
        sites: None,
        future_tolerance_s: 3600,
        settle_s: 0,
        limits: Limits { batch_rows_max: 3, batch_bytes_max: 1 << 20, group_bytes_max: 1 << 20 },
    }
}

fn settings() -> Settings {
    let wait = Duration::from_millis(1);
    Settings {
        table: table(),
        source_id: "test".into(),
        key: KeyTemplate::parse("{site}/{live_table}/{seq}{ext}").unwrap(),
        format: Format::Ndjson,
        compression: Compression::None,
        config_digest: "0".into(),
        fallback: Fallback::All,
        time_column: "TIME".into(),
        tie_column: None,
        lookback: None,
        catch_up_after_s: None,
        commit_patience: None,
        retry: RetryPolicy {
            wait_min: wait,
            wait_max: wait,
            wait_total_max: 500 * wait,
            begun_within: Duration::MAX,
        },
    }
}

/// A folder with the source, `rows.csv`, and states.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn with_rows(rows: &[String]) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.append("SITE,TIME,VALUE\n");
        world.append(&rows.concat());
        world
    }

    fn append(&self, text: &str) {
        use std::io::Write as _;
        let path = self.folder.path().join("rows.csv");
        let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn state_dir(&self, name: &str) -> std::path::PathBuf {
        let dir = self.folder.path().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// Follows the source to its end; gives the last report.
    async fn follow(&self, state_dir: &Path, sink: Arc<dyn Sink>) -> PassReport {
        let mut following = self.open(state_dir, sink, settings());
        let report = following.run_to_the_end().await;
        following.uploader.close().unwrap();
        report
    }

    /// A daemon over the files `rows*.csv`.
    fn open(&self, state_dir: &Path, sink: Arc<dyn Sink>, settings: Settings) -> Following {
        self.open_with(state_dir, sink, settings, 3)
    }

    /// The same with batches of `batch_rows_max`.
    fn open_with(
        &self,
        state_dir: &Path,
        sink: Arc<dyn Sink>,
        settings: Settings,
        batch_rows_max: usize,
    ) -> Following {
        let path = self.folder.path().join("rows*.csv");
        let limits = Limits { batch_rows_max, ..shape().limits };
        let shape = TableShape { limits, ..shape() };
        let source = CsvSource::open(csv::Settings { path, delimiter: b',' }, shape).unwrap();
        let watch = Arc::new(Watch::default());
        let uploader = Arc::new(uploader(state_dir, sink, settings, watch.clone()));
        Following { uploader, source: Some(Box::new(source)), watch }
    }
}

struct Following {
    uploader: Arc<LiveUploader>,
    source: Option<Box<dyn Source>>,
    watch: Arc<Watch>,
}

impl Following {
    async fn run_to_the_end(&mut self) -> PassReport {
        loop {
            let (source, report) = self.uploader.pass(self.source.take().unwrap(), None).await;
            self.source = source;
            if !report.again {
                return report;
            }
        }
    }

    /// Lets the time pass after which failed sites are tried again.
    fn wait_out_pauses(&self) {
        self.watch.moved_s.fetch_add(3600, Ordering::Relaxed);
    }
}

fn uploader(
    state_dir: &Path,
    sink: Arc<dyn Sink>,
    settings: Settings,
    clock: Arc<dyn Clock>,
) -> LiveUploader {
    let store = Store::open(&livecosmos_state::Options::default(), state_dir, &table()).unwrap().store;
    let quarantine = Quarantine::open(state_dir, &table()).unwrap();
    let shared = Shared::new(4, 1 << 20, Progress::default());
    LiveUploader::new(settings, sink, store, Arc::new(Quiet), quarantine, clock, Stop::default(), shared)
}

/// `count` rows for each of three sites; some share a time, some come late.
fn rows(from: u32, count: u32) -> Vec<String> {
    let row = |n: u32| {
        let (site, minute) =
            (["A", "B", "C"][n as usize % 3], if n.is_multiple_of(7) { n / 2 } else { n / 3 * 3 });
        format!("{site},2025-01-01 {:02}:{:02}:00,{n}\n", minute / 60 % 24, minute % 60)
    };
    (from..from + count).map(row).collect()
}

fn stored(objects: &Objects) -> Vec<u32> {
    let value = |line: &str| -> u32 {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        u32::try_from(row["VALUE"].as_u64().unwrap()).unwrap()
    };
    let mut values: Vec<u32> = objects
        .values()
        .flat_map(|object| std::str::from_utf8(&object.bytes).unwrap().lines().map(value).collect::<Vec<_>>())
        .collect();
    values.sort_unstable();
    values
}

fn read_folder(dir: &Path) -> Files {
    let mut files = Files::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // A temporary file may vanish between the listing and the look.
        if let Ok(bytes) = std::fs::read(entry.path()) {
            files.insert(name, bytes);
        }
    }
    files
}

#[expect(clippy::disallowed_methods, reason = "a copy of a state, gone with the test")]
fn write_folder(dir: &Path, files: &Files) {
    std::fs::create_dir_all(dir).unwrap();
    for (name, bytes) in files.iter().filter(|(name, _)| !name.contains("lock")) {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
}

fn all_fine() -> Script {
    Box::new(|_, _| Fate::Fine)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_or_after_any_put_loses_and_doubles_nothing() {
    let world = World::with_rows(&rows(0, 60));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    let due: Vec<u32> = (0..60).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), due);

    let crashes = std::mem::take(&mut *shelf.crashes.lock().unwrap());
    assert!(crashes.len() >= 40, "{} crashes", crashes.len());
    for (number, (objects, files)) in crashes.into_iter().enumerate() {
        let state_dir = world.state_dir(&format!("crash-{number}"));
        write_folder(&state_dir, &files);
        let shelf = Shelf::new(&state_dir, objects, all_fine());
        let report = world.follow(&state_dir, shelf.clone()).await;
        assert!(report.error.is_none() && report.failures.is_empty(), "crash {number}: {report:?}");
        assert_eq!(stored(&shelf.objects.lock().unwrap()), due, "after crash {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_old_state_beside_a_sink_that_went_on_loses_and_doubles_nothing() {
    let world = World::with_rows(&rows(0, 60));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    world.append(&rows(60, 30).concat());
    world.follow(&state_dir, shelf.clone()).await;
    let newest = shelf.objects.lock().unwrap().clone();

    world.append(&rows(90, 9).concat());
    let mut states: Vec<Files> =
        shelf.crashes.lock().unwrap().iter().map(|(_, files)| files.clone()).collect();
    states.push(Files::new());
    for (number, files) in states.into_iter().enumerate() {
        let state_dir = world.state_dir(&format!("old-{number}"));
        write_folder(&state_dir, &files);
        let shelf = Shelf::new(&state_dir, newest.clone(), all_fine());
        world.follow(&state_dir, shelf.clone()).await;
        let due: Vec<u32> = (0..99).collect();
        assert_eq!(stored(&shelf.objects.lock().unwrap()), due, "with old state {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_or_a_lost_request_costs_a_look_and_no_row() {
    let world = World::with_rows(&rows(0, 60));
    for (name, fate) in [("reply", Fate::ReplyLost), ("request", Fate::RequestLost)] {
        let state_dir = world.state_dir(name);
        let shelf = Shelf::new(
            &state_dir,
            Objects::new(),
            Box::new(move |_, put| if put % 2 == 0 { fate } else { Fate::Fine }),
        );
        let report = world.follow(&state_dir, shelf.clone()).await;
        assert!(report.failures.is_empty(), "{name}: {report:?}");
        assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..60).collect::<Vec<_>>(), "lost {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_site_stops_no_other_and_is_sent_once_it_is_taken() {
    let world = World::with_rows(&rows(0, 60));
    let state_dir = world.state_dir("state");
    let refusing: Script = Box::new(|key, _| if key.starts_with("B/") { Fate::Refused } else { Fate::Fine });
    let shelf = Shelf::new(&state_dir, Objects::new(), refusing);
    let report = world.follow(&state_dir, shelf.clone()).await;
    assert_eq!(report.failures.len(), 1);
    let others: Vec<u32> = (0..60).filter(|n| n % 3 != 1).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), others);

    world.append(&rows(60, 6).concat());
    let shelf = Shelf::new(&state_dir, shelf.objects.lock().unwrap().clone(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    // The rows that were refused one by one, before the site was stopped, wait for the operator.
    let kept = read_folder(&state_dir)["T.quarantine.ndjson"].clone();
    let refused: Vec<u32> = (0..8).map(|n| 3 * n + 1).collect();
    assert_eq!(String::from_utf8(kept).unwrap().lines().count(), refused.len());
    let others: Vec<u32> = (0..66).filter(|n| !refused.contains(n)).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), others);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_share_a_chain_without_a_row_lost_or_doubled() {
    let world = World::with_rows(&rows(0, 30));
    let (one, two) = (world.state_dir("one"), world.state_dir("two"));
    let shelf = Shelf::new(&one, Objects::new(), all_fine());
    // They cut their batches differently: whoever is second finds a longer or a shorter one.
    let mut first = world.open_with(&one, shelf.clone(), settings(), 3);
    let mut second = world.open_with(&two, shelf.clone(), settings(), 5);
    for round in 1..20 {
        let (one, two) = tokio::join!(first.run_to_the_end(), second.run_to_the_end());
        assert!(one.failures.is_empty() && two.failures.is_empty(), "{one:?} {two:?}");
        assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..round * 30).collect::<Vec<_>>());
        world.append(&rows(round * 30, 30).concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_with_a_gap_stops_its_site_alone_and_says_so() {
    let world = World::with_rows(&rows(0, 60));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    let mut objects = shelf.objects.lock().unwrap().clone();
    let gap = objects.keys().filter(|key| key.starts_with("A/")).nth(2).unwrap().clone();
    objects.remove(&gap);

    world.append(&rows(60, 6).concat());
    let lost = world.state_dir("lost");
    let shelf = Shelf::new(&lost, objects, all_fine());
    let report = world.follow(&lost, shelf.clone()).await;
    let (site, error) = report.failures.first_key_value().unwrap();
    assert_eq!((report.failures.len(), site.as_str()), (1, "A"));
    assert!(matches!(error, SiteError::Inconsistent(_)), "{error}");
    let stored = stored(&shelf.objects.lock().unwrap());
    assert!((60..66).filter(|n| n % 3 != 0).all(|n| stored.contains(&n)), "the other sites go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_object_behind_the_state_is_never_overwritten_nor_skipped() {
    let world = World::with_rows(&rows(0, 30));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    let mut objects = shelf.objects.lock().unwrap().clone();
    let last = objects.keys().rfind(|key| key.starts_with("A/")).unwrap().clone();
    objects.remove(&last);
    let before = objects.clone();

    world.append("A,2025-01-02 00:00:00,30\n");
    let shelf = Shelf::new(&state_dir, objects, all_fine());
    let report = world.follow(&state_dir, shelf.clone()).await;
    assert_eq!(report.failures.len(), 1, "the state knows more than the sink: {report:?}");
    assert_eq!(shelf.objects.lock().unwrap().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}

/// Puts are denied while the switch is on.
fn denied_while(switch: &Arc<AtomicBool>) -> Script {
    let switch = Arc::clone(switch);
    Box::new(move |_, _| if switch.load(Ordering::Relaxed) { Fate::Denied } else { Fate::Fine })
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_expire_for_a_while_lose_no_row() {
    let world = World::with_rows(&rows(0, 30));
    let state_dir = world.state_dir("state");
    let expired = Arc::new(AtomicBool::new(false));
    let shelf = Shelf::new(&state_dir, Objects::new(), denied_while(&expired));
    let mut following = world.open(&state_dir, shelf.clone(), settings());
    following.run_to_the_end().await;
    for round in 1..4 {
        expired.store(true, Ordering::Relaxed);
        world.append(&rows(round * 30, 6).concat());
        let report = following.run_to_the_end().await;
        assert!(matches!(report.error, Some(PassError::Sink(SinkError::Denied(_)))), "{report:?}");
        expired.store(false, Ordering::Relaxed);
        world.append(&rows(round * 30 + 6, 24).concat());
        let report = following.run_to_the_end().await;
        assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
        let due: Vec<u32> = (0..(round + 1) * 30).collect();
        assert_eq!(stored(&shelf.objects.lock().unwrap()), due);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_file_and_a_lost_state_together_double_nothing() {
    let world = World::with_rows(&rows(0, 30));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    // Written anew: the first rows are gone, the last are there again, and some are new and later.
    let lines: Vec<String> =
        (0..6).map(|n| format!("{},2025-03-01 00:00:00,{}\n", ["A", "B", "C"][n % 3], 30 + n)).collect();
    std::fs::remove_file(world.folder.path().join("rows.csv")).unwrap();
    world.append(&format!("SITE,TIME,VALUE\n{}{}", rows(21, 9).concat(), lines.concat()));
    let lost = world.state_dir("lost");
    world.follow(&lost, shelf.clone()).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..36).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_keeps_failing_does_not_prolong_the_first_run_of_the_others() {
    let world = World::with_rows(&rows(0, 30));
    let state_dir = world.state_dir("state");
    let refusing: Script = Box::new(|key, _| if key.starts_with("B/") { Fate::Refused } else { Fate::Fine });
    let shelf = Shelf::new(&state_dir, Objects::new(), refusing);
    let from_then_on = Fallback::At(Time::new(1_735_689_600, 0).unwrap());
    let mut following =
        world.open(&state_dir, shelf.clone(), Settings { fallback: from_then_on, ..settings() });
    following.run_to_the_end().await;
    // A file that appears after the first run is read whole, however old its rows are.
    let mut later = std::fs::File::create(world.folder.path().join("rows-of-old.csv")).unwrap();
    std::io::Write::write_all(
        &mut later,
        b"SITE,TIME,VALUE\nA,2020-01-01 00:00:00,500\nC,2020-01-01 00:00:00,501\n",
    )
    .unwrap();
    following.run_to_the_end().await;
    let stored = stored(&shelf.objects.lock().unwrap());
    assert!(stored.contains(&500) && stored.contains(&501), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_holds_up_no_site_that_failed() {
    let world = World::with_rows(&rows(0, 30));
    let state_dir = world.state_dir("state");
    let refuses = Arc::new(AtomicBool::new(true));
    let is_refused = Arc::clone(&refuses);
    let refusing: Script = Box::new(move |key, _| {
        let is_of_b = key.starts_with("B/");
        if is_of_b && is_refused.load(Ordering::Relaxed) { Fate::Refused } else { Fate::Fine }
    });
    let shelf = Shelf::new(&state_dir, Objects::new(), refusing);
    let mut following = world.open(&state_dir, shelf.clone(), settings());
    let report = following.run_to_the_end().await;
    assert_eq!(report.failures.len(), 1, "{report:?}");

    refuses.store(false, Ordering::Relaxed);
    following.watch.set_s.fetch_sub(5 * 3600, Ordering::Relaxed);
    // Its pause, and nothing of the five hours.
    following.watch.moved_s.fetch_add(5, Ordering::Relaxed);
    let report = following.run_to_the_end().await;
    assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
    // Of the site that was refused, eight rows are in quarantine.
    let due: Vec<u32> = (0..30).filter(|n| n % 3 != 1 || *n >= 8 * 3).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), due);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_can_be_neither_sent_nor_kept_holds_up_its_own_site_alone() {
    let world = World::with_rows(&rows(0, 30));
    world.append("A,no time at all,30\n");
    world.append(&rows(33, 9).concat());
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = world.open(&state_dir, shelf.clone(), settings());
    // Nothing can be appended to a directory.
    let quarantine = state_dir.join("T.quarantine.ndjson");
    std::fs::create_dir(&quarantine).unwrap();
    let report = following.run_to_the_end().await;
    assert!(matches!(report.error, Some(PassError::Quarantine(_))), "{report:?}");
    let others: Vec<u32> = (0..30).chain(33..42).filter(|n| n % 3 != 0).collect();
    let so_far = stored(&shelf.objects.lock().unwrap());
    assert!(others.iter().all(|n| so_far.contains(n)), "{so_far:?}");

    std::fs::remove_dir(&quarantine).unwrap();
    following.wait_out_pauses();
    let report = following.run_to_the_end().await;
    assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..30).chain(33..42).collect::<Vec<_>>());
    assert!(std::fs::read_to_string(&quarantine).unwrap().contains("no time at all"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_quarantine_holds_up_what_is_covered_for_a_row_of_no_site_too() {
    let world = World::with_rows(&rows(0, 30));
    world.append(",2025-01-01 00:00:00,30\n");
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    // Nothing can be appended to a directory.
    let quarantine = state_dir.join("T.quarantine.ndjson");
    let mut following = world.open(&state_dir, shelf.clone(), settings());
    std::fs::create_dir(&quarantine).unwrap();
    let report = following.run_to_the_end().await;
    assert!(matches!(report.error, Some(PassError::Quarantine(_))), "{report:?}");
    following.uploader.close().unwrap();
    drop(following);

    std::fs::remove_dir(&quarantine).unwrap();
    world.follow(&state_dir, shelf.clone()).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..30).collect::<Vec<_>>());
    assert_eq!(std::fs::read_to_string(&quarantine).unwrap().lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_site_that_waits_are_read_again_once_it_is_due_and_after_a_restart() {
    for restarts in [false, true] {
        let world = World::with_rows(&rows(0, 6));
        let state_dir = world.state_dir("state");
        let is_away = Arc::new(AtomicBool::new(false));
        let away = Arc::clone(&is_away);
        let script: Script = Box::new(move |key, _| {
            let is_lost = key.starts_with("B/") && away.load(Ordering::Relaxed);
            if is_lost { Fate::RequestLost } else { Fate::Fine }
        });
        let shelf = Shelf::new(&state_dir, Objects::new(), script);
        let retry = RetryPolicy { wait_total_max: Duration::from_millis(2), ..settings().retry };
        let settings = Settings { retry, ..settings() };
        let mut following = world.open(&state_dir, shelf.clone(), settings.clone());
        following.run_to_the_end().await;
        is_away.store(true, Ordering::Relaxed);
        world.append(&rows(6, 6).concat());
        assert_eq!(following.run_to_the_end().await.failures.len(), 1);
        for piece in 2..4 {
            world.append(&rows(6 * piece, 6).concat());
            assert!(following.run_to_the_end().await.failures.is_empty(), "B waits, and is passed over");
        }
        is_away.store(false, Ordering::Relaxed);
        if restarts {
            following.uploader.close().unwrap();
            drop(following);
            following = world.open(&state_dir, shelf.clone(), settings);
        }
        following.wait_out_pauses();
        following.run_to_the_end().await;
        assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..24).collect::<Vec<_>>(), "{restarts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_row_that_is_not_passed_is_given_back_unless_its_file_is_gone() {
    for is_gone in [false, true] {
        let world = World::with_rows(&rows(0, 30));
        world.append("A,no time at all,30\n");
        let state_dir = world.state_dir("state");
        // A site that fails keeps the file from being covered.
        let script: Script = Box::new(|key, _| if key.starts_with("B/") { Fate::Denied } else { Fate::Fine });
        let shelf = Shelf::new(&state_dir, Objects::new(), script);
        let mut following = world.open(&state_dir, shelf.clone(), settings());
        for _ in 0..3 {
            following.run_to_the_end().await;
        }
        assert_eq!(following.uploader.quarantined().unwrap().len(), 1);
        if is_gone {
            std::fs::remove_file(world.folder.path().join("rows.csv")).unwrap();
        }
        following.uploader.give_back_unread().unwrap();
        assert_eq!(following.uploader.quarantined().unwrap().len(), usize::from(is_gone), "{is_gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_row_is_durable_before_its_chain_has_passed_it() {
    let world =
        World::with_rows(&["A,2025-01-01 00:00:00,0\n".to_owned(), "A,no time at all,1\n".to_owned()]);
    world.append("A,2025-01-01 00:02:00,2\nA,2025-01-01 00:03:00,3\n");
    let state_dir = world.state_dir("state");
    let uploader = Arc::new(std::sync::OnceLock::<Arc<LiveUploader>>::new());
    let (asked, synced) = (Arc::clone(&uploader), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&synced);
    // Batches of one row: before the second lies a row without a time, and it is refused itself.
    let script: Script = Box::new(move |_, put| {
        seen.lock().unwrap().push(asked.get().unwrap().quarantine().is_synced());
        if put == 1 { Fate::Refused } else { Fate::Fine }
    });
    let shelf = Shelf::new(&state_dir, Objects::new(), script);
    let mut following = world.open_with(&state_dir, shelf.clone(), settings(), 1);
    assert!(uploader.set(Arc::clone(&following.uploader)).is_ok());
    following.run_to_the_end().await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 3]);
    assert_eq!(following.uploader.quarantined().unwrap().len(), 2);
    assert_eq!(synced.lock().unwrap()[1..], [true, true], "at the second put, and at the third");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_row_is_durable_before_its_file_is_covered() {
    let world = World::with_rows(&rows(0, 6));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = world.open(&state_dir, shelf.clone(), settings());
    following.run_to_the_end().await;
    // No batch follows it.
    world.append("A,no time at all,6\n");
    let report = following.run_to_the_end().await;
    assert_eq!(report.source.files, following.uploader.state().files);
    assert_eq!(following.uploader.quarantined().unwrap().len(), 1);
    assert!(following.uploader.quarantine().is_synced());
}
