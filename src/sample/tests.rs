use std::collections::BTreeSet;
use std::path::Path;

use super::*;

const COMMITTED: Sample = Sample { sites: 3, rows_per_site: 96, seed: 1 };

fn csv(sample: Sample) -> String {
    let mut out = Vec::new();
    sample.write_csv(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn toa5(rows_per_site: u32) -> Vec<String> {
    let mut out = Vec::new();
    Sample { sites: 1, rows_per_site, seed: 7 }.write_toa5(&mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_committed_sample_is_what_the_generator_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/LEVEL1_SOILMET_30MIN.csv");
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == csv(COMMITTED),
        "{} differs; make it anew with 'cargo run --release --example generate -- --sites 3 --rows 96 --seed 1 --format csv --output {0}'",
        path.display()
    );
    assert!(committed.len() < 300_000);
}

#[test]
fn every_row_has_149_cells_and_its_site_and_time_are_unique() {
    let text = csv(Sample { sites: 6, rows_per_site: 50, seed: 3 });
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
    assert_eq!(rows[0], COLUMNS);
    assert_eq!(rows[1][..2], ["ALIC1", "2025-01-01T00:30:00"]);
    assert_eq!(rows[6][..2], ["SITE00005", "2025-01-01T00:30:00"]);
    assert_eq!(rows[7][..2], ["ALIC1", "2025-01-01T01:00:00"]);
    let keys: BTreeSet<&[&str]> = rows[1..].iter().map(|row| &row[..2]).collect();
    assert_eq!(keys.len(), 300);
}

#[test]
fn values_are_numbers_gaps_or_nan_and_another_seed_makes_others() {
    let first = csv(Sample { sites: 2, rows_per_site: 48, seed: 3 });
    let cells = || first.lines().skip(1).flat_map(|line| line.split(',').skip(2));
    assert!(cells().all(|cell| matches!(cell, "" | "NAN") || cell.parse::<f64>().is_ok()));
    assert!(cells().any(|cell| cell == "NAN") && cells().any(|cell| cell.starts_with('-')));
    assert_ne!(first, csv(Sample { sites: 2, rows_per_site: 48, seed: 4 }));
}

#[test]
fn a_decimal_keeps_its_zeros_and_its_sign() {
    for (scaled, decimals, expected) in
        [(5, 2, "0.05"), (-5, 2, "-0.05"), (1_230, 1, "123.0"), (-7, 0, "-7"), (0, 4, "0.0000")]
    {
        let mut line = String::new();
        push_decimal(&mut line, scaled, decimals);
        assert_eq!(line, expected);
    }
}

#[test]
fn the_loggers_clock_falls_back_by_years_twice_and_repeats_70_stamps() {
    let lines = toa5(600);
    assert!(lines[0].starts_with(r#""TOA5","ALIC1""#));
    let stamps: Vec<&str> = lines[4..].iter().map(|line| line.split(',').next().unwrap()).collect();
    let falls = stamps
        .windows(2)
        .filter(|pair| pair[0][1..5].parse::<i32>().unwrap() > pair[1][1..5].parse::<i32>().unwrap() + 1);
    assert_eq!(falls.count(), 2);
    assert_eq!(stamps.len() - stamps.iter().collect::<BTreeSet<_>>().len(), 70);
    let records: BTreeSet<&str> = lines[4..].iter().map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(records.len(), 600);
    assert!(lines.iter().any(|line| line.contains("\"NAN\"")));
}

#[test]
fn the_database_holds_the_rows_of_the_csv_with_nulls_for_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.db");
    let sample = Sample { sites: 2, rows_per_site: 10, seed: 5 };
    sample.write_sqlite(&path).unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM LEVEL1_SOILMET_30MIN"), 20);
    assert_eq!(
        count("SELECT count(*) FROM LEVEL1_SOILMET_30MIN WHERE typeof(TA) NOT IN ('real', 'null')"),
        0
    );
    let gaps: usize = csv(sample)
        .lines()
        .skip(1)
        .map(|line| line.split(',').filter(|cell| matches!(*cell, "" | "NAN")).count())
        .sum();
    let nulls: Vec<String> = COLUMNS.iter().map(|name| format!("({name} IS NULL)")).collect();
    assert_eq!(
        count(&format!("SELECT sum({}) FROM LEVEL1_SOILMET_30MIN", nulls.join(" + "))),
        i64::try_from(gaps).unwrap()
    );
}
