//! One case: rows are stored, the state is lost, more rows come, and the run that follows meets the fault.
//!
//! That run lists, asks for facts, reads objects for the ledger, probes and puts: every request the
//! product makes. Then the fault is gone, a clean run follows, and all rows in the bucket are compared
//! with the rows due.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::matrix::{Case, Kind};
use crate::support::daemon::{Livecosmos, Output, Running, Workdir, workdir};
use crate::support::front::{Fault, Front};
use crate::support::objects::{self, StoredRow};
use crate::support::process::wait_until;
use crate::support::s3_client::S3Client;
use crate::support::server::REGION;

/// Rows of the two sites together, before the fault and at last.
const ROWS_BEFORE: u32 = 30;
const ROWS: u32 = 60;
/// Small, so that each site has a second and a third put.
const BATCH_ROWS: u32 = 4;
/// A run that has not ended by now hangs.
const HANGS_AFTER: Duration = Duration::from_mins(4);

/// What came of a case.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) hung: bool,
    pub(crate) panicked: bool,
    pub(crate) exit: Option<i32>,
    pub(crate) rows_due: usize,
    /// Everything that is not as it must be.
    pub(crate) problems: Vec<String>,
}

/// A table, a bucket's part of its own, and the front between them.
pub(crate) struct Scene {
    workdir: Workdir,
    front: Front,
    database: Connection,
    prefix: String,
    run: Livecosmos,
    client: S3Client,
}

/// The requests that were struck.
#[derive(Default)]
pub(crate) struct Struck {
    /// The times that they were signed with.
    signed: Arc<Mutex<Vec<String>>>,
}

impl Struck {
    fn count(&self) -> usize {
        self.signed.lock().expect("no rule panics").len()
    }

    /// Whether not all were signed with the same time.
    fn is_signed_anew(&self) -> bool {
        let signed = self.signed.lock().expect("no rule panics");
        signed.first() != signed.last()
    }
}

impl Scene {
    /// Rows stored, the state lost, more rows due.
    pub(crate) fn new(server: &S3Client, number: usize, more: &str) -> Self {
        let prefix = format!("c{number}");
        let front = Front::before(server.address);
        let workdir = workdir(&config(&front.endpoint(), server, &prefix, more));
        let database = database(&workdir);
        let run = workdir
            .livecosmos()
            .table("T")
            .env("AWS_ACCESS_KEY_ID", &server.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &server.secret_key);
        let scene = Self { workdir, front, database, prefix, run, client: server.clone() };
        scene.add(0..ROWS_BEFORE);
        let _ = scene.once().run().expect_code(0);
        std::fs::remove_dir_all(scene.workdir.state_dir()).expect("the state goes");
        scene.client.delete(&format!("{}/.livecosmos/probe", scene.prefix));
        scene.add(ROWS_BEFORE..ROWS);
        scene
    }

    /// Adds rows, one a second, in turns for the two sites.
    fn add(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.database
                .execute(
                    "INSERT INTO T (SITE, TIME, N) SELECT ?1, START + ?2, ?2 FROM CLOCK",
                    (format!("S{}", number % 2), number),
                )
                .expect("a row is added");
        }
    }

    pub(crate) fn once(&self) -> Livecosmos {
        self.run.clone().arg("--once")
    }

    /// Strikes `case`'s requests from now on.
    pub(crate) fn strike(&self, case: Case) -> Struck {
        let struck = Struck::default();
        let (signed, mut seen) = (Arc::clone(&struck.signed), 0);
        self.front.set_rule(move |request| {
            if Kind::of(request) != Some(case.kind) {
                return Fault::None;
            }
            seen += 1;
            if !case.attempt.strikes(seen) {
                return Fault::None;
            }
            let time = request.header("x-amz-date").unwrap_or_default().to_owned();
            signed.lock().expect("no rule panics").push(time);
            case.fault
        });
        struck
    }

    pub(crate) fn heal(&self) {
        self.front.set_rule(|_| Fault::None);
    }

    pub(crate) fn stored(&self) -> Vec<StoredRow> {
        objects::rows(&objects::in_bucket(&self.client, &format!("{}/S", self.prefix)))
    }
}

/// How a case is played.
pub(crate) type Play = fn(&S3Client, usize, Case) -> Outcome;

/// Where nobody answers, a short patience makes many tries of one.
fn timeout(case: Case) -> &'static str {
    if case.stalls() { "request_timeout = \"3s\"" } else { "" }
}

/// Plays a case to its end. A panic of a fixture is a problem of this case alone.
pub(crate) fn guarded(play: Play, server: &S3Client, number: usize, case: Case) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| play(server, number, case))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map_or("a fixture panicked", String::as_str);
        Outcome { problems: vec![words.to_owned()], ..Outcome::default() }
    })
}

/// A one-shot run meets the fault, and the next one does not.
pub(crate) fn once(server: &S3Client, number: usize, case: Case) -> Outcome {
    let scene = Scene::new(server, number, timeout(case));
    let mut outcome = Outcome::default();
    let struck = scene.strike(case);
    let met = end_within(scene.once().spawn(), HANGS_AFTER);
    scene.heal();
    outcome.judge_run(&case, met, &struck);
    let clean = end_within(scene.once().spawn(), HANGS_AFTER);
    outcome.judge_clean(clean);
    outcome.judge_rows(&scene.stored());
    outcome
}

