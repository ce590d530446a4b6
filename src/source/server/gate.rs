//! How many statements run at a server at once, of all tables and fills of this process, and how many
//! each connection asks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, Weak};

/// The gates of all servers, by their addresses.
static GATES: LazyLock<Mutex<HashMap<String, Weak<Gate>>>> = LazyLock::new(Mutex::default);

/// Lets so many through at once.
#[derive(Debug)]
struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A statement's leave to run.
#[derive(Debug)]
pub(in crate::source) struct Leave(Arc<Gate>);

impl Gate {
    /// The gate of the server at `address`. Its width is that of the first who asked.
    fn of(address: &str, statements_max: usize) -> Arc<Self> {
        let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(address).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Self { free: Mutex::new(statements_max), freed: Condvar::new() });
        gates.insert(address.to_owned(), Arc::downgrade(&gate));
        gate
    }

    fn pass(self: &Arc<Self>) -> Leave {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Leave(Arc::clone(self))
    }
}

/// A connection's way through the gate of its server.
#[derive(Debug)]
pub(in crate::source) struct Admission {
    gate: Arc<Gate>,
    statements: AtomicU64,
}

impl Admission {
    /// To the server at `address`.
    pub(in crate::source) fn to(address: &str, statements_max: usize) -> Self {
        Self { gate: Gate::of(address, statements_max), statements: AtomicU64::new(0) }
    }

    /// Waits until a statement may run that asks for sites or rows. Its leave is to be held only
    /// while the server works at it: never while rows wait for the sink.
    pub(in crate::source) fn statement(&self) -> Leave {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.gate.pass()
    }

    /// Waits until the server may be given other work: more rows of a statement, the catalogue, the ends of a
    /// transaction.
    pub(in crate::source) fn other(&self) -> Leave {
        self.gate.pass()
    }

    /// Statements since this was asked last.
    pub(in crate::source) fn take_statements(&self) -> u64 {
        self.statements.swap(0, Ordering::Relaxed)
    }

    /// Whether a statement would have to wait.
    #[cfg(test)]
    pub(in crate::source) fn is_full(&self) -> bool {
        *self.gate.free.lock().unwrap_or_else(PoisonError::into_inner) == 0
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
    use std::sync::atomic::AtomicUsize;

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
