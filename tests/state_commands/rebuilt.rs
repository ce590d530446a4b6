//! A state made from the sink alone: no row is lost or doubled by it, whatever became of the old one.

use livecosmos_state::State;

use crate::scene::{csv, insert, loaded, once, site_id, sqlite, state, stored, tidy};
use crate::support::daemon::{Output, Workdir};

const TIMES: [&str; 4] =
    ["2025-01-01T00:00:00", "2025-01-01T00:30:00", "2025-01-01T01:00:00", "2025-01-01T01:30:00"];

fn rebuild(work: &Workdir) -> Output {
    state(work, "rebuild", &["--yes"]).run()
}

fn lose_state(work: &Workdir) {
    std::fs::remove_dir_all(work.state_dir()).unwrap();
}

/// Two sites, stored in two runs each; two sources.
fn scenes() -> [Workdir; 2] {
    let (table, files) = (sqlite(""), csv());
    for times in TIMES.chunks(2) {
        for time in times {
            insert(&table, &[("ALIC1", time, &format!("a{time}")), ("BUNNY", time, &format!("b{time}"))]);
            files.append("X.csv", format!("ALIC1,{time},a{time}\nBUNNY,{time},b{time}\n"));
        }
        once(&table);
        once(&files);
    }
    [table, files]
}

/// What the sink can prove of each site.
fn proven(state: &State) -> Vec<String> {
    let site = |site: &livecosmos_state::Site| format!("{:?} {:?}", site.last_data, site.live);
    state.sites.iter().map(|(id, of)| format!("{id} {}", site(of))).collect()
}

#[test]
fn a_rebuilt_state_stands_where_the_lost_one_stood_and_a_daemon_goes_on_from_it() {
    for work in scenes() {
        let before = loaded(&work.state_dir());
        lose_state(&work);
        let _ = rebuild(&work).expect_code(0);
        assert_eq!(proven(&loaded(&work.state_dir())), proven(&before));
        let rows = stored(&work);
        once(&work);
        assert_eq!(stored(&work), rows, "something was stored twice");
        let row = ("ALIC1", "2025-01-01T02:00:00", "new");
        if work.path("x.db").exists() {
            insert(&work, &[row]);
        } else {
            work.append("X.csv", "ALIC1,2025-01-01T02:00:00,new\n");
        }
        once(&work);
        assert_eq!(stored(&work).len(), rows.len() + 1);
    }
}

#[test]
fn a_rebuild_of_a_state_that_is_right_changes_no_site() {
    for work in scenes() {
        let before = loaded(&work.state_dir());
        let run = rebuild(&work).expect_code(0);
        assert!(!run.stdout.contains("live"), "{}", run.stdout);
        assert_eq!(proven(&loaded(&work.state_dir())), proven(&before));
        let _ = state(&work, "undo", &["--yes"]).run().expect_code(0);
        assert_eq!(loaded(&work.state_dir()), before);
    }
}

#[test]
fn damaged_files_are_kept_under_other_names_and_a_new_state_is_begun() {
    for work in scenes() {
        let rows = stored(&work);
        for name in ["X.state", "X.state.backup"] {
            work.write(&format!("state/{name}"), format!("rubbish of {name}"));
        }
        let _ = state(&work, "rebuild", &[]).run().expect_code(2);
        let _ = work.livecosmos().table("X").arg("--once").run().expect_code(65);
        let run = rebuild(&work).expect_code(0);
        assert!(run.stderr.contains("X.state.damaged"), "{}", run.stderr);
        for name in ["X.state", "X.state.backup"] {
            let kept = std::fs::read_to_string(work.state_dir().join(format!("{name}.damaged"))).unwrap();
            assert_eq!(kept, format!("rubbish of {name}"));
        }
        once(&work);
        assert_eq!(stored(&work), rows);
    }
}

#[test]
fn rows_that_came_late_meanwhile_are_sent_once_and_no_others() {
    let work = sqlite("");
    let config = std::fs::read_to_string(work.config()).unwrap();
    work.write("livecosmos.toml", config.replace("interval =", "lookback = \"1d\"\ninterval ="));
    for time in TIMES {
        insert(&work, &[("ALIC1", time, &format!("a{time}"))]);
    }
    once(&work);
    let ledger = loaded(&work.state_dir()).sites[&site_id("ALIC1")].ledger.clone();
    assert_eq!(ledger.len(), 4);
    lose_state(&work);
    insert(&work, &[("ALIC1", "2025-01-01T00:15:00", "late")]);
    let _ = rebuild(&work).expect_code(0);
    assert_eq!(loaded(&work.state_dir()).sites[&site_id("ALIC1")].ledger, ledger);
    once(&work);
    once(&work);
    assert_eq!(stored(&work).len(), 5);
    assert_eq!(stored(&work).last().map(String::as_str), Some("late"));
}

