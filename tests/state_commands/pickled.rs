//! The predecessor's state: real pickles, made by Python, become watermarks.

use std::collections::BTreeSet;
use std::path::Path;

use crate::scene::{csv, insert, loaded, once, site_id, sqlite, state, stored, tidy, time};
use crate::support::daemon::Workdir;
use crate::support::process::command;

/// What the predecessor had sent: of ALIC1 up to 00:30, of BUNNY up to 01:00, and it ran last then.
const STATE: &str = "\
a, b = datetime(2025, 1, 1, 0, 30), datetime(2025, 1, 1, 1, 0, 0, 250000)
state = {'last_run': b, 'sites': {}}
for site in [{'site_id': 'ALIC1', 'last_data': a}, {'site_id': 'BUNNY', 'last_data': b}]:
    state['sites'][site['site_id']] = site
";

/// Writes `old.pickle` as Python spells `state` of `script` in `protocol`.
fn pickle(work: &Workdir, protocol: u8, script: &str) {
    let program = format!(
        "import os, pickle\nfrom datetime import datetime, timezone\n{script}\n\
         pickle.dump(state, open('old.pickle', 'wb'), protocol={protocol})\n"
    );
    work.write("make.py", program);
    let mut python = command(Path::new("/usr/bin/env"));
    let status = python.args(["python3", "make.py"]).current_dir(work.folder()).status().unwrap();
    assert!(status.success());
}

fn import(work: &Workdir) -> crate::support::daemon::Output {
    state(work, "import", &["old.pickle", "--yes"]).run()
}

#[test]
fn pickles_of_all_protocols_become_the_same_watermarks() {
    let mut states = Vec::new();
    for protocol in 2..=5 {
        let work = sqlite("");
        pickle(&work, protocol, STATE);
        let _ = import(&work).expect_code(0);
        states.push(loaded(&work.state_dir()));
    }
    assert!(states.iter().all(|state| *state == states[0]));
    let of = |site| states[0].sites[&site_id(site)].last_data;
    assert_eq!(of("ALIC1"), Some(time("2025-01-01T00:30:00Z")));
    assert_eq!(of("BUNNY"), Some(time("2025-01-01T01:00:00.250Z")));
    assert_eq!(states[0].started, None, "the first run is still to come");
}

