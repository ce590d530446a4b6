//! Child processes that never outlive the test, and waiting for conditions instead of for time.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// How often a condition is looked at while a test waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Looks again and again until `probe` gives a value, and returns it.
///
/// Panics with `what` when that takes longer than `deadline`.
pub fn wait_until<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(started.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Gives a loopback address with a free port that no other server of this or another test uses.
///
/// Between this and the server's start anybody may take the port: a server in this process listens with
/// [`listener`] instead.
pub fn free_address() -> SocketAddr {
    listener().local_addr().expect("a bound listener has an address")
}

/// Listens on a loopback address of its own.
///
/// The whole of 127.0.0.0/8 is loopback. An address made of the process id and a count belongs to one
/// fixture alone, so two servers that start at once cannot be given the same port by the kernel.
pub fn listener() -> TcpListener {
    static COUNT: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, 64 + high % 64, low, COUNT.fetch_add(1, Ordering::Relaxed));
    TcpListener::bind((host, 0)).expect("a loopback address can be listened on")
}

/// Prepares `program` to be killed by the kernel when the thread that spawns it ends, however it ends.
///
/// A test binary that is killed then leaves no server behind; in return, a long-lived child must be
/// spawned by the test's own thread. `setpriv` becomes the program by `exec`, so the pid is the program's.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).process_group(0).stdin(Stdio::null());
    command
}

/// A running child in a process group of its own, killed with that group when dropped.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    reaped: bool,
}

impl Process {
    /// Starts a `command` made by [`command`], with all its output appended to the file `log`.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Self {
        let output = appending(log);
        let errors = output.try_clone().expect("a file handle can be duplicated");
        Self::start(name, command.stdout(output).stderr(errors), log)
    }

    /// Starts a `command` made by [`command`] with its two outputs in files of their own.
    pub fn spawn_split(name: &str, command: &mut Command, stdout: &Path, stderr: &Path) -> Self {
        Self::start(name, command.stdout(appending(stdout)).stderr(appending(stderr)), stderr)
    }

    fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { child, name: name.to_owned(), log: log.to_owned(), reaped: false }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the child has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The exit status if the child has ended.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("a child can be waited for");
        self.reaped |= status.is_some();
        status
    }

    /// Waits for the end of the child; kills it and panics if that takes longer than `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("the end of {}, pid {}", self.name, self.pid());
        wait_until(&what, deadline, || self.try_wait())
    }

    /// Waits for the end of the child at most for `deadline`; `None` if it still runs then.
    pub fn ended_within(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            let status = self.try_wait();
            if status.is_some() || started.elapsed() >= deadline {
                return status;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Sends `signal` to the child alone. A child that has ended is not an error.
    pub fn signal(&mut self, signal: Signal) {
        if self.try_wait().is_none() {
            // It may end between the two calls; it stays a zombie with this pid until it is waited for.
            let _ = rustix::process::kill_process(Pid::from_child(&self.child), signal);
        }
    }

    /// Kills the child and everything in its process group, as a power cut would, and reaps it.
    pub fn kill(&mut self) -> ExitStatus {
        if !self.reaped {
            let _ = rustix::process::kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let status = self.child.wait().expect("a killed child can be waited for");
        self.reaped = true;
        status
    }

    /// Waits until `ready` gives true; panics with the child's log if it ends or the deadline passes.
    pub fn wait_ready(&mut self, deadline: Duration, mut ready: impl FnMut() -> bool) {
        let started = Instant::now();
        while !ready() {
            let ended = self.try_wait();
            assert!(
                ended.is_none() && started.elapsed() < deadline,
                "{} did not get ready ({}); its log:\n{}",
                self.name,
                ended.map_or_else(|| format!("waited {deadline:?}"), |status| status.to_string()),
                self.log()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
        }
    }
}

fn appending(path: &Path) -> File {
    File::options().create(true).append(true).open(path).expect("the log file opens")
}