#[test]
fn a_row_that_was_appended_late_is_sent_and_rows_of_a_file_that_took_its_place_are_passed_over() {
    let [_, work] = scenes();
    lose_state(&work);
    work.append("X.csv", "ALIC1,2024-12-31T00:00:00,late\n");
    let _ = rebuild(&work).expect_code(0);
    once(&work);
    let rows = stored(&work);
    assert_eq!((rows.len(), rows.last().map(String::as_str)), (9, Some("late")));

    // The same rows under another header are another file; its one new row is due.
    lose_state(&work);
    let text = std::fs::read_to_string(work.path("X.csv")).unwrap().replace("DATE_TIME,TA", "DATE_TIME, TA");
    let text =
        text.replace("DATE_TIME, TA\n", "DATE_TIME,TA,\n").replace("ALIC1,2024-12-31T00:00:00,late\n", "");
    let text = text
        .lines()
        .map(|line| if line.ends_with(',') { format!("{line}TB\n") } else { format!("{line},0\n") });
    work.write("X.csv", text.collect::<String>() + "ALIC1,2025-01-01T03:00:00,new,0\n");
    let _ = rebuild(&work).expect_code(0);
    once(&work);
    assert_eq!(stored(&work).len(), 10);
}

#[test]
fn a_backlog_that_was_filled_is_not_filled_again() {
    let work = sqlite("");
    let config = std::fs::read_to_string(work.config()).unwrap();
    let config = config.replace("format =", "batch_rows_max = 2\nformat =");
    work.write("livecosmos.toml", config.replace("interval =", "catch_up_after = \"1h\"\ninterval ="));
    for n in 10..30 {
        insert(&work, &[("ALIC1", &format!("2025-01-01T00:{n}:00"), &n.to_string())]);
    }
    once(&work);
    let rows = stored(&work);
    assert_eq!(rows.len(), 20);
    assert!(work.path("out/ALIC1/X/catchup-00000000000000000000.00000000000000000000.ndjson").exists());
    lose_state(&work);
    let _ = rebuild(&work).expect_code(0);
    assert_eq!(
        loaded(&work.state_dir()).sites[&site_id("ALIC1")].fills.len(),
        1,
        "the sink tells of the hole"
    );
    once(&work);
    assert_eq!(stored(&work), rows);
}

#[test]
fn a_site_whose_objects_contradict_themselves_is_left_out_and_named() {
    let work = csv();
    for time in TIMES {
        work.append("X.csv", format!("ALIC1,{time},a\nBUNNY,{time},b\n"));
        once(&work);
    }
    lose_state(&work);
    std::fs::remove_file(work.path("out/ALIC1/X/00000000000000000001.ndjson")).unwrap();
    let run = rebuild(&work).expect_code(3);
    assert!(run.stderr.contains("site ALIC1 is left out"), "{}", run.stderr);
    assert!(loaded(&work.state_dir()).sites.keys().eq([&site_id("BUNNY")]));
    let run = work.livecosmos().table("X").arg("--once").run().expect_code(3);
    assert!(run.stderr.contains("does not continue the chain"), "{}", run.stderr);
    assert_eq!(stored(&work).len(), 7);
}

#[test]
fn a_sink_that_holds_nothing_of_the_table_makes_no_state() {
    let work = csv();
    work.append("X.csv", "ALIC1,2025-01-01T00:00:00,a\n");
    once(&work);
    let before = loaded(&work.state_dir());
    let config = std::fs::read_to_string(work.config()).unwrap();
    work.write("livecosmos.toml", config.replace("./out", "./elsewhere"));
    let run = rebuild(&work).expect_code(78);
    let said = tidy(&work, &run.stderr);
    insta::assert_snapshot!(said.split_once("error").unwrap().1, @r"
: no object of a site of table X is in its sink, and nothing was changed
hint: check [sink] and the key template of the configuration
");
    assert_eq!(loaded(&work.state_dir()), before);
}