/// A daemon meets the fault, waits it out, and stores everything without being started again.
pub(crate) fn daemon(server: &S3Client, number: usize, case: Case) -> Outcome {
    let scene = Scene::new(server, number, timeout(case));
    let mut outcome = Outcome::default();
    let struck = scene.strike(case);
    let mut daemon = scene.run.spawn();
    wait_until(&format!("all rows of {case:?}"), HANGS_AFTER, || {
        let stderr = daemon.stderr();
        assert!(daemon.is_running(), "{case:?}: the daemon ended:\n{stderr}");
        (scene.stored().len() >= ROWS as usize).then_some(())
    });
    daemon.terminate();
    let stopped = end_within(daemon, HANGS_AFTER);
    scene.heal();
    outcome.exit = stopped.as_ref().and_then(|stopped| stopped.code);
    outcome.judge_clean(stopped);
    outcome.judge_struck(&struck);
    outcome.judge_clean(end_within(scene.once().spawn(), HANGS_AFTER));
    outcome.judge_rows(&scene.stored());
    outcome
}

/// Waits for the end; `None` if it had to be killed.
pub(crate) fn end_within(mut running: Running, deadline: Duration) -> Option<Output> {
    let started = Instant::now();
    let ended = wait_until("the end or the deadline", 2 * deadline, || {
        let ended = !running.is_running();
        (ended || started.elapsed() > deadline).then_some(ended)
    });
    if ended {
        return Some(running.wait());
    }
    drop(running.kill());
    None
}

impl Outcome {
    fn judge_run(&mut self, case: &Case, met: Option<Output>, struck: &Struck) {
        let Some(met) = met else {
            self.hung = true;
            self.problems.push("it hung".to_owned());
            return;
        };
        self.exit = met.code;
        self.judge_panic(&met);
        self.judge_struck(struck);
        if !met.code.is_some_and(|code| case.exits().contains(&code)) {
            self.problems.push(format!("exit {:?}, not {:?}:\n{}", met.code, case.exits(), met.stderr));
        }
        if case.exits() == BTreeSet::from([69]) && !struck.is_signed_anew() {
            self.problems.push(format!("what was tried again was not signed anew: {:?}", struck.signed));
        }
        let tells = case.fault != Fault::Skew
            || !case.attempt.is_burst()
            || met.stderr.contains("this machine's clock");
        if !tells {
            self.problems.push(format!("not a word on the clock:\n{}", met.stderr));
        }
    }

    pub(crate) fn judge_clean(&mut self, clean: Option<Output>) {
        let Some(clean) = clean else {
            self.hung = true;
            self.problems.push("the clean run hung".to_owned());
            return;
        };
        self.judge_panic(&clean);
        if clean.code != Some(0) {
            self.problems.push(format!("the clean run ended with {:?}:\n{}", clean.code, clean.stderr));
        }
    }

    fn judge_struck(&mut self, struck: &Struck) {
        if struck.count() == 0 {
            self.problems.push("no request was struck: the case proves nothing".to_owned());
        }
    }

    fn judge_panic(&mut self, output: &Output) {
        if output.code.is_none() || output.stderr.contains("panicked at") {
            self.panicked = true;
            self.problems.push(format!("it panicked:\n{}", output.stderr));
        }
    }

    pub(crate) fn judge_rows(&mut self, stored: &[StoredRow]) {
        let due = (0..ROWS).map(|number| number.to_string());
        let difference = objects::difference(due, stored, |row| row.text("N"));
        self.rows_due = ROWS as usize;
        self.lost = difference.missing.len();
        self.doubled = difference.doubled.len() + difference.foreign.len();
        if !difference.is_none() {
            self.problems.push(difference.to_string());
        }
    }
}

/// `more` goes into the section of the sink.
fn config(endpoint: &str, server: &S3Client, prefix: &str, more: &str) -> String {
    format!(
        "[source]\nkind = \"sqlite\"\npath = \"rows.sqlite\"\n\
         [sink]\nurl = \"s3://{}/{prefix}\"\n\
         [sink.s3]\nendpoint = \"{endpoint}\"\nregion = \"{REGION}\"\npath_style = true\n{more}\n\
         [upload]\nformat = \"ndjson\"\nbatch_rows_max = {BATCH_ROWS}\n\
         [poll]\ninterval = \"200ms\"\nfallback = \"all\"\nlookback = \"1d\"\n\
         [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\ntie_column = \"ID\"\n",
        server.bucket
    )
}

fn database(workdir: &Workdir) -> Connection {
    let database = Connection::open(workdir.path("rows.sqlite")).expect("a database");
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
             CREATE TABLE T (ID INTEGER PRIMARY KEY, SITE TEXT, TIME INTEGER, N INTEGER);
             CREATE INDEX T_BY_SITE ON T (SITE, TIME);
             CREATE TABLE CLOCK AS SELECT unixepoch() - 7200 AS START;",
        )
        .expect("a table");
    database
}
