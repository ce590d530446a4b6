//! `livecosmos verify`, run as an operator runs it, over a folder and over S3.

mod support;

use serde_json::Value;
use support::daemon::{Livecosmos, Workdir, workdir};
use support::s3s;

const TABLE: &str = "LEVEL1_X";
const FIRST: &str = "ALIC1/X/00000000000000000000.json.gz";

fn config(sink: &str) -> String {
    format!(
        "[source]\nkind = \"csv\"\npath = \"rows.csv\"\n{sink}\n\
         [upload]\nformat = \"cr1000x\"\ncompression = \"gzip\"\nbatch_rows_max = 10\n\
         [poll]\nfallback = \"all\"\n[tables.{TABLE}]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n"
    )
}

fn folder() -> Workdir {
    let work = workdir(&config("[sink]\nurl = \"file://./stored\""));
    work.write("rows.csv", rows());
    work
}

/// 25 rows of ALIC1 and 12 of BICK1.
fn rows() -> String {
    let header = "SITE_ID,DATE_TIME,TA\n".to_owned();
    let row = |site: &str, minute: u32| {
        format!("{site},2025-01-01T{:02}:{:02}:00,0.10\n", minute / 60, minute % 60)
    };
    let both = (0..25).map(|minute| row("ALIC1", minute)).chain((0..12).map(|minute| row("BICK1", minute)));
    both.fold(header, |all, row| all + &row)
}

fn once(work: &Workdir) -> Livecosmos {
    work.livecosmos().table(TABLE).arg("--once")
}

fn verify(work: &Workdir) -> Livecosmos {
    Livecosmos::new(work.folder()).arg("verify").arg(work.config()).table(TABLE)
}

fn json(run: &Livecosmos, code: i32) -> Value {
    let output = run.clone().arg("--output").arg("json").run().expect_code(code);
    serde_json::from_str(&output.stdout).expect("one JSON document")
}

fn findings(found: &Value) -> Vec<(&str, &str)> {
    found["tables"][0]["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| (finding["kind"].as_str().expect("a kind"), finding["key"].as_str().expect("a key")))
        .collect()
}

#[test]
fn sound_objects_are_summed_up_chain_by_chain() {
    let work = folder();
    let _ = once(&work).run().expect_code(0);
    let output = verify(&work).run().expect_code(0);
    let lines: Vec<String> =
        output.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[0], "TABLE SITE CHAIN OBJECTS ROWS BYTES FIRST LAST FINDINGS");
    assert!(lines[1].starts_with("LEVEL1_X ALIC1 live 3 25 "), "{lines:?}");
    assert!(lines[1].ends_with("2025-01-01T00:00:00Z 2025-01-01T00:24:00Z 0"), "{lines:?}");
    assert!(lines[2].starts_with("LEVEL1_X BICK1 live 2 12 "), "{lines:?}");
    assert_eq!(output.stderr, "");

    let found = json(&verify(&work).arg("--site").arg("BICK1"), 0);
    assert_eq!(found["schema"], 1);
    assert_eq!((&found["tables"][0]["objects"], &found["tables"][0]["rows"]), (&2.into(), &12.into()));
    assert_eq!(findings(&found), []);
}

#[test]
fn objects_stay_readable_when_format_and_columns_of_the_configuration_change() {
    let work = folder();
    let _ = once(&work).run().expect_code(0);
    work.append("rows.csv", "ALIC1,2025-01-01T01:00:00,0.10\n");
    let changed =
        config("[sink]\nurl = \"file://./stored\"").replace("cr1000x", "ndjson").replace("gzip", "zstd");
    work.write("livecosmos.toml", &changed);
    let _ = once(&work).run().expect_code(0);
    work.write("livecosmos.toml", changed.replace("\"DATE_TIME\"", "\"OTHER\""));
    let found = json(&verify(&work), 0);
    assert_eq!(findings(&found), []);
    assert_eq!(found["tables"][0]["rows"], 38);
}

#[test]
fn a_changed_file_is_named_with_what_to_do() {
    let work = folder();
    let _ = once(&work).run().expect_code(0);
    work.append(&format!("stored/{FIRST}"), "x");
    work.write("stored/ALIC1/X/notes.txt", "mine");
    let output = verify(&work).run().expect_code(3);
    assert!(output.stderr.contains(FIRST) && output.stderr.contains("it was changed"), "{}", output.stderr);
    assert!(output.stderr.contains("notes.txt: it is no object of livecosmos"), "{}", output.stderr);
    assert!(output.stderr.contains("hint: "), "{}", output.stderr);
    assert_eq!(findings(&json(&verify(&work), 3)), [("foreign", FIRST), ("foreign", "ALIC1/X/notes.txt")]);
}

#[test]
fn nothing_is_changed_by_looking() {
    let work = folder();
    let _ = once(&work).run().expect_code(0);
    let before = support::objects::in_folder(work.folder());
    let _ = verify(&work).run().expect_code(0);
    assert_eq!(support::objects::in_folder(work.folder()), before);
}

#[test]
fn a_folder_that_is_not_there_has_no_objects_and_is_not_made() {
    let work = folder();
    let output = verify(&work).run().expect_code(0);
    assert!(output.stderr.contains("table LEVEL1_X has no objects in file://"), "{}", output.stderr);
    assert!(!work.path("stored").exists());
}

