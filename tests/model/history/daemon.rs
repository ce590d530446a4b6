//! A daemon of a history: the product's own uploader, between a table, a shelf and a clock that are made up.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use livecosmos::clock::Clock;
use livecosmos::payload::{Compression, Format};
use livecosmos::progress::Progress;
use livecosmos::quarantine::Quarantine;
use livecosmos::sink::{Flow, FlowLimits, Sink};
use livecosmos::source::Source;
use livecosmos::stop::Stop;
use livecosmos::uploader::{Encoders, Fallback, LiveUploader, Memory, RetryPolicy, Settings, Shared};
use livecosmos_state::{Commit, CommitError, Observer, Options, Store, TableName, Time};

use super::{CATCH_UP_AFTER_S, History};
use crate::receiver::Receiver;
use crate::shelf::Shelf;
use crate::table::{Reader, time};

/// Time goes by, and the clock may be wrong.
pub(super) struct Watch {
    pub(super) true_s: AtomicI64,
    pub(super) wrong_by_s: AtomicI64,
}

impl Watch {
    pub(super) fn go_on(&self, seconds: i64) {
        self.true_s.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(super) fn set_wrong_by(&self, seconds: i64) {
        self.wrong_by_s.store(seconds, Ordering::Relaxed);
    }

    pub(super) fn true_s(&self) -> i64 {
        self.true_s.load(Ordering::Relaxed)
    }
}

impl Clock for Watch {
    fn now(&self) -> Time {
        time(self.true_s() + self.wrong_by_s.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.true_s().unsigned_abs())
    }
}

/// Tells the shelf of each commit: a process may stop behind it, and it may come back one day.
struct Witness {
    shelf: Arc<Shelf>,
    state_dir: PathBuf,
}

impl Observer for Witness {
    fn committed(&self, _: &Commit) {
        self.shelf.committed(&self.state_dir);
    }
    fn stalled(&self, _: &CommitError, _: u32) {}
    fn resumed(&self) {}
    fn failed(&self, _: &CommitError) {}
}

impl History {
    pub(super) fn reader(&self) -> Box<dyn Source> {
        let partition = self.kind.template().partition();
        Box::new(Reader::new(&self.table, self.kind.batch_rows_max, partition, self.kind.has_tie))
    }

    pub(super) fn open(&self, which: usize) -> Arc<LiveUploader> {
        let table = TableName::parse("T").expect("a table name");
        let dir = &self.daemons[which].state_dir;
        let store = Store::open(&Options::default(), dir, &table).expect("a state that is whole").store;
        let quarantine = Quarantine::open(dir, &table).expect("no quarantine yet");
        let limits = FlowLimits {
            in_flight_max: 16,
            bytes_per_second_max: None,
            requests_per_second_max: None,
            patience: Duration::from_mins(1),
        };
        let (flow, memory) = (Arc::new(Flow::new(limits)), Arc::new(Memory::new(1 << 24, Vec::new())));
        let shared = Shared::new(flow, memory, Encoders::default(), Progress::default());
        let clock: Arc<dyn Clock> = self.watch.clone();
        let witness = Arc::new(Witness { shelf: self.shelf.clone(), state_dir: dir.clone() });
        let sink: Arc<dyn Sink> = if self.kind.has_receiver {
            Arc::new(Receiver::before(self.shelf.clone()))
        } else {
            self.shelf.clone()
        };
        let settings = self.settings(table);
        Arc::new(LiveUploader::new(
            settings,
            sink,
            store,
            witness,
            quarantine,
            clock,
            Stop::default(),
            shared,
        ))
    }

    pub(super) fn settings(&self, table: TableName) -> Settings {
        let wait = Duration::from_micros(1);
        Settings {
            table,
            source_id: "model".into(),
            key: self.kind.template(),
            format: Format::Ndjson,
            compression: Compression::None,
            config_digest: "0".into(),
            fallback: Fallback::All,
            time_column: "TIME".into(),
            tie_column: self.kind.has_tie.then(|| "ID".into()),
            lookback: self.kind.lookback,
            catch_up_after_s: self.kind.catches_up.then_some(CATCH_UP_AFTER_S),
            commit_patience: None,
            retry: RetryPolicy {
                wait_min: wait,
                wait_max: wait,
                wait_total_max: 3 * wait,
                begun_within: Duration::MAX,
            },
        }
    }
}
