//! The promise, played through in one process: a crash before and after every put, lost replies, old
//! and lost states, two writers. The sink is a shelf that can be copied at any moment, which no server
//! offers; everything else is the real thing.

mod beside;
mod catch_up;
mod held_up;
mod holes;
mod late;
mod live;
mod refused;
mod resent;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use livecosmos_state::{Commit, Store, TableName, Time};

use super::*;
use crate::clock::Clock;
use crate::key::KeyTemplate;
use crate::payload::{Compression, Format};
use crate::progress::Progress;
use crate::sink::{Facts, Flow, FlowLimits, Guard, Probed, Sink};
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

    async fn probe(&self) -> Result<Probed, SinkError> {
        Ok(Guard::CreateIfAbsent.into())
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
        column_types: BTreeMap::new(),
        sites: None,
        future_tolerance_s: 3600,
        settle_s: 0,
        limits: Limits {
            batch_rows_max: 3,
            batch_bytes_max: 1 << 20,
            group_bytes_max: 1 << 20,
            partition: None,
        },
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
    let limits = FlowLimits {
        in_flight_max: 16,
        bytes_per_second_max: None,
        requests_per_second_max: None,
        patience: Duration::from_mins(1),
    };
    let (flow, memory) = (Arc::new(Flow::new(limits)), Arc::new(Memory::new(1 << 20, Vec::new())));
    let shared = Shared::new(flow, memory, Encoders::default(), Progress::default());
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

/// How many rows the state says that the sink has.
fn counted(state_dir: &Path) -> u64 {
    let inspection = livecosmos_state::inspect(state_dir, &table());
    let whole = inspection.whole().expect("a state");
    whole.state.sites.values().map(|site| site.sent.rows).sum()
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

/// Puts are denied while the switch is on.
fn denied_while(switch: &Arc<AtomicBool>) -> Script {
    let switch = Arc::clone(switch);
    Box::new(move |_, _| if switch.load(Ordering::Relaxed) { Fate::Denied } else { Fate::Fine })
}