#[test]
fn in_a_bucket_damage_and_a_missing_object_are_found() {
    let server = s3s::start();
    let sink = format!(
        "[sink]\nurl = \"s3://{}/raw\"\n[sink.s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\npath_style = true\n",
        server.bucket(),
        server.endpoint()
    );
    let work = workdir(&config(&sink));
    work.write("rows.csv", rows());
    let _ = once(&work).credentials(&server).run().expect_code(0);
    let run = verify(&work).credentials(&server);
    assert_eq!(findings(&json(&run, 0)), []);

    // The server's own files: a byte of one object rots, another object is gone.
    let stored = server.folder().join("objects").join(server.bucket()).join("raw");
    let rotten = stored.join(FIRST);
    let mut bytes = std::fs::read(&rotten).expect("an object");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    overwrite(&rotten, &bytes);
    std::fs::remove_file(stored.join("ALIC1/X/00000000000000000001.json.gz")).expect("an object");
    let found = json(&run, 3);
    assert_eq!(findings(&found), [("damaged", FIRST), ("missing", "ALIC1/X/00000000000000000002.json.gz")]);
}

#[expect(clippy::disallowed_methods, reason = "damage is not durable either")]
fn overwrite(path: &std::path::Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("an object that can be damaged");
}

#[test]
fn a_sink_that_is_away_is_no_finding() {
    let address = support::process::free_address();
    let sink = format!(
        "[sink]\nurl = \"s3://b\"\n[sink.s3]\nendpoint = \"http://{address}\"\nregion = \"us-east-1\"\n"
    );
    let work = workdir(&config(&sink));
    let run = verify(&work).env("AWS_ACCESS_KEY_ID", "k").env("AWS_SECRET_ACCESS_KEY", "s");
    let output = run.run().expect_code(69);
    assert!(output.stderr.contains("nothing listens there"), "{}", output.stderr);
}

#[test]
fn a_missing_object_is_no_finding_once_a_repair_holds_its_rows() {
    let work = folder();
    let _ = once(&work).run().expect_code(0);
    let gone = "ALIC1/X/00000000000000000001.json.gz";
    std::fs::remove_file(work.path(&format!("stored/{gone}"))).expect("an object");
    let next = "ALIC1/X/00000000000000000002.json.gz";
    assert_eq!(findings(&json(&verify(&work), 3)), [("missing", next)]);
    // Rows of another span do not stand for it.
    work.append("rows.csv", "BICK1,2025-01-01T00:12:00,1\n");
    let reconcile = |code| {
        let run = Livecosmos::new(work.folder()).arg("reconcile").arg(work.config()).table(TABLE);
        run.arg("--state-dir").arg(work.state_dir()).arg("--repair").arg("--yes").run().expect_code(code)
    };
    let _ = reconcile(0);
    let found = json(&verify(&work), 0);
    assert_eq!(findings(&found), []);
    assert_eq!(found["tables"][0]["rows"], 37);
    assert_eq!(found["tables"][0]["mended"][0]["key"], next);
    let said = verify(&work).run().expect_code(0).stderr;
    assert!(said.starts_with("note: ") && said.contains("object 1 before it is not there"), "{said}");
    assert!(said.contains("a repair holds rows of that span"), "{said}");

    // Of the two spans that are missing now, the repair holds one.
    work.append(
        "rows.csv",
        (30..50).fold(String::new(), |all, minute| all + &format!("ALIC1,2025-01-01T00:{minute}:00,0.10\n")),
    );
    let _ = once(&work).run().expect_code(0);
    std::fs::remove_file(work.path("stored/ALIC1/X/00000000000000000003.json.gz")).expect("an object");
    let last = "ALIC1/X/00000000000000000004.json.gz";
    assert_eq!(findings(&json(&verify(&work), 3)), [("missing", last)]);
}

/// The live chain jumps behind its first full object to just before the newest row.
#[test]
fn a_catch_up_that_is_done_is_not_said_to_be_under_way() {
    for (rows, format) in [(10, "cr1000x"), (11, "cr1000x"), (11, "ndjson"), (14, "cr1000x")] {
        let files = config("[sink]\nurl = \"file://./stored\"");
        let table =
            files.replace("kind = \"csv\"\npath = \"rows.csv\"", "kind = \"sqlite\"\npath = \"rows.sqlite\"");
        let work = workdir(&table.replace("cr1000x", format));
        let database = rusqlite::Connection::open(work.path("rows.sqlite")).expect("a database");
        let create = format!(
            "CREATE TABLE {TABLE} (SITE_ID TEXT, DATE_TIME TEXT, TA REAL); CREATE INDEX I ON {TABLE} (SITE_ID, DATE_TIME)"
        );
        database.execute_batch(&create).expect("a table");
        for minute in 0..rows {
            let time = format!("2025-01-01T00:{minute:02}:00");
            let insert = format!("INSERT INTO {TABLE} VALUES ('ALIC1', ?1, 0.1)");
            database.execute(&insert, [time]).expect("a row");
        }
        let _ = once(&work).run().expect_code(0);
        let with_state = verify(&work).arg("--state-dir").arg(work.state_dir());
        let said = with_state.run().expect_code(0);
        assert_eq!(said.stderr, "", "{rows} rows");
        let found = json(&with_state, 0);
        assert_eq!(found["tables"][0]["rows"], rows);
        let holes = found["tables"][0]["holes"].as_array().expect("holes");
        assert!(holes.iter().all(|hole| hole["done"] == true), "{found}");
        // Without a state the sink knows of the end of this fill alone: it has an object, even without rows.
        let _ = verify(&work).run().expect_code(0);
        std::fs::remove_dir_all(work.state_dir()).expect("a state that is lost");
        let _ = once(&work).run().expect_code(0);
        assert_eq!(json(&with_state, 0)["tables"][0]["rows"], rows);
    }
}
