//! A sink in memory whose every request may go wrong, and that can be copied between any two of them.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use livecosmos::sink::{Facts, Guard, Object, Probed, PutOutcome, Sink, SinkError};

pub(crate) type Objects = BTreeMap<String, Object>;
pub(crate) type Files = BTreeMap<String, Vec<u8>>;
/// Puts whose replies came as errors, and that the sink carries out later: when so many requests were made.
pub(crate) type OnTheWay = Vec<(u64, String, Object)>;
type Intrusion = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Requests that may be made before a put arrives whose connection broke.
const DELAY_MAX: u64 = 40;
/// Puts that are lost after one that is delayed: as often as it is tried again.
const PUTS_LOST: u64 = 4;

/// What becomes of requests in a run: decided by the number of the request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// One request in so many fails; none for 0.
    pub(crate) one_in: u64,
    pub(crate) seed: u64,
}

/// Where a run stops, as if its power were cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Before or after the request of this number has done what it does.
    Request(u64),
    /// Behind the commit of this number.
    Commit(u64),
}

/// The shelf, shared by all daemons.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) objects: Mutex<Objects>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    faults: Faults,
    requests: u64,
    /// Here the world is copied, as a power cut would leave it.
    crash_at: Option<Crash>,
    state_dir: PathBuf,
    crash: Option<(Objects, OnTheWay, Files)>,
    on_the_way: OnTheWay,
    /// Of all runs.
    requests_made: u64,
    /// After one that is delayed, so many puts are lost.
    puts_lost: u64,
    commits_count: u64,
    /// Every state that this run committed before it stopped, if they are kept.
    commits: Vec<Files>,
    keeps_commits: bool,
    /// At this put another daemon goes first.
    intrude_at: Option<(u64, Intrusion)>,
    log: Vec<String>,
}

impl Shelf {
    /// Begins a run of the daemon whose state lies in `state_dir`.
    pub(crate) fn begin(&self, state_dir: &Path, faults: Faults, crash_at: Option<Crash>) {
        let mut inner = self.inner();
        (inner.faults, inner.requests, inner.crash_at) = (faults, 0, crash_at);
        (inner.crash, inner.intrude_at, inner.puts_lost) = (None, None, 0);
        (inner.commits_count, inner.keeps_commits) = (0, false);
        inner.commits.clear();
        state_dir.clone_into(&mut inner.state_dir);
    }

    /// Lets another daemon go first at the request of that number.
    pub(crate) fn intrude(&self, at: u64, intrusion: Intrusion) {
        self.inner().intrude_at = Some((at, intrusion));
    }

    /// What a crash at the chosen request would have left, if the run came that far.
    pub(crate) fn take_crash(&self) -> Option<(Objects, OnTheWay, Files)> {
        self.inner().crash.take()
    }

    /// Makes the world as a crash left it.
    pub(crate) fn restore(&self, objects: Objects, on_the_way: OnTheWay) {
        *self.objects() = objects;
        self.inner().on_the_way = on_the_way;
    }

    /// Whether a put may still arrive.
    pub(crate) fn has_on_the_way(&self) -> bool {
        !self.inner().on_the_way.is_empty()
    }

    /// What is still on its way arrives now.
    pub(crate) fn all_arrive(&self) {
        self.arrive(u64::MAX);
    }

    /// Carries out the puts that are due when so many requests were made.
    fn arrive(&self, made: u64) {
        let mut objects = self.objects();
        let mut inner = self.inner();
        let (due, later) =
            std::mem::take(&mut inner.on_the_way).into_iter().partition(|(at, ..)| *at <= made);
        inner.on_the_way = later;
        let due: OnTheWay = due;
        for (_, key, object) in due {
            inner.log.push(format!("    -- {key} arrives"));
            objects.entry(key).or_insert(object);
        }
    }

    /// Keeps the states that this run commits.
    pub(crate) fn keep_commits(&self) {
        self.inner().keeps_commits = true;
    }

    /// The states that were kept.
    pub(crate) fn take_commits(&self) -> Vec<Files> {
        std::mem::take(&mut self.inner().commits)
    }

