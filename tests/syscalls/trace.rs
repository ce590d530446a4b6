//! What strace says: which calls a run makes in its own files and sockets, and which were hit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Calls by which files and connections are made, changed and read. `close` reports nothing that the
/// daemon could act on, and memory, threads and clocks are not its files.
const FILE_CALLS: &str = "openat,read,pread64,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,link,\
                          linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,ftruncate,flock,fcntl,getdents64,statx,\
                          stat,lstat,newfstatat,access,faccessat,lseek,statfs,fstatfs,fallocate,fchmod,fchown";
/// Only sockets are used with these.
const SOCKET_CALLS: [&str; 11] = [
    "socket",
    "connect",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "writev",
    "readv",
    "getsockopt",
    "setsockopt",
    "shutdown",
];

/// What a call is made on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A file or folder, as a path from the folder of the job.
    File(String),
    /// Any socket.
    Socket,
}

/// The `nth` time that a thread makes `call` on `target`.
///
/// strace counts for each thread, so one injection may hit a call in each of several threads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) call: String,
    pub(crate) target: Target,
    pub(crate) nth: usize,
}

/// What strace is to be asked for, to record all calls into `log`.
pub(crate) fn recorder(log: &Path) -> Vec<String> {
    let calls = format!("trace=?{},?{}", FILE_CALLS.replace(',', ",?"), SOCKET_CALLS.join(",?"));
    ["strace", "-f", "-qqq", "-y", "-o", &log.to_string_lossy(), "-e", &calls].map(str::to_owned).to_vec()
}

/// What strace is to be asked for, to do `fault` (`error=EIO`, `signal=KILL`) at `point`; with `lasting`
/// also at all later calls. What it did stands in `log`.
pub(crate) fn injector(point: &Point, fault: &str, lasting: bool, job: &Path, log: &Path) -> Vec<String> {
    let Point { call, target, nth } = point;
    let lasting = if lasting { "+" } else { "" };
    let mut words: Vec<String> =
        ["strace", "-f", "-qqq", "-o", &log.to_string_lossy()].map(str::to_owned).to_vec();
    if let Target::File(path) = target {
        let path = if path.is_empty() { job.to_owned() } else { job.join(path) };
        // Folders are also named with a slash at their end.
        words.extend([
            "-P".to_owned(),
            path.display().to_string(),
            "-P".to_owned(),
            format!("{}/", path.display()),
        ]);
    }
    words.extend(["-e".to_owned(), format!("trace={call}"), "-e".to_owned()]);
    words.push(format!("inject={call}:{fault}:when={nth}{lasting}"));
    words
}

/// All points of a recorded run, and how many calls lay outside the job's folder and sockets: those of
/// the dynamic loader, of the C library, and looks into `/proc` and `/sys`.
pub(crate) fn points(log: &Path, job: &Path) -> (BTreeSet<Point>, usize) {
    let text = std::fs::read_to_string(log).expect("strace writes its log");
    let (mut counts, mut elsewhere) = (BTreeMap::<(String, String, Target), usize>::new(), 0);
    for (thread, call, arguments) in text.lines().filter_map(parsed) {
        match target(call, arguments, job) {
            Some(target) => *counts.entry((thread.to_owned(), call.to_owned(), target)).or_default() += 1,
            None => elsewhere += 1,
        }
    }
    let mut points = BTreeSet::new();
    for ((_, call, target), count) in counts {
        points.extend((1..=count).map(|nth| Point { call: call.clone(), target: target.clone(), nth }));
    }
    (points, elsewhere)
}

/// How many calls strace failed.
pub(crate) fn injected(log: &Path) -> usize {
    std::fs::read_to_string(log).unwrap_or_default().matches("(INJECTED)").count()
}

/// Thread, call and arguments of a line at which a call begins.
fn parsed(line: &str) -> Option<(&str, &str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (call, arguments) = rest.trim_start().split_once('(')?;
    call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then_some((thread, call, arguments))
}

fn target(call: &str, arguments: &str, job: &Path) -> Option<Target> {
    if SOCKET_CALLS.contains(&call) {
        let is_internal =
            arguments.starts_with(|first: char| first.is_ascii_digit()) && !arguments.contains("socket:[");
        return (!is_internal).then_some(Target::Socket);
    }
    let path = if arguments.starts_with(|first: char| first.is_ascii_digit()) {
        arguments.split_once('<')?.1.split_once('>')?.0
    } else {
        arguments.split('"').nth(1)?
    };
    let path = PathBuf::from(path.trim_end_matches('/'));
    path.strip_prefix(job).ok().map(|path| Target::File(path.to_string_lossy().into_owned()))
}
