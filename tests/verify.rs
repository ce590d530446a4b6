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
