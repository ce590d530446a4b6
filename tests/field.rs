//! Rules learnt from what went wrong in other tools, where no other test is their proof;
//! `tests/README.md` lists them all.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;
use support::daemon::{Workdir, workdir};
use support::objects;

fn config(database: &str) -> String {
    format!(
        "[source]\nkind = \"sqlite\"\npath = \"{database}\"\nid = \"station\"\ntime_unit = \"ms\"\n\
         [sink]\nurl = \"file://./stored\"\n[upload]\nformat = \"ndjson\"\n[poll]\nfallback = \"all\"\n\
         [tables.T]\nsite_column = \"SITE\"\ntime_column = \"TIME\"\ntie_column = \"ID\"\n"
    )
}

/// Adds rows `(ID, TIME in milliseconds, N)` of one site.
fn add(workdir: &Workdir, rows: &[(i64, i64, u32)]) {
    let database = Connection::open(workdir.path("rows.sqlite")).expect("a database");
    database
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS T (ID INTEGER PRIMARY KEY, SITE TEXT, TIME INTEGER, N INTEGER)",
        )
        .expect("a table");
    for (id, time_ms, number) in rows {
        database.execute("INSERT INTO T VALUES (?1, 'A', ?2, ?3)", (id, time_ms, number)).expect("a row");
    }
}

/// Runs once; the numbers of all rows that are stored then, sorted.
fn stored_after_a_run(workdir: &Workdir) -> Vec<u32> {
    let _ = workdir.livecosmos().table("T").arg("--once").run().expect_code(0);
    let rows = objects::rows(&objects::in_folder(&workdir.path("stored")));
    let mut numbers: Vec<u32> = rows.iter().map(|row| row.text("N").parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_cursor_of_zero_is_a_position_and_no_first_run() {
    let workdir = workdir(&config("rows.sqlite"));
    add(&workdir, &[(0, 0, 0)]);
    assert_eq!(stored_after_a_run(&workdir), [0]);
    assert_eq!(stored_after_a_run(&workdir), [0], "not read from the beginning again");
    add(&workdir, &[(1, 0, 1), (2, 1, 2)]);
    assert_eq!(stored_after_a_run(&workdir), [0, 1, 2]);
}

#[test]
fn rows_of_one_second_are_told_apart_by_the_next_run() {
    let workdir = workdir(&config("rows.sqlite"));
    add(&workdir, &[(1, 1_700_000_000_001, 1), (2, 1_700_000_000_002, 2)]);
    assert_eq!(stored_after_a_run(&workdir), [1, 2]);
    add(&workdir, &[(3, 1_700_000_000_003, 3), (4, 1_700_000_000_999, 4)]);
    assert_eq!(stored_after_a_run(&workdir), [1, 2, 3, 4]);
}

#[test]
fn a_source_with_a_name_goes_on_where_it_was_when_its_address_changes() {
    let workdir = workdir(&config("rows.sqlite"));
    add(&workdir, &[(1, 1_700_000_000_001, 1)]);
    assert_eq!(stored_after_a_run(&workdir), [1]);
    std::fs::create_dir(workdir.path("elsewhere")).expect("a folder");
    std::fs::copy(workdir.path("rows.sqlite"), workdir.path("elsewhere/moved.sqlite")).expect("a copy");
    workdir.write("livecosmos.toml", config("elsewhere/moved.sqlite"));
    assert_eq!(stored_after_a_run(&workdir), [1]);
}

/// The name of each test in the table: in backquotes, its last part behind `::`.
fn named_tests(page: &str) -> BTreeSet<&str> {
    let (_, table) = page.split_once("## Rules from the field").expect("the page has the table");
    let names = table.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.rsplit_once("::"));
    names.map(|(_, name)| name).collect()
}

fn sources_below(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources_below(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).expect("a source file"));
        }
    }
}

#[test]
fn every_test_that_the_table_of_rules_names_is_there() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(project.join("tests/README.md")).expect("the page of the tests");
    let mut sources = String::new();
    for folder in ["src", "state", "tests"] {
        sources_below(&project.join(folder), &mut sources);
    }
    let named = named_tests(&page);
    assert!(named.len() > 30, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "tests that are named and not there: {missing:?}");
}