    /// A state in `state_dir` was committed.
    pub(crate) fn committed(&self, state_dir: &Path) {
        // In the order in which a request takes them.
        let objects = self.objects();
        let mut inner = self.inner();
        if inner.state_dir != state_dir || inner.crash.is_some() {
            return;
        }
        inner.commits_count += 1;
        let is_last = inner.crash_at == Some(Crash::Commit(inner.commits_count));
        if is_last {
            let number = inner.commits_count;
            inner.log.push(format!("    -- the process stops behind commit {number}"));
            inner.crash = Some((objects.clone(), inner.on_the_way.clone(), read_folder(state_dir)));
        }
        if inner.keeps_commits {
            inner.commits.push(read_folder(state_dir));
        }
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().log)
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().expect("no request panics")
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no request panics")
    }

    /// Counts a request, and says whether it goes wrong, and how.
    async fn request(&self, what: &str, key: &str) -> Fate {
        let (fate, intrusion) = {
            let mut inner = self.inner();
            inner.requests += 1;
            inner.requests_made += 1;
            let number = inner.requests;
            let fate = inner.faults.fate(number);
            inner.log.push(format!("    {number}: {what} {key} {fate:?}"));
            let is_time = inner.intrude_at.as_ref().is_some_and(|(at, _)| *at <= number);
            (fate, if is_time { inner.intrude_at.take() } else { None })
        };
        let made = self.inner().requests_made;
        self.arrive(made);
        self.crash_point();
        if let Some((_, intrusion)) = intrusion {
            intrusion.await;
        }
        fate
    }

    /// The world between two effects.
    fn crash_point(&self) {
        // Nothing is stored meanwhile, or the state could know of an object that the copy lacks.
        let objects = self.objects();
        let mut inner = self.inner();
        let is_it = matches!(inner.crash_at, Some(Crash::Request(at)) if at <= inner.requests);
        if inner.crash.is_none() && is_it {
            let files = read_folder(&inner.state_dir);
            inner.log.push("    -- the process stops here".to_owned());
            inner.crash = Some((objects.clone(), inner.on_the_way.clone(), files));
        }
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    RequestLost,
    ReplyLost,
    Refused,
    /// A put is carried out later.
    Delayed,
}

impl Faults {
    fn fate(self, number: u64) -> Fate {
        let draw = crate::random::mix(self.seed ^ number);
        if self.one_in == 0 || !draw.is_multiple_of(self.one_in) {
            return Fate::Fine;
        }
        let fates = [Fate::RequestLost, Fate::ReplyLost, Fate::ReplyLost, Fate::Refused, Fate::Delayed];
        fates[(draw >> 32) as usize % fates.len()]
    }
}

impl Fate {
    fn before(self) -> Result<(), SinkError> {
        match self {
            Self::RequestLost | Self::Delayed => Err(SinkError::Retry("request lost".into())),
            Self::Refused => Err(SinkError::Denied("access denied for a while".into())),
            Self::Fine | Self::ReplyLost => Ok(()),
        }
    }

    fn after(self) -> Result<(), SinkError> {
        if self == Self::ReplyLost { Err(SinkError::Retry("reply lost".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Sink for Shelf {
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        let fate = self.request("put", key).await;
        let is_lost = {
            let mut inner = self.inner();
            let before = inner.puts_lost;
            inner.puts_lost = before.saturating_sub(1);
            before > 0
        };
        let fate = if is_lost { Fate::RequestLost } else { fate };
        if fate == Fate::Delayed {
            let mut inner = self.inner();
            inner.puts_lost = PUTS_LOST;
            let due = inner.requests_made + 1 + crate::random::mix(inner.requests_made) % DELAY_MAX;
            inner.on_the_way.push((due, key.to_owned(), object.clone()));
        }
        fate.before()?;
        let is_taken = self.objects().contains_key(key);
        if !is_taken {
            self.objects().insert(key.to_owned(), object.clone());
        }
        self.crash_point();
        fate.after()?;
        Ok(if is_taken { PutOutcome::Exists } else { PutOutcome::Stored })
    }

    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError> {
        let fate = self.request("head", key).await;
        fate.before()?;
        fate.after()?;
        Ok(self.objects().get(key).map(|object| (*object.facts).clone()))
    }

    async fn get(&self, key: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        let fate = self.request("get", key).await;
        fate.before()?;
        fate.after()?;
        Ok(self.objects().get(key).map(|object| ((*object.facts).clone(), object.bytes.clone())))
    }

    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
        let fate = self.request("list", from).await;
        fate.before()?;
        fate.after()?;
        let objects = self.objects();
        let keys = objects.range(from.to_owned()..).map(|(key, _)| key).filter(|key| key.starts_with(prefix));
        Ok(keys.take(keys_max).cloned().collect())
    }

    async fn probe(&self) -> Result<Probed, SinkError> {
        Ok(Guard::CreateIfAbsent.into())
    }

    fn describe(&self) -> &'static str {
        "shelf"
    }
}

/// The files of a state, by name. One may vanish between the listing and the look.
pub(crate) fn read_folder(dir: &Path) -> Files {
    let mut files = Files::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let (false, Ok(bytes)) = (name.ends_with("lock"), std::fs::read(entry.path())) {
            files.insert(name, bytes);
        }
    }
    files
}

/// Makes `files` the state in `dir`.
#[expect(clippy::disallowed_methods, reason = "a state of a test, gone with it")]
pub(crate) fn write_folder(dir: &Path, files: &Files) {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).expect("a new folder");
    for (name, bytes) in files {
        std::fs::write(dir.join(name), bytes).expect("room for a state");
    }
}

/// Shared by the daemons of a history.
pub(crate) fn shelf() -> Arc<Shelf> {
    Arc::new(Shelf::default())
}
