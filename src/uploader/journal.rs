//! The state as the uploader works with it: a copy in memory that is always true, and a durable one
//! that follows by group commits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use livecosmos_state::{CommitError, State, Store, Writer};
use tokio::sync::oneshot;

use super::change::Change;

/// Commits changes of one table's state.
pub(crate) struct Journal {
    writer: Writer,
    instance: String,
    inner: Mutex<Inner>,
}

struct Inner {
    /// What is true now; ahead of the durable state by what waits for a commit.
    state: State,
    /// True changes that may wait for the next commit: a crash costs a look into the sink.
    deferred: Vec<Change>,
}

impl Journal {
    /// Takes over an opened store.
    pub(crate) fn new(store: Store, observer: std::sync::Arc<dyn livecosmos_state::Observer>) -> Self {
        let instance = crate::sink::hex(&store.instance());
        let inner = Inner { state: store.state().clone(), deferred: Vec::new() };
        Self { writer: Writer::start(store, observer), instance, inner: Mutex::new(inner) }
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
            self.submit(&mut inner)
        };
        durable.await.unwrap_or(Err(CommitError::Stopped))
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
            self.submit(&mut inner)
        };
        durable.await.unwrap_or(Err(CommitError::Stopped)).map(drop)
    }

    /// Ends the writer thread and releases the lock.
    pub(crate) fn stop(self) -> Result<(), CommitError> {
        self.writer.stop().map(drop)
    }

    /// Submits under the lock, so that the durable state sees changes in the order of the true one.
    fn submit(&self, inner: &mut Inner) -> oneshot::Receiver<Result<u64, CommitError>> {
        let changes = std::mem::take(&mut inner.deferred);
        let (done, durable) = oneshot::channel();
        self.writer.submit(
            move |state| changes.iter().for_each(|change| change.apply(state)),
            move |result| drop(done.send(result)),
        );
        durable
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock is held ends the process in release builds.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
