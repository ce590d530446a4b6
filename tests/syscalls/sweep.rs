//! One fault at one call of one run, what may come of it, and the table of what did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::job::{From, Job, Variant};
use crate::support::daemon::Output;
use crate::trace::{self, Point, Target};

/// A run takes a tenth of a second, and some seconds where it waits for room on a disk or for a server.
const RUN_WITHIN: Duration = Duration::from_mins(1);
/// Runs at the same time. Most of a run is waiting for the disk.
const RUNS_AT_ONCE: usize = 6;
/// Runs of each job that are recorded.
const RECORDS: usize = 3;
/// Failures that are printed in full.
const SHOWN_MAX: usize = 12;

/// What is done to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, and is not carried out.
    Error(&'static str),
    /// It and all later ones fail.
    Lasting(&'static str),
    /// The process is killed instead.
    Kill,
}

/// Every fault that strikes once.
pub(crate) const FAULTS: [Fault; 6] = [
    Fault::Error("EIO"),
    Fault::Error("ENOSPC"),
    Fault::Error("EDQUOT"),
    Fault::Error("EROFS"),
    Fault::Error("EINTR"),
    Fault::Kill,
];
/// Those that stay. A disk that stays full is waited for, which takes a minute: it is not among them.
pub(crate) const LASTING: [Fault; 2] = [Fault::Lasting("EIO"), Fault::Lasting("EROFS")];

/// One run to be made.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Which of the variants.
    pub(crate) variant: usize,
    pub(crate) point: Point,
    pub(crate) fault: Fault,
}

/// What a fault strikes, and so what may come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Config,
    State,
    Quarantine,
    Source,
    Folder,
    Network,
}

impl Place {
    pub(crate) fn of(target: &Target) -> Self {
        let Target::File(path) = target else { return Self::Network };
        match path.split('/').next().unwrap_or_default() {
            "stored" => Self::Folder,
            "state" if path.contains("quarantine") => Self::Quarantine,
            // The folder above it has no name here: its sync makes `state` durable, or `stored`.
            "state" | "" => Self::State,
            name if name.starts_with("rows.") => Self::Source,
            _ => Self::Config,
        }
    }
}

/// Exit codes that DESIGN allows after `fault` in `place`, for a run that ends once.
///
/// 0 is always among them: a fault may be overcome. It then means that every row is stored.
fn allowed(place: Place, fault: Fault) -> &'static [i32] {
    match (place, fault) {
        // SQLite takes an interrupted look at its file for a broken one, and Rust does not repeat one
        // either. No local file system interrupts a look; a later run reads and writes both.
        (Place::Source, Fault::Error("EINTR")) => &[0, 69],
        (Place::Quarantine, Fault::Error("EINTR")) => &[0, 74],
        (Place::Folder, Fault::Error("EINTR")) => &[0, 3],
        (_, Fault::Error("EINTR") | Fault::Kill) => &[0],
        (Place::Config, _) => &[0, 78],
        // A state of which one file cannot be read and the other is missing is never begun anew.
        (Place::State, Fault::Error("EIO") | Fault::Lasting("EIO")) => &[0, 65, 74],
        (Place::State | Place::Quarantine, _) => &[0, 74],
        // A folder on a disk that fails or is read-only is one to be looked at before the next start.
        (Place::Folder, _) => &[0, 3, 69, 78],
        (Place::Source | Place::Network, _) => &[0, 3, 69],
    }
}

/// What came of the cases of one kind.
#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    injected: usize,
    outcomes: BTreeMap<String, usize>,
    due: usize,
    lost: usize,
    doubled: usize,
    hangs: usize,
    panics: usize,
}

/// What came of one case.
#[derive(Default)]
struct Outcome {
    ended: String,
    injected: usize,
    due: usize,
    lost: usize,
    doubled: usize,
    hung: bool,
    panicked: bool,
    /// What is wrong, in words.
    wrong: Vec<String>,
}

