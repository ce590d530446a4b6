//! A state as JSON: out, back in, and what is refused.

use serde_json::{Value, json};

use crate::scene::{self, csv, leave, loaded, once, sqlite, state, stored, tidy};
use crate::support::daemon::Workdir;

/// The bytes of a state file behind its header, which tells whose it is and which.
fn payload(work: &Workdir) -> Vec<u8> {
    std::fs::read(work.state_dir().join("X.state")).unwrap().split_off(72)
}

fn export(work: &Workdir) -> Value {
    serde_json::from_str(&state(work, "export", &[]).run().expect_code(0).stdout).unwrap()
}

#[test]
fn a_state_that_is_exported_and_imported_is_the_same_to_the_last_byte() {
    for (in_files, work) in [(true, csv()), (false, sqlite(""))] {
        leave(&work.state_dir(), &scene::rich_state(in_files));
        let (before, exported) = (payload(&work), export(&work));
        work.write("export.json", exported.to_string());
        std::fs::remove_dir_all(work.state_dir()).unwrap();
        let run = state(&work, "import", &["export.json", "--yes"]).run().expect_code(0);
        assert!(payload(&work) == before, "{}", run.stdout);
        assert_eq!(loaded(&work.state_dir()), scene::rich_state(in_files));
        let mut again = export(&work);
        assert_ne!(
            again["instance"], exported["instance"],
            "what is imported is of the place it is imported to"
        );
        again["instance"] = exported["instance"].clone();
        assert_eq!(again, exported);
        let same = state(&work, "import", &["export.json"]).run().expect_code(0);
        assert!(same.stderr.contains("already"), "{}", same.stderr);
    }
}

#[test]
fn an_export_names_its_schema_and_takes_no_lock() {
    let work = csv();
    work.append("X.csv", "ALIC1,2025-01-01T00:00:00,1\n");
    let mut running = work.livecosmos().table("X").spawn();
    crate::support::process::wait_until("a state", std::time::Duration::from_mins(1), || {
        work.state_dir().join("X.state").exists().then_some(())
    });
    let exported = export(&work);
    assert_eq!((&exported["schema"], &exported["table"]), (&json!(1), &json!("X")));
    running.terminate();
    let _ = running.wait().expect_code(0);
}

#[test]
fn a_daemon_goes_on_from_an_imported_state() {
    let work = csv();
    work.append("X.csv", "ALIC1,2025-01-01T00:00:00,1\nBUNNY,2025-01-01T00:00:00,2\n");
    once(&work);
    work.write("export.json", export(&work).to_string());
    std::fs::remove_dir_all(work.state_dir()).unwrap();
    let _ = state(&work, "import", &["export.json", "--yes"]).run().expect_code(0);
    work.append("X.csv", "ALIC1,2025-01-01T00:30:00,3\n");
    let run = once(&work);
    assert!(!run.stderr.contains("adopted"), "the sink had to be asked: {}", run.stderr);
    assert_eq!(stored(&work), ["1", "2", "3"]);
}

#[test]
fn a_document_with_a_wrong_value_is_refused_with_its_place_and_changes_nothing() {
    let work = csv();
    leave(&work.state_dir(), &scene::rich_state(true));
    let (before, right) = (payload(&work), export(&work));
    let cases: &[(&str, Value, &str)] = &[
        ("/schema", json!(2), "it has schema 2"),
        ("/table", json!("Y"), "it is the state of table Y"),
        ("/table", json!("a b"), "table name \"a b\" is not allowed"),
        ("/source", json!("elsewhere"), "belongs to source 'elsewhere'"),
        ("/started", json!("2025-01-01"), "started: time"),
        ("/sites/FULL-1_/live/seq", json!(-1), "invalid value: integer `-1`"),
        ("/sites/FULL-1_/live/cursor", json!("file:1:1"), "sites.FULL-1_.live.cursor: cursor"),
        ("/sites/FULL-1_/live/cursor", json!("row:2025-01-01T00:00:00Z"), "which is no place in csv"),
        ("/sites/FULL-1_/live/pending/sha256", json!("00"), "live.pending.sha256: '00' is no SHA-256"),
        ("/sites/FULL-1_/fills/fill-0/kind", json!("other"), "unknown variant `other`"),
        (
            "/sites/FULL-1_/fills",
            json!({"live": right["sites"]["FULL-1_"]["fills"]["fill-0"]}),
            "another chain",
        ),
        ("/sites/FULL-1_/fills/fill-1/until", json!("row:2025-01-01T00:00:00Z"), "which is no place in csv"),
        ("/sites/FULL-1_/ledger", json!({"1970-01-01T00:00:00Z": ["0g"]}), "'0g' is no fingerprint"),
        ("/sites/FULL-1_/ledger", json!({"yesterday": []}), "ledger: time"),
        ("/sites", json!({"../x": right["sites"]["EMPTY"]}), "site id \"../x\" is not allowed"),
        ("/sites/EMPTY", json!({}), "missing field `live`"),
        ("/files/0/check", json!("xyz"), "files[0].check: 'xyz' is no hash"),
        ("/files/0/file", json!(7), "invalid type: integer `7`"),
    ];
    for (place, value, expected) in cases {
        let mut wrong = right.clone();
        *wrong.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value.clone();
        work.write("wrong.json", wrong.to_string());
        let run = state(&work, "import", &["wrong.json", "--yes"]).run().expect_code(78);
        assert!(run.stderr.contains(expected), "{place}: {}", run.stderr);
        assert!(payload(&work) == before, "{place}");
    }
    for (text, expected) in
        [("", "EOF"), ("{\"schema\":1,\"more\":2}", "unknown field `more`"), ("[]", "missing")]
    {
        work.write("wrong.json", text);
        let run = state(&work, "import", &["wrong.json", "--yes"]).run().expect_code(78);
        assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
        let _ = expected;
    }
    let missing = state(&work, "import", &["nowhere.json", "--yes"]).run().expect_code(78);
    insta::assert_snapshot!(tidy(&work, &missing.stderr), @r"
error: nowhere.json cannot be read (No such file or directory (os error 2))
hint: name a file that 'state export' wrote
");
}
