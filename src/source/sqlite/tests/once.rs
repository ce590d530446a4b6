//! Every row, once, in order.

use livecosmos_state::Tie;
use proptest::prelude::*;

use super::*;

#[test]
fn rows_come_site_by_site_in_the_order_of_their_times_and_only_once() {
    let database = Database::usual();
    for (site, time) in
        [("B", "2025-01-01T00:30:00"), ("A", "2025-01-01T01:00:00"), ("A", "2025-01-01T00:30:00")]
    {
        database.insert(site, time);
    }
    let (mut source, mut recorder) = (database.open(shape()).unwrap(), Recorder::default());
    let pass = source.pass(&start(), &mut recorder).unwrap();
    assert_eq!(
        recorder.take(),
        ["A 2025-01-01T00:30:00Z", "A 2025-01-01T01:00:00Z", "B 2025-01-01T00:30:00Z"]
    );
    assert_eq!((pass.rows_read, pass.notices), (3, Vec::new()));

    database.insert("C", "2025-01-01T00:00:00");
    database.insert("A", "2025-01-01T01:30:00");
    source.pass(&start(), &mut recorder).unwrap();
    assert_eq!(recorder.take(), ["A 2025-01-01T01:30:00Z", "C 2025-01-01T00:00:00Z"]);
}

#[test]
fn a_pass_after_nothing_was_written_reads_nothing() {
    let database = Database::usual();
    database.insert("A", "2025-01-01T00:30:00");
    let (mut source, mut recorder) = (database.open(shape()).unwrap(), Recorder::default());
    source.pass(&start(), &mut recorder).unwrap();
    recorder.cursors.clear();
    assert_eq!(source.pass(&start(), &mut recorder).unwrap(), Pass::default());
    let behind = Start { behind: true, ..start() };
    assert_eq!(source.pass(&behind, &mut recorder).unwrap().rows_read, 1);
}

#[test]
fn a_paused_site_is_passed_over_and_read_in_the_next_pass() {
    let database = Database::usual();
    database.insert("A", "2025-01-01T00:30:00");
    database.insert("B", "2025-01-01T00:30:00");
    let (mut source, mut recorder) = (database.open(shape()).unwrap(), Recorder::default());
    recorder.paused.insert(site("A"));
    source.pass(&start(), &mut recorder).unwrap();
    assert_eq!(recorder.take(), ["B 2025-01-01T00:30:00Z"]);
    recorder.paused.clear();
    source.pass(&start(), &mut recorder).unwrap();
    assert_eq!(recorder.take(), ["A 2025-01-01T00:30:00Z"]);
}

#[test]
fn only_the_sites_that_are_wanted_are_read() {
    for schema_end in ["", "DROP INDEX MET_SITE_TIME;"] {
        let database = Database::usual();
        database.run(schema_end);
        for name in ["A", "B", "C"] {
            database.insert(name, "2025-01-01T00:30:00");
        }
        let (mut recorder, mut shape) = (Recorder::default(), shape());
        shape.sites = Some([site("A"), site("B")].into());
        let start = Start { only: Some([site("B"), site("C")].into()), known: [site("A")].into(), ..start() };
        database.open(shape).unwrap().pass(&start, &mut recorder).unwrap();
        assert_eq!(recorder.take(), ["B 2025-01-01T00:30:00Z"], "{schema_end}");
    }
}

#[test]
fn rows_up_to_the_floor_are_not_due_where_nothing_is_stored_yet() {
    let database = Database::usual();
    for time in ["2025-01-01T00:30:00", "2025-01-02 00:00:00", "2025-01-02T00:00:01"] {
        database.insert("A", time);
    }
    let mut recorder =
        Recorder { floor: Some("2025-01-02T00:00:00Z".parse().unwrap()), ..Recorder::default() };
    read(&database, shape(), &mut recorder);
    assert_eq!(recorder.take(), ["A 2025-01-02T00:00:01Z"]);
}