/// Records a run of each variant and gives every fault for every point in `places`.
pub(crate) fn cases(variants: &[Variant], places: impl Fn(&Variant) -> &'static [Place]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, variant) in variants.iter().enumerate() {
        let (points, elsewhere) = record(*variant);
        let swept: Vec<Point> =
            points.into_iter().filter(|point| places(variant).contains(&Place::of(&point.target))).collect();
        println!(
            "{}: {} points, {elsewhere} calls outside the job's files left alone",
            variant.name,
            swept.len()
        );
        for point in swept {
            let lasts = point.nth == 1
                && matches!(Place::of(&point.target), Place::State | Place::Quarantine | Place::Folder);
            let lasting = if lasts { &LASTING[..] } else { &[] };
            let faults = FAULTS.iter().chain(lasting);
            cases.extend(faults.map(|&fault| Case { variant: number, point: point.clone(), fault }));
        }
    }
    cases
}

/// Threads share work in another way each time, so the points of several runs are put together.
fn record(variant: Variant) -> (BTreeSet<Point>, usize) {
    let mut all = (BTreeSet::new(), 0);
    for _ in 0..RECORDS {
        let job = Job::new(variant);
        let log = job.workdir.path("strace.log");
        let _ = job.run().under(trace::recorder(&log)).run().expect_code(0);
        let stored = job.stored();
        assert_eq!((stored.lost(), stored.doubled()), (0, 0), "{}\n{}", stored.rows, stored.quarantine);
        let (points, elsewhere) = trace::points(&log, job.workdir.folder());
        all.0.extend(points);
        all.1 = elsewhere;
    }
    all
}

/// Runs all cases, prints the table and panics with what was wrong.
pub(crate) fn sweep(variants: &[Variant], cases: &[Case]) {
    let next = AtomicUsize::new(0);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..RUNS_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                    let variant = variants[case.variant];
                    let outcome = run(variant, case);
                    report.lock().expect("no thread panics with it").add(variant.name, case, &outcome);
                }
            });
        }
    });
    let Report { tallies, failures } = report.into_inner().expect("no thread panicked");
    println!("{}", table(&tallies));
    assert_eq!(failures, 0, "so many cases went wrong; the first are told above the table");
}

