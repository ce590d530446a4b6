//! What a pass costs: by which index `SQLite` looks, and that it sorts nothing it need not sort.

use super::catalogue::{Lookup, Table};
use super::sql::Statements;
use super::*;

fn plan(database: &Database, statement: &str) -> String {
    let statement = statement.replace("?1", "1");
    let mut statement = database.writer.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
    steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

fn table(database: &Database, shape: &TableShape) -> Table {
    Table::find(&database.writer, shape).ok().unwrap()
}

#[test]
fn with_an_index_on_site_and_time_each_statement_seeks_and_none_sorts() {
    let database = Database::usual();
    database.run(sql::TEMPORARY_TABLES);
    let table = table(&database, &TableShape { tie_column: Some("ID".to_owned()), ..shape() });
    let statements = Statements::new(&table, false);
    assert_eq!(
        plan(&database, &statements.survey()),
        "SCAN d; SEARCH r USING COVERING INDEX MET_SITE_TIME (SITE_ID=? AND DATE_TIME>?)"
    );
    assert_eq!(
        plan(&database, &statements.rows(true)),
        "SCAN d; SEARCH r USING INDEX MET_SITE_TIME (SITE_ID=? AND DATE_TIME>?)"
    );
    assert!(
        plan(&database, &statements.timeless())
            .ends_with("SEARCH r USING INDEX MET_SITE_TIME (SITE_ID=? AND DATE_TIME=?)")
    );
    assert!(
        plan(&database, &statements.siteless().unwrap())
            .ends_with("SEARCH r USING INDEX MET_SITE_TIME (SITE_ID=?)")
    );
    let sites = plan(&database, &statements.sites());
    assert!(
        sites.contains("SEARCH r USING COVERING INDEX MET_SITE_TIME (SITE_ID>?)")
            && !sites.contains("TEMP B-TREE"),
        "{sites}"
    );
}

#[test]
fn an_index_is_used_only_where_it_holds_every_row_and_tells_texts_apart() {
    for (index, expected) in [
        ("CREATE INDEX I ON MET (SITE_ID, DATE_TIME DESC, TA)", Lookup::Index("I".to_owned())),
        ("CREATE INDEX \"odd \"\"name\" ON MET (SITE_ID, DATE_TIME)", Lookup::Index("odd \"name".to_owned())),
        ("CREATE INDEX I ON MET (DATE_TIME, SITE_ID)", Lookup::Scan),
        ("CREATE INDEX I ON MET (SITE_ID)", Lookup::Scan),
        ("CREATE INDEX I ON MET (SITE_ID, DATE_TIME) WHERE TA > 0", Lookup::Scan),
        ("CREATE INDEX I ON MET (SITE_ID COLLATE NOCASE, DATE_TIME)", Lookup::Scan),
        ("CREATE INDEX I ON MET (lower(SITE_ID), DATE_TIME)", Lookup::Scan),
    ] {
        let database = Database::usual();
        database.run(&format!("DROP INDEX MET_SITE_TIME; {index};"));
        assert_eq!(table(&database, &shape()).lookup, expected, "{index}");
        database.insert("a", "2025-01-01 00:00");
        database.insert("A", "2025-01-01 00:00");
        let mut recorder = Recorder::default();
        read(&database, shape(), &mut recorder);
        assert_eq!(recorder.take().len(), 2, "{index}");
    }
}

#[test]
fn a_table_without_its_index_is_read_whole_and_says_which_index_to_make() {
    let database = Database::usual();
    database.run("DROP INDEX MET_SITE_TIME");
    let pass = read(&database, shape(), &mut Recorder::default());
    let advice = "CREATE INDEX livecosmos ON \"MET\" (\"SITE_ID\", \"DATE_TIME\")";
    assert!(pass.notices[0].ends_with(advice), "{:?}", pass.notices);
    database.run(advice);
    assert_eq!(read(&database, shape(), &mut Recorder::default()).notices, Vec::<String>::new());
}

#[test]
fn only_new_rows_are_read_of_a_long_table() {
    let database = Database::usual();
    database.run(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999)
         INSERT INTO MET (SITE_ID, DATE_TIME) SELECT 'S' || (i % 5), datetime(1700000000 + 600 * i, 'unixepoch') FROM n",
    );
    let (mut source, mut recorder) = (database.open(shape()).unwrap(), Recorder::default());
    source.pass(&start(), &mut recorder).unwrap();
    database.insert("S3", "2025-12-01 00:00:00");
    assert_eq!(source.pass(&start(), &mut recorder).unwrap().rows_read, 1);
}
