//! How many statements run at a server at once, of all tables and fills of this process.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, Weak};

/// The gates of all servers, by their addresses.
static GATES: LazyLock<Mutex<HashMap<String, Weak<Gate>>>> = LazyLock::new(Mutex::default);

/// Lets so many through at once.
#[derive(Debug)]
pub(in crate::source) struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A statement's leave to run.
#[derive(Debug)]
pub(in crate::source) struct Leave(Arc<Gate>);

impl Gate {
    /// The gate of the server at `address`. Its width is that of the first who asked.
    pub(in crate::source) fn of(address: &str, statements_max: usize) -> Arc<Self> {
        let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(address).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Self { free: Mutex::new(statements_max), freed: Condvar::new() });
        gates.insert(address.to_owned(), Arc::downgrade(&gate));
        gate
    }

    /// Waits until a statement may run. To be held only while it does: never while rows wait for the sink.
    pub(in crate::source) fn pass(self: &Arc<Self>) -> Leave {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Leave(Arc::clone(self))
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_statements_run_at_once_than_the_gate_lets_through() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _leave = Gate::of("db.example.org:5432", 2).pass();
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
            let _keeps_it_alive = Gate::of("db.example.org:5432", 2);
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[test]
    fn servers_do_not_wait_for_each_other() {
        let (one, other) = (Gate::of("one:1", 1), Gate::of("other:1", 1));
        let _one = one.pass();
        let _other = other.pass();
    }
}
