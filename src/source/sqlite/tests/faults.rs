//! What is wrong is named, with what to do, and nothing that is read becomes SQL.

use super::*;

fn refused(database: &Database, shape: TableShape) -> String {
    match database.open(shape) {
        Err(SourceError::Config(message)) => {
            message.replace(&database.path().display().to_string(), "data.db")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_table_or_column_is_named_with_the_one_that_was_meant() {
    let database = Database::usual();
    let table = |name| TableShape { table: TableName::parse(name).unwrap(), ..shape() };
    assert_eq!(
        refused(&database, table("MEAT")),
        "data.db: the database has no table MEAT; did you mean MET?; it has MET"
    );
    assert_eq!(
        refused(&database, table("OTHER.MET")),
        "data.db: table OTHER.MET: an SQLite database has no schema OTHER; leave it out"
    );
    assert_eq!(
        refused(&database, TableShape { time_column: "DATETIME".to_owned(), ..shape() }),
        "data.db: table MET has no column 'DATETIME' for time_column; did you mean DATE_TIME?; it has ID, SITE_ID, DATE_TIME, TA"
    );
    let tie = refused(&database, TableShape { tie_column: Some("SEQUENCE".to_owned()), ..shape() });
    assert!(tie.contains("no column 'SEQUENCE' for tie_column; it has ID"), "{tie}");
    assert!(database.open(table("main.met")).is_ok(), "names are SQLite's: in any case");
}

#[test]
fn a_missing_database_is_a_mistake_at_first_and_waited_for_later() {
    let database = Database::usual();
    let mut source = database.open(shape()).unwrap();
    for file in ["data.db", "data.db-wal", "data.db-shm"] {
        std::fs::remove_file(database.folder.path().join(file)).unwrap();
    }
    assert!(refused(&database, shape()).starts_with("no database at data.db; set `path`"));
    let error = source.pass(&start(), &mut Recorder::default()).unwrap_err();
    assert!(
        matches!(error, SourceError::Unavailable(ref message) if message.contains("put it back")),
        "{error}"
    );
}

#[test]
fn a_database_that_was_replaced_is_opened_anew() {
    let database = Database::usual();
    database.insert("A", "2025-01-01 00:00");
    let (mut source, mut recorder) = (database.open(shape()).unwrap(), Recorder::default());
    source.pass(&start(), &mut recorder).unwrap();
    let other = Database::usual();
    other.insert("A", "2025-01-01 00:00");
    other.insert("A", "2025-01-01 00:30");
    other.run("PRAGMA journal_mode = delete");
    std::fs::remove_file(database.path()).unwrap();
    std::fs::copy(other.path(), database.path()).unwrap();
    for file in ["data.db-wal", "data.db-shm"] {
        std::fs::remove_file(database.folder.path().join(file)).unwrap();
    }
    recorder.take();
    source.pass(&start(), &mut recorder).unwrap();
    assert_eq!(recorder.take(), ["A 2025-01-01T00:30:00Z"]);
}

#[test]
fn a_damaged_database_is_named_and_the_source_recovers_when_it_is_mended() {
    let database = Database::usual();
    database.insert("A", "2025-01-01 00:00");
    database.run("PRAGMA journal_mode = delete");
    let mut source = database.open(shape()).unwrap();
    let whole = std::fs::read(database.path()).unwrap();
    let mut torn = whole.clone();
    torn[..4_096].fill(b'x');
    overwrite(&database, &torn);
    let error = source.pass(&start(), &mut Recorder::default()).unwrap_err();
    let SourceError::Unavailable(message) = error else { panic!("{error:?}") };
    assert!(
        message.contains("data.db is damaged or no SQLite database") && message.contains("integrity_check"),
        "{message}"
    );
    overwrite(&database, &whole);
    let mut recorder = Recorder::default();
    source.pass(&start(), &mut recorder).unwrap();
    assert_eq!(recorder.take(), ["A 2025-01-01T00:00:00Z"]);
}

#[expect(clippy::disallowed_methods, reason = "a test damages the file in place")]
fn overwrite(database: &Database, bytes: &[u8]) {
    std::fs::write(database.path(), bytes).unwrap();
}

#[test]
fn a_locked_database_is_unavailable_and_read_when_it_is_free() {
    let database = Database::usual();
    database.insert("A", "2025-01-01 00:00");
    database.run("PRAGMA journal_mode = delete");
    let mut source = database.open(shape()).unwrap();
    database.run("BEGIN EXCLUSIVE");
    let mut recorder = Recorder::default();
    let error = source.pass(&start(), &mut recorder).unwrap_err();
    assert!(
        matches!(error, SourceError::Unavailable(ref message) if message.contains("is locked")),
        "{error}"
    );
    database.run("COMMIT");
    source.pass(&start(), &mut recorder).unwrap();
    assert_eq!(recorder.take().len(), 1);
}

#[test]
fn nothing_in_a_name_or_a_value_becomes_sql() {
    let database = Database::new(
        r#"CREATE TABLE MET ("si""te'; DROP TABLE MET;--" TEXT, "time "" OR 1=1" TEXT, "r.x); DELETE" REAL, rowid TEXT);
           CREATE INDEX "i"" ;--" ON MET ("si""te'; DROP TABLE MET;--", "time "" OR 1=1");"#,
    );
    let mut values = database.writer.prepare("INSERT INTO MET VALUES (?1, ?2, 1.5, 'x')").unwrap();
    for hostile in ["A", "'; DROP TABLE MET;--", "\" OR 1=1 --", "A' UNION SELECT 1 --"] {
        values.execute([hostile, "2025-01-01 00:00"]).unwrap();
    }
    values.execute(["A", "2025-01-01 00:30'); DROP TABLE MET;--"]).unwrap();
    drop(values);
    let shape = TableShape {
        site: SiteRule::Column("si\"te'; DROP TABLE MET;--".to_owned()),
        time_column: "time \" OR 1=1".to_owned(),
        ..shape()
    };
    let mut recorder = Recorder::default();
    read(&database, shape.clone(), &mut recorder);
    assert_eq!(recorder.take(), ["A 2025-01-01T00:00:00Z"]);
    assert_eq!(recorder.rejects.len(), 4);
    let rows: i64 = database.writer.query_row("SELECT count(*) FROM MET", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 5);
    let hostile = TableShape { time_column: "DATE_TIME\" FROM MET; DROP TABLE MET;--".to_owned(), ..shape };
    assert!(refused(&database, hostile).contains("has no column 'DATE_TIME\" FROM MET; DROP TABLE MET;--'"));
}

#[test]
fn a_column_that_disappears_is_named_and_no_text_takes_its_place() {
    let database = Database::usual();
    database.insert("A", "2025-01-01 00:00");
    let mut source = database.open(shape()).unwrap();
    database.run("ALTER TABLE MET RENAME COLUMN DATE_TIME TO STAMP");
    let error = source.pass(&start(), &mut Recorder::default()).unwrap_err();
    assert!(
        matches!(error, SourceError::Config(ref message) if message.contains("'DATE_TIME' for time_column")),
        "{error}"
    );
}

#[test]
fn a_form_of_times_that_does_not_sort_is_refused_at_once() {
    let time = TimeReader::new(
        jiff::tz::TimeZone::UTC,
        crate::source::Fold::Earlier,
        Some("%d/%m/%Y %H:%M".to_owned()),
    );
    let message = refused(&Database::usual(), TableShape { time, ..shape() });
    assert!(message.contains("time_format") && message.contains("year-month-day"), "{message}");
}

/// 1,500 rows of site A, their times and values given as SQL of `i`.
fn many(database: &Database, time: &str, value: &str) {
    database.run(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1499)
         INSERT INTO MET (SITE_ID, DATE_TIME, TA) SELECT 'A', {time}, {value} FROM n"
    ));
}

const SECONDS: &str = "strftime('%Y-%m-%d %H:%M:%S', '2025-01-01', i || ' seconds')";
const NO_TIMES: &str = "printf('2025-01-99 %04d', i)";

#[test]
fn however_many_due_rows_cannot_be_sent_each_is_rejected_before_the_cursor_passes_it() {
    for (time, value) in [(SECONDS, "CAST(x'ff' AS TEXT)"), (NO_TIMES, "1.5")] {
        for index in ["", "DROP INDEX MET_SITE_TIME"] {
            let database = Database::usual();
            database.run(index);
            many(&database, time, value);
            database.insert("A", "2025-06-01 00:00");
            let mut recorder = Recorder::default();
            read(&database, shape(), &mut recorder);
            assert_eq!(recorder.take(), ["A 2025-06-01T00:00:00Z"]);
            let rejected: BTreeSet<_> = recorder.rejects.iter().map(|reject| &reject.identity).collect();
            assert_eq!(rejected.len(), 1_500, "{time}, {value}, {index}");
        }
    }
}

#[test]
fn rows_without_a_time_are_shown_up_to_a_limit_and_met_again_when_those_are_mended() {
    for index in ["", "DROP INDEX MET_SITE_TIME"] {
        let database = Database::usual();
        database.run(index);
        many(&database, "NULL", "1.5");
        database.insert("A", "2025-06-01 00:00");
        let (mut source, mut recorder) = (database.open(shape()).unwrap(), Recorder::default());
        let pass = source.pass(&start(), &mut recorder).unwrap();
        assert_eq!((recorder.take().len(), recorder.rejects.len()), (1, 1_000), "{index}");
        let notice = "more than 1000 rows of table MET have no time or no site";
        assert!(pass.notices.iter().any(|said| said.contains(notice)), "{:?}", pass.notices);

        let shown: Vec<_> = std::mem::take(&mut recorder.rejects);
        database.run("DELETE FROM MET WHERE ID IN (SELECT ID FROM MET WHERE DATE_TIME IS NULL LIMIT 1000)");
        source.pass(&start(), &mut recorder).unwrap();
        let new = recorder.rejects.iter().filter(|reject| !shown.contains(reject)).count();
        assert_eq!((recorder.rejects.len(), new), (500, 500), "{index}");
    }
}