#[test]
fn a_group_of_equal_times_is_never_cut_without_a_tie() {
    let database = Database::usual();
    for time in ["00:00", "00:30", "00:30", "00:30", "01:00"] {
        database.insert("A", &format!("2025-01-01T{time}:00"));
    }
    let (mut recorder, mut shape) = (Recorder::default(), shape());
    shape.limits.batch_rows_max = 2;
    read(&database, shape, &mut recorder);
    let sizes: Vec<usize> = recorder.batches.iter().map(|batch| batch.rows.len()).collect();
    assert_eq!(sizes, [4, 1]);
}

#[test]
fn a_tie_column_lets_a_group_of_equal_times_be_cut_and_found_again() {
    for (declared, values) in [("INTEGER", ["-5", "7", "30"]), ("TEXT", ["'Z'", "'a b'", "'é'"])] {
        let database = Database::new(&format!(
            "CREATE TABLE MET (SITE_ID TEXT, DATE_TIME TEXT, TIE {declared});
             CREATE INDEX MET_SITE_TIME ON MET (SITE_ID, DATE_TIME);"
        ));
        for value in [values[2], values[0], values[1]] {
            database.run(&format!("INSERT INTO MET VALUES ('A', '2025-01-01 00:00', {value})"));
        }
        let shape = TableShape {
            tie_column: Some("tie".to_owned()),
            limits: Limits { batch_rows_max: 1, ..shape().limits },
            ..shape()
        };
        let mut recorder = Recorder::default();
        let expected = values.map(|value| value.trim_matches('\'').to_owned());
        for (at, value) in expected.iter().enumerate() {
            recorder.batches_left = Some(1);
            let outcome = database.open(shape.clone()).unwrap().pass(&start(), &mut recorder);
            assert_eq!(outcome.is_err(), at < 2, "stopped after one batch");
            assert_eq!(recorder.column("TIE").last().unwrap().1, *value);
        }
        recorder.batches_left = None;
        read(&database, shape, &mut recorder);
        assert_eq!(recorder.batches.len(), 3, "{declared}");
    }
}

#[test]
fn a_position_between_tied_rows_asks_for_the_tie_column_it_was_made_with() {
    let database = Database::usual();
    database.insert("A", "2025-01-01T00:30:00");
    let mut recorder = Recorder::default();
    let cursor = Cursor::Row { time: "2025-01-01T00:30:00Z".parse().unwrap(), tie: Tie::Integer(1) };
    recorder.cursors.insert(site("A"), cursor);
    let message = database.open(shape()).unwrap().pass(&start(), &mut recorder).unwrap_err().to_string();
    assert!(
        message.contains("site A stands at row:2025-01-01T00:30:00Z:i:1")
            && message.contains("set tie_column"),
        "{message}"
    );
}

#[test]
fn future_rows_are_held_back_counted_and_come_when_their_time_has_come() {
    for schema_end in ["", "DROP INDEX MET_SITE_TIME;"] {
        let database = Database::usual();
        database.run(schema_end);
        for time in
            ["2027-01-01T00:00:00", "2025-01-01T00:30:00", "2026-01-01T01:00:00", "2026-01-01T01:00:01"]
        {
            database.insert("A", time);
        }
        database.insert("B", "2025-01-01T00:30:00");
        let (mut source, mut recorder) = (database.open(shape()).unwrap(), Recorder::default());
        let pass = source.pass(&start(), &mut recorder).unwrap();
        let mut came = recorder.take();
        came.sort();
        assert_eq!(came, ["A 2025-01-01T00:30:00Z", "A 2026-01-01T01:00:00Z", "B 2025-01-01T00:30:00Z"]);
        assert_eq!((pass.future_rows, recorder.rejects.len()), (2, 0));

        let later = Start { now: "2027-01-01T00:00:00Z".parse().unwrap(), ..start() };
        assert_eq!(source.pass(&later, &mut recorder).unwrap().future_rows, 0);
        assert_eq!(recorder.take(), ["A 2026-01-01T01:00:01Z", "A 2027-01-01T00:00:00Z"]);
    }
}