/// What came of the cases so far.
#[derive(Default)]
struct Report {
    /// By what is counted, and of which kind.
    tallies: BTreeMap<(&'static str, String), Tally>,
    failures: usize,
}

impl Report {
    fn add(&mut self, job: &str, case: &Case, outcome: &Outcome) {
        let Point { call, target, .. } = &case.point;
        for kind in [
            ("call", format!("{call} on {:?}", Place::of(target))),
            ("fault", format!("{:?}", case.fault)),
            ("job", job.to_owned()),
            ("total", String::new()),
        ] {
            self.tallies.entry(kind).or_default().add(outcome);
        }
        if !outcome.wrong.is_empty() {
            let wrong = outcome.wrong.join("; ");
            self.failures += 1;
            if self.failures <= SHOWN_MAX {
                println!("{job}: {:?} at {:?}: {wrong}", case.fault, case.point);
            }
        }
    }
}

/// One faulty run, then a clean one.
fn run(variant: Variant, case: &Case) -> Outcome {
    let job = Job::new(variant);
    let log = job.workdir.path("strace.log");
    let (fault, lasting) = match case.fault {
        Fault::Error(error) => (format!("error={error}"), false),
        Fault::Lasting(error) => (format!("error={error}"), true),
        Fault::Kill => ("signal=KILL".to_owned(), false),
    };
    let tracer = trace::injector(&case.point, &fault, lasting, job.workdir.folder(), &log);
    let ended = job.run().under(tracer).spawn().wait_within(RUN_WITHIN);
    let mut outcome = Outcome { injected: trace::injected(&log), due: job.due(), ..Outcome::default() };
    judge_faulty(&mut outcome, &job, case, ended);
    match job.run().spawn().wait_within(RUN_WITHIN) {
        Ok(clean) if clean.code == Some(0) => {}
        Ok(clean) => {
            outcome.wrong.push(format!("the clean run ended with {:?}:\n{}", clean.code, clean.stderr));
        }
        Err(clean) => {
            outcome.hung = true;
            outcome.wrong.push(format!("the clean run hung:\n{}", clean.stderr));
        }
    }
    let stored = job.stored();
    (outcome.lost, outcome.doubled) = (stored.lost(), stored.doubled());
    if outcome.lost + outcome.doubled > 0 {
        outcome.wrong.push(format!("rows: {}quarantine: {}", stored.rows, stored.quarantine));
    }
    let leftovers = job.leftovers();
    if !leftovers.is_empty() {
        outcome.wrong.push(format!("left behind: {leftovers:?}"));
    }
    outcome
}

fn judge_faulty(outcome: &mut Outcome, job: &Job, case: &Case, ended: Result<Output, Output>) {
    let place = Place::of(&case.point.target);
    let ended = ended.unwrap_or_else(|output| {
        outcome.hung = true;
        outcome.wrong.push(format!("it hung:\n{}", output.stderr));
        output
    });
    outcome.panicked = ended.stderr.contains("panicked") || matches!(ended.code, Some(101 | 134));
    outcome.ended = ended.code.map_or_else(|| "killed".to_owned(), |code| code.to_string());
    let was_killed = ended.code.is_none();
    if case.fault == Fault::Kill {
        outcome.injected = usize::from(was_killed);
    }
    let is_allowed = match ended.code {
        Some(code) => allowed(place, case.fault).contains(&code),
        None => case.fault == Fault::Kill,
    };
    if outcome.panicked || !is_allowed && !outcome.hung {
        outcome.wrong.push(format!("it ended with {:?}:\n{}", ended.code, ended.stderr));
    }
    if ended.code == Some(0) {
        let stored = job.stored();
        if stored.lost() > 0 {
            outcome.wrong.push(format!("it said that all was stored: {}{}", stored.rows, stored.quarantine));
        }
    }
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        self.cases += 1;
        self.injected += outcome.injected;
        *self.outcomes.entry(outcome.ended.clone()).or_default() += 1;
        self.due += outcome.due;
        self.lost += outcome.lost;
        self.doubled += outcome.doubled;
        self.hangs += usize::from(outcome.hung);
        self.panics += usize::from(outcome.panicked);
    }
}

fn table(tallies: &BTreeMap<(&'static str, String), Tally>) -> String {
    let mut table = format!(
        "{:<26}{:>7}{:>9}{:>9}{:>6}{:>8}{:>6}{:>7}  ended with (times)\n",
        "", "cases", "injected", "rows due", "lost", "doubled", "hangs", "panics"
    );
    for ((kind, name), tally) in tallies {
        let Tally { cases, injected, outcomes, due, lost, doubled, hangs, panics } = tally;
        let outcomes: Vec<_> = outcomes.iter().map(|(code, times)| format!("{code} ({times})")).collect();
        let _ = writeln!(
            table,
            "{:<26}{cases:>7}{injected:>9}{due:>9}{lost:>6}{doubled:>8}{hangs:>6}{panics:>7}  {}",
            format!("{kind} {name}"),
            outcomes.join(", ")
        );
    }
    table
}

/// What is swept of a variant: its own source or sink, and of one variant all else.
pub(crate) fn places(variant: &Variant) -> &'static [Place] {
    match (variant.bucket.is_some(), variant.from) {
        (true, _) => &[Place::State, Place::Network],
        (false, From::Csv) => &[Place::Config, Place::State, Place::Quarantine, Place::Source, Place::Folder],
        (false, From::Sqlite) => &[Place::Source],
    }
}
