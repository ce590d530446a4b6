//! Memory for rows and payloads under way: borrowed before rows are packed, given back when they are stored.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::progress::Progress;
use crate::sink::Flow;
use crate::source::Stopped;
use crate::stop::Stop;

const KIB: usize = 1024;
/// Whoever waits looks this often whether those before it move.
const TICK: Duration = Duration::from_secs(1);

/// What all that go the same ways share.
#[derive(Debug)]
pub struct Memory {
    free: Arc<Semaphore>,
    kib_max: u32,
    /// A step for each loan that was given back.
    returned: Progress,
    /// Where those go that have borrowed.
    ways: Vec<Arc<Flow>>,
}

impl Memory {
    /// So much for rows that go `ways`.
    #[must_use]
    pub fn new(bytes_max: usize, ways: Vec<Arc<Flow>>) -> Self {
        let kib_max = u32::try_from(bytes_max / KIB).unwrap_or(u32::MAX).max(1);
        let free = Arc::new(Semaphore::new(kib_max as usize));
        Self { free, kib_max, returned: Progress::default(), ways }
    }

    /// Borrows so many bytes; waits until there are as many, or for the stop. Who waits lives as long as those do
    /// who have what it waits for.
    ///
    /// What is larger than all memory there is goes alone.
    pub(super) async fn borrow(
        &self,
        bytes: usize,
        progress: &Progress,
        stop: &Stop,
    ) -> Result<Loan, Stopped> {
        let kib = kib(bytes).min(self.kib_max);
        let mut free = std::pin::pin!(Arc::clone(&self.free).acquire_many_owned(kib));
        let mut seen = self.moves();
        loop {
            tokio::select! {
                biased;
                permit = &mut free => {
                    let permit = permit.map_err(|_| Stopped)?;
                    return Ok(Loan(Some((permit, self.returned.clone()))));
                }
                () = stop.requested() => return Err(Stopped),
                () = tokio::time::sleep(TICK) => {
                    let moves = self.moves();
                    if std::mem::replace(&mut seen, moves) != moves {
                        progress.step();
                    }
                }
            }
        }
    }

    fn moves(&self) -> u64 {
        let ways = self.ways.iter().map(|way| way.signs().steps());
        ways.fold(self.returned.steps(), u64::wrapping_add)
    }
}

/// Memory borrowed; given back when dropped.
#[derive(Debug)]
pub(super) struct Loan(Option<(OwnedSemaphorePermit, Progress)>);

impl Loan {
    /// For what needs next to nothing.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Gives back all but `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let Some((permit, returned)) = &mut self.0 else { return };
        let surplus = permit.num_permits().saturating_sub(kib(bytes) as usize);
        drop(permit.split(surplus));
        returned.step();
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some((permit, returned)) = self.0.take() {
            drop(permit);
            returned.step();
        }
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: usize = 64 * KIB;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_memory_hears_the_stop() {
        let (memory, progress, stop) = (Memory::new(ALL, Vec::new()), Progress::default(), Stop::default());
        let _all = memory.borrow(ALL, &progress, &stop).await.unwrap();
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            stop.request();
        };
        let (waited, ()) = tokio::join!(memory.borrow(1, &progress, &stop), stopping);
        assert!(waited.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_memory_lives_while_some_comes_back_and_no_longer() {
        let (memory, progress, stop) = (Memory::new(ALL, Vec::new()), Progress::default(), Stop::default());
        let mut loan = memory.borrow(ALL, &progress, &stop).await.unwrap();
        let returning = async {
            for left in (34..64).rev() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                loan.shrink_to(left * KIB);
            }
            let steps = progress.steps();
            assert!((10..=31).contains(&steps), "{steps} in half a minute");
            tokio::time::sleep(5 * TICK).await;
            let steps = progress.steps();
            tokio::time::sleep(Duration::from_mins(10)).await;
            assert_eq!(progress.steps(), steps, "the watchdog sees that nothing moves");
            drop(loan);
        };
        let (waited, ()) = tokio::join!(memory.borrow(ALL, &progress, &stop), returning);
        assert_eq!(waited.unwrap().0.as_ref().map(|(permit, _)| permit.num_permits()), Some(64));
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_there_is_goes_alone() {
        let (memory, progress, stop) = (Memory::new(ALL, Vec::new()), Progress::default(), Stop::default());
        let loan = memory.borrow(10 * ALL, &progress, &stop).await.unwrap();
        assert_eq!(memory.free.available_permits(), 0);
        drop(loan);
        assert_eq!(memory.free.available_permits(), 64);
    }
}
