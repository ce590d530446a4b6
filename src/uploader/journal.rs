//! The state as the uploader works with it: a copy in memory that is always true, and a durable one
//! that follows by group commits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use livecosmos_state::{CommitError, Observer, State, Store, Writer};
use tokio::sync::oneshot;

use super::change::Change;
use crate::stop::Stop;

/// A commit under way when the daemon is to stop may take this long; they take milliseconds.
const STOPPING_WAIT_MAX: Duration = Duration::from_secs(3);

/// Commits changes of one table's state.
pub(crate) struct Journal {
    instance: String,
    stop: Stop,
    /// How long a commit may wait for room on the disk; for ever without it.
    patience: Option<Duration>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Until [`Journal::stop`].
    writer: Option<Writer>,
    /// What is true now; ahead of the durable state by what waits for a commit.
    state: State,
    /// True changes that may wait for the next commit: a crash costs a look into the sink.
    deferred: Vec<Change>,
}

impl Journal {
    /// Takes over an opened store.
    pub(crate) fn new(
        store: Store,
        observer: Arc<dyn Observer>,
        stop: Stop,
        patience: Option<Duration>,
    ) -> Self {
        let instance = crate::sink::hex(&store.instance());
        let state = store.state().clone();
        let inner = Inner { writer: Some(Writer::start(store, observer)), state, deferred: Vec::new() };
        Self { instance, stop, patience, inner: Mutex::new(inner) }
    }

    /// UUID of the state, as hex digits.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Looks at what is true now.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().state)
    }

    /// Applies `change` and all that was deferred; returns the generation once that is durable.
    ///
    /// Waits as long as the disk is full.
    pub(crate) async fn commit(&self, change: Change) -> Result<u64, CommitError> {
        let durable = {
            let mut inner = self.lock();
            change.apply(&mut inner.state);
            inner.deferred.push(change);
            inner.submit()
        };
        self.wait(durable).await
    }

    /// Applies `change` now and lets it become durable with the next commit.
    pub(crate) fn defer(&self, change: Change) {
        let mut inner = self.lock();
        change.apply(&mut inner.state);
        inner.deferred.push(change);
    }

    /// Commits what was deferred, if anything was.
    pub(crate) async fn flush(&self) -> Result<(), CommitError> {
        let durable = {
            let mut inner = self.lock();
            if inner.deferred.is_empty() {
                return Ok(());
            }
            inner.submit()
        };
        self.wait(durable).await.map(drop)
    }

    /// Ends the writer thread and releases the lock; tells why the last commit failed, if it did.
    pub(crate) fn stop(&self) -> Result<(), CommitError> {
        let writer = self.lock().writer.take();
        writer.map_or(Ok(()), |writer| writer.stop().map(drop))
    }

    /// Waits for a commit. On a full disk that may be long: not beyond the patience of a one-shot run,
    /// nor much longer than until the daemon is to stop; the writer's last try then tells why.
    async fn wait(&self, durable: oneshot::Receiver<Result<u64, CommitError>>) -> Result<u64, CommitError> {
        let out_of_patience = async {
            match self.patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        let stopping = async {
            self.stop.requested().await;
            tokio::time::sleep(STOPPING_WAIT_MAX).await;
        };
        tokio::select! {
            committed = durable => committed.unwrap_or(Err(CommitError::Stopped)),
            () = out_of_patience => Err(CommitError::Stopped),
            () = stopping => Err(CommitError::Stopped),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock is held ends the process in release builds.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Submits under the lock, so that the durable state sees changes in the order of the true one.
    fn submit(&mut self) -> oneshot::Receiver<Result<u64, CommitError>> {
        let changes = std::mem::take(&mut self.deferred);
        let (done, durable) = oneshot::channel();
        if let Some(writer) = &self.writer {
            writer.submit(
                move |state| changes.iter().for_each(|change| change.apply(state)),
                move |result| drop(done.send(result)),
            );
        }
        durable
    }
}