#[test]
fn times_spelled_in_several_ways_come_in_the_order_of_their_instants() {
    let database = Database::usual();
    let written = [
        "2025-01-01T00:00:00Z",
        "2025-01-01T00:00:00.5Z",
        "2025-01-01 23:00:00",
        "2025-01-01T22:00:00",
        "2025-01-02T09:30:00+10:00",
        "2025-01-01T12:00:00-12:00",
    ];
    for time in written {
        database.insert("A", time);
    }
    let mut recorder = Recorder::default();
    let pass = read(&database, shape(), &mut recorder);
    let expected = ["00:00:00", "00:00:00.500", "22:00:00", "23:00:00", "23:30:00"]
        .map(|clock| format!("A 2025-01-01T{clock}Z"));
    assert_eq!(recorder.take(), [&expected[..], &["A 2025-01-02T00:00:00Z".to_owned()]].concat());
    assert!(pass.notices[0].contains("sorted"), "{:?}", pass.notices);

    database.insert("A", "2025-01-02T13:00:00+14:00");
    database.insert("A", "2025-01-02 00:00:01");
    database.insert("A", "2025-01-01T12:00:02-12:00");
    read(&database, shape(), &mut recorder);
    assert_eq!(
        recorder.take(),
        ["A 2025-01-02T00:00:01Z", "A 2025-01-02T00:00:02Z"],
        "and no row before the position"
    );
}

#[test]
fn rows_that_are_committed_during_a_pass_come_with_the_next() {
    let database = Database::usual();
    for minute in 0..60 {
        database.insert("A", &format!("2025-01-01T00:{minute:02}:00"));
    }
    let shape = TableShape { limits: Limits { batch_rows_max: 10, ..shape().limits }, ..shape() };
    let (mut source, mut recorder) = (database.open(shape).unwrap(), Recorder::default());
    let (writer, mut second) = (Connection::open(database.path()).unwrap(), 0);
    recorder.while_sent = Some(Box::new(move || {
        second += 1;
        let time = format!("2025-01-01T00:59:{second:02}");
        let values = [&time, "2025-01-01T00:00:00"];
        writer.execute("INSERT INTO MET (SITE_ID, DATE_TIME) VALUES ('A', ?1), ('NEW', ?2)", values).unwrap();
    }));
    source.pass(&start(), &mut recorder).unwrap();
    assert_eq!(recorder.take().len(), 60);
    recorder.while_sent = None;
    source.pass(&start(), &mut recorder).unwrap();
    let came = recorder.take();
    assert_eq!(came.len(), 12);
    assert_eq!(came[0], "A 2025-01-01T00:59:01Z");
    assert_eq!(came[6], "NEW 2025-01-01T00:00:00Z");
}

#[test]
fn a_pass_sees_the_database_as_it_was_when_the_pass_began() {
    let database = Database::usual();
    database.insert("A", "2025-01-01T00:00:00");
    let (mut source, mut recorder) = (database.open(shape()).unwrap(), Recorder::default());
    let writer = Connection::open(database.path()).unwrap();
    recorder.while_asked = Some(Box::new(move || {
        let late = "INSERT INTO MET (SITE_ID, DATE_TIME) VALUES ('A', '2025-01-01 00:00:00.5Z')";
        writer.execute(late, []).unwrap();
    }));
    source.pass(&start(), &mut recorder).unwrap();
    assert_eq!(recorder.take(), ["A 2025-01-01T00:00:00Z"]);
    recorder.while_asked = None;
    source.pass(&start(), &mut recorder).unwrap();
    assert_eq!(recorder.take(), ["A 2025-01-01T00:00:00.500Z"]);
}

#[test]
fn a_long_backlog_comes_in_small_batches() {
    let database = Database::usual();
    database.run(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
         INSERT INTO MET (SITE_ID, DATE_TIME, TA) SELECT 'S' || (i % 7), datetime(1700000000 + i, 'unixepoch'), i FROM n",
    );
    let shape = TableShape { limits: Limits { batch_rows_max: 500, ..shape().limits }, ..shape() };
    let mut recorder = Recorder::default();
    let pass = read(&database, shape, &mut recorder);
    assert_eq!(pass.rows_read, 100_000);
    assert!(recorder.batches.iter().all(|batch| batch.rows.len() <= 500));
    assert_eq!(recorder.batches.iter().map(|batch| batch.rows.len()).sum::<usize>(), 100_000);
}