#[test]
fn of_a_table_only_rows_behind_the_old_watermark_are_due_and_new_sites_begin_at_the_fallback() {
    let work = sqlite("");
    pickle(&work, 4, STATE);
    let rows = [
        ("ALIC1", "2025-01-01T00:00:00", "old"),
        ("ALIC1", "2025-01-01T00:30:00", "sent"),
        ("ALIC1", "2025-01-01T00:30:01", "due-1"),
        ("BUNNY", "2025-01-01T01:00:00.250000", "sent"),
        ("BUNNY", "2025-01-01T01:30:00", "due-2"),
        ("CHIMN", "2024-01-01T00:00:00", "due-3"),
    ];
    insert(&work, &rows);
    let run = import(&work).expect_code(0);
    insta::assert_snapshot!(tidy(&work, &run.stdout), @r"
SITE  WHAT  OLD  NEW
ALIC1  site  -  known
ALIC1  watermark  -  2025-01-01T00:30:00Z
ALIC1  floor  -  2025-01-01T00:30:00Z
ALIC1  live  0 at start  0 at row:2025-01-01T00:30:00Z
BUNNY  site  -  known
BUNNY  watermark  -  2025-01-01T01:00:00.250Z
BUNNY  floor  -  2025-01-01T01:00:00.250Z
BUNNY  live  0 at start  0 at row:2025-01-01T01:00:00.250Z
");
    once(&work);
    assert_eq!(stored(&work), ["due-1", "due-2", "due-3"]);
    insert(&work, &[("ALIC1", "2025-01-01T01:00:00", "due-4")]);
    once(&work);
    assert_eq!(stored(&work), ["due-1", "due-2", "due-3", "due-4"]);
    std::fs::remove_dir_all(work.state_dir()).unwrap();
    insert(&work, &[("BUNNY", "2025-01-01T02:00:00", "due-5")]);
    once(&work);
    assert_eq!(stored(&work), ["due-1", "due-2", "due-3", "due-4", "due-5"], "the sink knows where it began");
}

#[test]
fn of_files_only_rows_behind_the_old_watermark_are_due_and_what_comes_later_is() {
    let work = csv();
    pickle(&work, 4, STATE);
    work.append(
        "X.csv",
        "ALIC1,2025-01-01T00:30:00,sent\nALIC1,2025-01-01T01:00:00,due-1\nBUNNY,2025-01-01T01:00:00,sent\n\
         BUNNY,2025-01-01T01:00:01,due-2\n",
    );
    let _ = import(&work).expect_code(0);
    once(&work);
    assert_eq!(stored(&work), ["due-1", "due-2"]);
    work.append("X.csv", "ALIC1,2025-01-01T00:15:00,late\nBUNNY,2025-01-01T02:00:00,due-3\n");
    once(&work);
    assert_eq!(stored(&work), ["due-1", "due-2", "due-3", "late"]);
}

#[test]
fn naive_times_are_taken_in_the_zone_of_the_table() {
    let work = sqlite("timezone = \"Europe/Paris\"\n");
    pickle(&work, 4, STATE);
    let _ = import(&work).expect_code(0);
    let paris = loaded(&work.state_dir()).sites[&site_id("ALIC1")].last_data;
    assert_eq!(paris, Some(time("2024-12-31T23:30:00Z")));
}

#[test]
fn sites_that_are_known_already_stay_as_they_are() {
    let work = sqlite("");
    insert(&work, &[("ALIC1", "2025-01-01T02:00:00", "1")]);
    once(&work);
    let before = loaded(&work.state_dir());
    pickle(&work, 4, STATE);
    let run = import(&work).expect_code(0);
    assert!(run.stderr.contains("stay as they are: ALIC1"), "{}", run.stderr);
    let after = loaded(&work.state_dir());
    assert_eq!(after.sites[&site_id("ALIC1")], before.sites[&site_id("ALIC1")]);
    assert_eq!(after.sites.len(), 2);
}

#[test]
fn after_the_first_run_over_files_it_is_too_late() {
    let work = csv();
    work.append("X.csv", "ALIC1,2025-01-01T00:30:00,1\n");
    once(&work);
    pickle(&work, 4, STATE);
    let run = import(&work).expect_code(78);
    insta::assert_snapshot!(tidy(&work, &run.stderr), @r"
error: old.pickle cannot be imported, and nothing was changed: it says up to which time rows of files were sent, which can only be taken into account before the first run over them
hint: name a file that 'state export' wrote, or the predecessor
");
}

#[test]
fn nothing_that_a_pickle_names_is_run() {
    let work = sqlite("");
    let evil = "class Evil:\n    def __reduce__(self):\n        return (os.system, ('touch executed',))\nstate = {'last_run': Evil(), 'sites': {}}";
    let build = "class Site: pass\nsite = Site()\nstate = {'last_run': None, 'sites': {'A': site}}";
    let mut refusals = Vec::new();
    for protocol in 2..=5 {
        for script in [evil, build] {
            pickle(&work, protocol, script);
            let run = import(&work).expect_code(78);
            refusals.push(run.stderr);
        }
    }
    // What comes before the name is longer or shorter with the protocol.
    let named = refusals.iter().map(|refusal| refusal.split_once("it names ").unwrap().1);
    let named: BTreeSet<&str> = named.map(|rest| rest.split_once(',').unwrap().0).collect();
    assert_eq!(named, BTreeSet::from(["\"posix.system\"", "\"__main__.Site\""]));
    assert!(!work.path("executed").exists());
    assert!(!work.state_dir().join("X.state").exists());
}

#[test]
fn what_is_no_state_of_the_predecessor_is_refused_by_name() {
    let work = sqlite("");
    let aware = "datetime(2025, 1, 1, tzinfo=timezone.utc)";
    let scripts = [
        "state = []".to_owned(),
        "state = {'sites': {}}".to_owned(),
        "state = {'last_run': None, 'sites': {}, 'more': None}".to_owned(),
        "state = {'last_run': None, 'sites': {'A': {'site_id': 'B', 'last_data': None}}}".to_owned(),
        "state = {'last_run': None, 'sites': {'A': {'site_id': 'A', 'last_data': None}}}".to_owned(),
        "state = {'last_run': None, 'sites': {'../A': {'site_id': '../A', 'last_data': datetime(2025, 1, 1)}}}".to_owned(),
        format!("state = {{'last_run': {aware}, 'sites': {{}}}}"),
        "site = {}\nstate = {'last_run': None, 'sites': {'A': site, 'B': site}}".to_owned(),
    ];
    let refusals: Vec<String> = scripts
        .iter()
        .map(|script| {
            pickle(&work, 4, script);
            tidy(&work, &import(&work).expect_code(78).stderr)
        })
        .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r#"
error: old.pickle cannot be imported, and nothing was changed: byte 3: opcode 0x5d builds what no state holds
hint: name a file that 'state export' wrote, or the predecessor
error: old.pickle cannot be imported, and nothing was changed: the state has no 'last_run'
hint: name a file that 'state export' wrote, or the predecessor
error: old.pickle cannot be imported, and nothing was changed: the state has 'more', which is not known here
hint: name a file that 'state export' wrote, or the predecessor
error: old.pickle cannot be imported, and nothing was changed: site A names itself otherwise
hint: name a file that 'state export' wrote, or the predecessor
error: old.pickle cannot be imported, and nothing was changed: site A has no date and time
hint: name a file that 'state export' wrote, or the predecessor
error: old.pickle cannot be imported, and nothing was changed: site id "../A" is not allowed
hint: use 1 to 64 of A-Z a-z 0-9 _ -; name a file that 'state export' wrote, or the predecessor
error: old.pickle cannot be imported, and nothing was changed: byte 76: it names "datetime.timezone", which is not run
hint: a state holds dates and texts only; name a file that 'state export' wrote, or the predecessor
error: old.pickle cannot be imported, and nothing was changed: byte 49: it repeats a dictionary
hint: name a file that 'state export' wrote, or the predecessor
"#);
}
