//! Group commit: one thread owns the store, and one commit makes all edits durable that wait for it.
//!
//! A commit costs two syncs of two files however many edits it holds, so the cost per edit falls as
//! the load grows. While the disk is full nothing is given up: the edits wait, and so do the uploads
//! that need them.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::CommitError;
use crate::record::State;
use crate::store::Store;

/// Edits that may wait for a commit.
pub const EDITS_QUEUED_MAX: usize = 100_000;

type Edit = Box<dyn FnOnce(&mut State) + Send>;
type Done = Box<dyn FnOnce(Result<u64, CommitError>) + Send>;

/// One commit, for metrics.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Commit {
    /// Its number.
    pub generation: u64,
    /// Edits it made durable.
    pub edits: usize,
    /// Bytes of each of the two files.
    pub file_bytes: usize,
    /// How long the write took that succeeded.
    pub took: Duration,
}

/// Hears what the writer does, in the writer's thread: it must return soon.
pub trait Observer: Send + Sync {
    /// A commit is durable.
    fn committed(&self, commit: &Commit);

    /// The disk is full. Tried `attempt` times since it last was not; will be tried again.
    fn stalled(&self, error: &CommitError, attempt: u32);

    /// There is room again.
    fn resumed(&self);

    /// The writer refuses all further edits with `error`.
    fn failed(&self, error: &CommitError);
}

/// The thread that commits. Shared by reference: [`Writer::submit`] never waits for the disk.
pub struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<Result<u64, CommitError>>>,
}

impl Writer {
    /// Gives `store` to a thread of its own.
    #[must_use]
    pub fn start(store: Store, observer: Arc<dyn Observer>) -> Self {
        let queue = Arc::new(Queue::default());
        let worker = Worker { queue: Arc::clone(&queue), store, observer, waiting: Vec::new() };
        let thread = thread::spawn(move || worker.run());
        Self { queue, thread: Some(thread) }
    }

    /// Queues `edit`; edits are applied in the order they were queued.
    ///
    /// `done` is called once: from the writer's thread with the generation that makes the edit durable,
    /// or with why there will be none. It must return soon, and may submit.
    pub fn submit(
        &self,
        edit: impl FnOnce(&mut State) + Send + 'static,
        done: impl FnOnce(Result<u64, CommitError>) + Send + 'static,
    ) {
        if let Err((refusal, done)) = self.queue.push(Box::new(edit), Box::new(done)) {
            done(Err(refusal));
        }
    }

    /// Commits what is queued, ends the thread and releases the lock. Returns the last generation.
    ///
    /// # Errors
    /// Why the last edits are not durable: a full disk is tried once more and then given up.
    pub fn stop(mut self) -> Result<u64, CommitError> {
        self.end()
    }

    fn end(&mut self) -> Result<u64, CommitError> {
        self.queue.close();
        // The last owner may be a `done`, in the writer's own thread: it ends by itself.
        let other = self.thread.take().filter(|writer| writer.thread().id() != thread::current().id());
        other.and_then(|writer| writer.join().ok()).unwrap_or(Err(CommitError::Stopped))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whoever wants to know how it ended calls stop; those who wait have been answered.
        let _ = self.end();
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<(Edit, Done)>,
    closed: bool,
}

impl Queue {
    fn push(&self, edit: Edit, done: Done) -> Result<(), (CommitError, Done)> {
        let mut inner = self.lock();
        if inner.closed {
            return Err((CommitError::Stopped, done));
        }
        if inner.jobs.len() == EDITS_QUEUED_MAX {
            return Err((CommitError::QueueFull { queued_max: EDITS_QUEUED_MAX }, done));
        }
        inner.jobs.push_back((edit, done));
        self.changed.notify_one();
        Ok(())
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits for jobs and takes them all; none, once closed and empty.
    fn take(&self) -> VecDeque<(Edit, Done)> {
        let idle = |inner: &mut Inner| inner.jobs.is_empty() && !inner.closed;
        let waited = self.changed.wait_while(self.lock(), idle);
        mem::take(&mut waited.unwrap_or_else(PoisonError::into_inner).jobs)
    }

    /// Waits for `wait`, or until closed. Returns whether it is closed.
    fn closed_within(&self, wait: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), wait, |inner| !inner.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Worker {
    queue: Arc<Queue>,
    store: Store,
    observer: Arc<dyn Observer>,
    /// Those whose edits are applied and not yet durable.
    waiting: Vec<Done>,
}

impl Worker {
    fn run(mut self) -> Result<u64, CommitError> {
        let mut outcome = Ok(self.store.generation());
        loop {
            let jobs = self.queue.take();
            if jobs.is_empty() {
                return outcome;
            }
            let failed_before = outcome.as_ref().is_err_and(|error| !error.is_full());
            outcome = self.commit(jobs);
            if let (Err(error), false) = (&outcome, failed_before)
                && !error.is_full()
            {
                self.observer.failed(error);
            }
            for done in mem::take(&mut self.waiting) {
                done(outcome.clone());
            }
        }
    }

    /// Commits `jobs`, and all that come while the disk is full.
    fn commit(&mut self, jobs: VecDeque<(Edit, Done)>) -> Result<u64, CommitError> {
        let mut jobs = jobs;
        let mut wait = self.store.options.full_wait_min;
        let mut attempt = 0;
        loop {
            match self.try_commit(mem::take(&mut jobs)) {
                Err(error) if error.is_full() => {
                    attempt += 1;
                    self.observer.stalled(&error, attempt);
                    if self.queue.closed_within(wait) {
                        return self.last_try();
                    }
                    wait = (wait * 2).min(self.store.options.full_wait_max);
                    jobs = mem::take(&mut self.queue.lock().jobs);
                }
                ended => {
                    if attempt > 0 && ended.is_ok() {
                        self.observer.resumed();
                    }
                    return ended;
                }
            }
        }
    }

    /// The daemon stops: there is no time to wait for room.
    fn last_try(&mut self) -> Result<u64, CommitError> {
        let jobs = mem::take(&mut self.queue.lock().jobs);
        self.try_commit(jobs)
    }

    fn try_commit(&mut self, jobs: VecDeque<(Edit, Done)>) -> Result<u64, CommitError> {
        let (edits, done): (Vec<Edit>, Vec<Done>) = jobs.into_iter().unzip();
        self.waiting.extend(done);
        let began = Instant::now();
        let generation = self.store.commit(|state| edits.into_iter().for_each(|edit| edit(state)))?;
        self.observer.committed(&Commit {
            generation,
            edits: self.waiting.len(),
            file_bytes: self.store.file_bytes(),
            took: began.elapsed(),
        });
        Ok(generation)
    }
}

impl Drop for Worker {
    /// Where an edit panicked, nobody may be left waiting, and nobody may come to wait.
    fn drop(&mut self) {
        self.queue.close();
        let left = mem::take(&mut self.queue.lock().jobs);
        for done in mem::take(&mut self.waiting).into_iter().chain(left.into_iter().map(|(_, done)| done)) {
            done(Err(CommitError::Stopped));
        }
    }
}
