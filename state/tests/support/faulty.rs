//! The real file system, with faults put in front of it.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use livecosmos_state::{Disk, NewFile, RealDisk};

/// An operation that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Create,
    Write,
    SyncFile,
    Replace,
    Read,
    MakeDir,
}

/// Linux error numbers, `errno(3)`.
pub(crate) const EIO: i32 = 5;
pub(crate) const EACCES: i32 = 13;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const EROFS: i32 = 30;
pub(crate) const EDQUOT: i32 = 122;

/// [`RealDisk`] with a queue of faults.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyDisk {
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    /// The next calls of an operation that fail, in order, each after so many that pass.
    faults: VecDeque<(Op, usize, i32)>,
    /// Fails every call until taken away.
    always: Option<(Op, i32)>,
    calls: Vec<Op>,
}

impl FaultyDisk {
    /// Makes the next `times` calls of `op` fail.
    pub(crate) fn fail(&self, op: Op, errno: i32, times: usize) {
        self.plan.lock().unwrap().faults.extend(std::iter::repeat_n((op, 0, errno), times));
    }

    /// Makes one call of `op` fail, after `calls` that pass.
    pub(crate) fn fail_after(&self, op: Op, calls: usize, errno: i32) {
        self.plan.lock().unwrap().faults.push_back((op, calls, errno));
    }

    /// Makes every call of `op` fail, until called with nothing.
    pub(crate) fn fail_always(&self, fault: Option<(Op, i32)>) {
        self.plan.lock().unwrap().always = fault;
    }

    /// How often `op` was called.
    pub(crate) fn calls(&self, op: Op) -> usize {
        self.plan.lock().unwrap().calls.iter().filter(|called| **called == op).count()
    }

    fn pass(&self, op: Op) -> io::Result<()> {
        let mut plan = self.plan.lock().unwrap();
        plan.calls.push(op);
        if let Some((_, errno)) = plan.always.filter(|(failing, _)| *failing == op) {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let Some((failing, calls, errno)) = plan.faults.front_mut() else { return Ok(()) };
        if *failing != op {
            return Ok(());
        }
        if *calls > 0 {
            *calls -= 1;
            return Ok(());
        }
        let error = io::Error::from_raw_os_error(*errno);
        plan.faults.pop_front();
        Err(error)
    }
}

impl Disk for FaultyDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.pass(Op::MakeDir)?;
        RealDisk.make_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        self.pass(Op::Read)?;
        RealDisk.read(path, bytes_max)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        self.pass(Op::Create)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), file: RealDisk.create(path)? }))
    }

    fn replace(&self, temp: &Path, target: &Path) -> io::Result<()> {
        self.pass(Op::Replace)?;
        RealDisk.replace(temp, target)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync(path)
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    file: Box<dyn NewFile>,
}

impl NewFile for FaultyFile {
    /// A write that fails has written half, as on a disk that becomes full.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let passed = self.disk.pass(Op::Write);
        let written = if passed.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        self.file.write_all(written)?;
        passed
    }

    fn sync(self: Box<Self>) -> io::Result<()> {
        self.disk.pass(Op::SyncFile)?;
        self.file.sync()
    }
}