/// How a table of the property test is built and read.
#[derive(Debug, Clone, Copy)]
enum Built {
    Indexed,
    Unindexed,
    Tied,
    WithoutRowId,
}

fn schema(built: Built) -> &'static str {
    match built {
        Built::Indexed | Built::Tied => {
            "CREATE TABLE MET (ID INTEGER PRIMARY KEY, SITE_ID TEXT, DATE_TIME TEXT);
             CREATE INDEX MET_SITE_TIME ON MET (SITE_ID, DATE_TIME);"
        }
        Built::Unindexed => "CREATE TABLE MET (ID INTEGER PRIMARY KEY, SITE_ID TEXT, DATE_TIME TEXT);",
        Built::WithoutRowId => {
            "CREATE TABLE MET (ID INTEGER, SITE_ID TEXT, DATE_TIME TEXT, PRIMARY KEY (SITE_ID, DATE_TIME, ID)) WITHOUT ROWID;"
        }
    }
}

fn spelled(second: i64, spelling: u8) -> String {
    let time = Time::new(1_735_689_600 + second, 0).unwrap().to_string();
    let plain = time.trim_end_matches('Z');
    match spelling {
        0 | 1 => plain.to_owned(),
        2 => plain.replace('T', " "),
        3 => time,
        _ => format!("{plain}.000+00:00"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn stopping_after_any_batch_and_starting_anew_gives_each_row_once(
        rows in prop::collection::vec((0..4_u8, 0..40_i64, 0..5_u8), 1..80),
        is_uniform in any::<bool>(),
        built in prop::sample::select(vec![Built::Indexed, Built::Unindexed, Built::Tied, Built::WithoutRowId]),
        stops in prop::collection::vec(0..4_usize, 0..12),
        batch_rows_max in 1..9_usize,
    ) {
        let database = Database::new(schema(built));
        for (id, (site, second, spelling)) in rows.iter().enumerate() {
            let time = spelled(*second, if is_uniform { 0 } else { *spelling });
            let values = (i64::try_from(id).unwrap(), format!("S{site}"), time);
            database.writer.execute("INSERT INTO MET (ID, SITE_ID, DATE_TIME) VALUES (?1, ?2, ?3)", values).unwrap();
        }
        let mut shape = shape();
        shape.limits.batch_rows_max = batch_rows_max;
        shape.tie_column = matches!(built, Built::Tied).then(|| "ID".to_owned());
        let mut recorder = Recorder::default();
        for stop in stops {
            recorder.batches_left = Some(stop);
            let known = recorder.cursors.keys().cloned().collect();
            let _ = database.open(shape.clone()).unwrap().pass(&Start { known, ..start() }, &mut recorder);
        }
        recorder.batches_left = None;
        let known = recorder.cursors.keys().cloned().collect();
        database.open(shape).unwrap().pass(&Start { known, ..start() }, &mut recorder).unwrap();
        let mut ids: Vec<usize> = recorder.column("ID").iter().map(|(_, id)| id.parse().unwrap()).collect();
        ids.sort_unstable();
        prop_assert_eq!(ids, (0..rows.len()).collect::<Vec<_>>());
        prop_assert_eq!(recorder.rejects.len(), 0);
    }
}

#[test]
fn rows_that_have_not_settled_come_when_they_have_though_the_table_rests() {
    let database = Database::usual();
    for time in ["2025-01-01T00:00:00", "2025-12-31T23:59:30"] {
        database.insert("A", time);
    }
    let shape = TableShape { settle_s: 60, ..shape() };
    let (mut source, mut recorder) = (database.open(shape).unwrap(), Recorder::default());
    let at = |now: &str| Start { now: now.parse().unwrap(), ..start() };
    source.pass(&at("2026-01-01T00:00:00Z"), &mut recorder).unwrap();
    assert_eq!(recorder.take(), ["A 2025-01-01T00:00:00Z"]);
    source.pass(&at("2026-01-01T00:00:31Z"), &mut recorder).unwrap();
    assert_eq!(recorder.take(), ["A 2025-12-31T23:59:30Z"]);
}
