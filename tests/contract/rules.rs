//! The rules of the contract, each as a check of one bed.

use livecosmos::source::{Bounds, SourceError};
use livecosmos_state::{Cursor, Tie, Window};

use crate::bed::{Bed, Cost, NOW_S, Row, site, time};
use crate::data;
use crate::desk::Desk;

/// Rows of three sites in turn, a second apart.
fn usual(first: i64, last: i64) -> Vec<Row> {
    (first..=last).map(|id| Row::new(["A", "B", "C"][usize::try_from(id % 3).unwrap()], id, id)).collect()
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

pub(crate) fn every_row_comes_once_in_the_order_of_its_site(bed: &mut dyn Bed) {
    let rows = usual(0, 299);
    bed.insert(&rows);
    let mut desk = Desk::default();
    let stored = desk.follow(bed.open(bed.shape()).as_mut());
    for id in ["A", "B", "C"] {
        let of_site = |rows: &[Row]| -> Vec<Row> {
            rows.iter().filter(|row| row.site.as_deref() == Some(id)).cloned().collect()
        };
        assert_eq!(of_site(&stored), of_site(&rows));
    }
    assert_eq!(stored.len(), rows.len());
}

pub(crate) fn an_idle_pass_gives_nothing(bed: &mut dyn Bed) {
    bed.insert(&usual(0, 29));
    let (mut desk, mut source) = (Desk::default(), bed.open(bed.shape()));
    assert_eq!(desk.follow(source.as_mut()).len(), 30);
    for _ in 0..3 {
        let pass = desk.try_pass(source.as_mut()).unwrap();
        assert_eq!(Cost { statements: pass.statements, rows: pass.rows_read }, bed.idle_cost());
        assert_eq!(desk.stored.len(), 30);
    }
}

pub(crate) fn a_server_is_asked_as_little_for_many_sites_as_for_few(bed: &mut dyn Bed) {
    let of_sites = |sites: i64, second: i64| -> Vec<Row> {
        (0..sites).map(|at| Row::new(&format!("S{at}"), second, second * 1_000 + at)).collect()
    };
    for sites in [3, 300] {
        let (mut desk, mut source) = (Desk::default(), bed.open(bed.shape()));
        bed.insert(&of_sites(sites, sites));
        desk.follow(source.as_mut());
        bed.insert(&of_sites(sites, sites + 1));
        let before = desk.stored.len();
        let pass = desk.try_pass(source.as_mut()).unwrap();
        assert_eq!(desk.stored.len() - before, usize::try_from(sites).unwrap());
        assert!(pass.statements <= 2, "{sites} sites: {} statements", pass.statements);
    }
}

pub(crate) fn rows_that_were_added_are_found_and_no_others(bed: &mut dyn Bed) {
    bed.insert(&usual(0, 29));
    let (mut desk, mut source) = (Desk::default(), bed.open(bed.shape()));
    desk.follow(source.as_mut());
    for round in 1..5 {
        let new = usual(round * 30, round * 30 + 29);
        bed.insert(&new);
        assert_eq!(sorted(desk.follow(source.as_mut())), sorted(new));
    }
    bed.insert(&[Row::new("D", 5, 1_000)]);
    assert_eq!(desk.follow(source.as_mut()), [Row::new("D", 5, 1_000)], "a site that appears");
}

pub(crate) fn another_source_goes_on_where_the_sites_stand(bed: &mut dyn Bed) {
    bed.insert(&usual(0, 29));
    let mut desk = Desk::default();
    desk.follow(bed.open(bed.shape()).as_mut());
    bed.insert(&usual(30, 44));
    let found = desk.follow(bed.open(bed.shape()).as_mut());
    assert_eq!(sorted(found), sorted(usual(30, 44)));
}

pub(crate) fn wherever_a_pass_is_cut_off_the_next_gives_the_rest(bed: &mut dyn Bed) {
    let rows = usual(0, 59);
    bed.insert(&rows);
    let mut shape = bed.shape();
    shape.limits.batch_rows_max = 7;
    for batches in 0..12 {
        let mut desk = Desk { batches_until_cut: Some(batches), ..Desk::default() };
        let mut source = bed.open(shape.clone());
        if desk.try_pass(source.as_mut()).is_ok() {
            continue;
        }
        desk.batches_until_cut = None;
        let mut source = if batches % 2 == 0 { source } else { bed.open(shape.clone()) };
        desk.follow(source.as_mut());
        assert_eq!(sorted(desk.stored), sorted(rows.clone()), "cut off after {batches} batches");
    }
}

pub(crate) fn rows_of_one_time_are_parted_by_their_tie_alone(bed: &mut dyn Bed) {
    let rows: Vec<Row> = (0..40).map(|id| Row::new("A", id / 10, id)).collect();
    bed.insert(&rows);
    let mut shape = bed.shape();
    shape.limits.batch_rows_max = 3;
    let mut desk = Desk { batches_until_cut: Some(2), ..Desk::default() };
    let mut source = bed.open(shape.clone());
    assert!(desk.try_pass(source.as_mut()).is_err());
    desk.batches_until_cut = None;
    bed.insert(&[Row::new("A", 3, 40)]);
    desk.follow(source.as_mut());
    let all: Vec<Row> = (0..=40).map(|id| Row::new("A", (id / 10).min(3), id)).collect();
    assert_eq!(desk.stored, all, "a tie orders rows of one time");
    if !bed.is_table() {
        return;
    }
    let mut untied = Desk::default();
    let mut shape = shape;
    shape.tie_column = None;
    untied.follow(bed.open(shape).as_mut());
    let lens: Vec<usize> = untied.batches.iter().map(|(_, rows)| *rows).collect();
    assert_eq!(lens, [10, 10, 10, 11], "without a tie, rows of one time are never parted");
}

pub(crate) fn batches_keep_to_their_limits_and_to_one_site(bed: &mut dyn Bed) {
    bed.insert(&usual(0, 99));
    let mut shape = bed.shape();
    shape.limits.batch_rows_max = 10;
    let mut desk = Desk::default();
    desk.follow(bed.open(shape).as_mut());
    assert!(desk.batches.iter().all(|(_, rows)| *rows <= 10), "{:?}", desk.batches);
    let mut row = 0;
    for (site, rows) in &desk.batches {
        assert!(desk.stored[row..row + rows].iter().all(|row| row.site.as_deref() == Some(site.as_str())));
        row += rows;
    }
    assert_eq!(row, 100);
}

pub(crate) fn the_floor_of_a_first_run_holds_for_a_site_that_appears(bed: &mut dyn Bed) {
    bed.insert(&usual(0, 29));
    let mut desk = Desk { floor: Some(time(14)), ..Desk::default() };
    let mut source = bed.open(bed.shape());
    assert_eq!(sorted(desk.follow(source.as_mut())), sorted(usual(15, 29)));
    if bed.is_table() {
        bed.insert(&[Row::new("D", 14, 100), Row::new("D", 15, 101)]);
        assert_eq!(desk.follow(source.as_mut()), [Row::new("D", 15, 101)]);
    }
}

pub(crate) fn a_site_that_waits_is_passed_over_and_costs_the_others_nothing(bed: &mut dyn Bed) {
    bed.insert(&usual(0, 29));
    let mut desk = Desk { paused: [site("B")].into(), ..Desk::default() };
    let mut source = bed.open(bed.shape());
    assert!(desk.follow(source.as_mut()).iter().all(|row| row.site.as_deref() != Some("B")));
    bed.insert(&usual(30, 59));
    assert_eq!(desk.follow(source.as_mut()).len(), 20);
    // The others are far ahead when its turn comes again.
    bed.insert(&[Row::new("A", 20_000, 1_000)]);
    assert_eq!(desk.follow(source.as_mut()).len(), 1);
    desk.paused.clear();
    let rest = desk.follow(source.as_mut());
    assert_eq!(rest.len(), 20);
    assert!(rest.iter().all(|row| row.site.as_deref() == Some("B")));
}

pub(crate) fn rows_without_a_time_or_a_site_are_put_aside_and_stop_nothing(bed: &mut dyn Bed) {
    let odd = [
        Row { second: None, ..Row::new("A", 0, 100) },
        Row { site: None, ..Row::new("A", 3, 101) },
        Row { site: None, second: None, ..Row::new("A", 3, 102) },
    ];
    bed.insert(&usual(0, 14));
    bed.insert(&odd);
    bed.insert(&usual(15, 29));
    let (mut desk, mut source) = (Desk::default(), bed.open(bed.shape()));
    assert_eq!(sorted(desk.follow(source.as_mut())), sorted(usual(0, 29)));
    desk.follow(source.as_mut());
    assert_eq!(desk.rejects.len(), 3, "{:?}", desk.rejects);
    for reject in &desk.rejects {
        assert!(
            reject.reason.contains("no time")
                || reject.reason.contains("no site")
                || reject.reason.contains("is empty"),
            "{reject:?}"
        );
        assert!(reject.row.contains("v10"), "the row is kept as it was: {reject:?}");
    }
}

pub(crate) fn what_is_no_site_is_put_aside_and_harms_nothing(bed: &mut dyn Bed) {
    let names = ["a b", "x'); DROP TABLE T; --", "\"", "\\", "Ünïcode", "{}", "%s", "$1", "A;B", "'"];
    let odd = (0_i64..).zip(names).map(|(id, name)| Row::new(name, id, 100 + id));
    let odd: Vec<Row> = odd.collect();
    bed.insert(&usual(0, 29));
    bed.insert(&odd);
    let (mut desk, mut source) = (Desk::default(), bed.open(bed.shape()));
    assert_eq!(sorted(desk.follow(source.as_mut())), sorted(usual(0, 29)));
    assert_eq!(desk.rejects.len(), names.len(), "{:?}", desk.rejects);
    bed.insert(&usual(30, 32));
    assert_eq!(desk.follow(source.as_mut()).len(), 3, "the table is still there");
    assert_eq!(desk.rejects.len(), names.len());
}

pub(crate) fn rows_of_the_future_are_held_back_and_counted(bed: &mut dyn Bed) {
    bed.insert(&usual(0, 29));
    let ahead_s = 2 * 86_400;
    bed.insert(&[Row::new("A", ahead_s, 100), Row::new("B", ahead_s + 1, 101)]);
    let (mut desk, mut source) = (Desk::default(), bed.open(bed.shape()));
    let pass = desk.try_pass(source.as_mut()).unwrap();
    if !bed.is_table() {
        // A file is not read twice: there they are kept, and can be sent when their time has come.
        assert!(
            desk.rejects.len() == 2 && desk.rejects.iter().all(|reject| reject.reason.contains("future"))
        );
        return;
    }
    assert_eq!((pass.future_rows, desk.stored.len()), (2, 30));
    let new = [Row::new("A", 50, 50), Row::new("C", 51, 51)];
    bed.insert(&new);
    assert_eq!(sorted(desk.follow(source.as_mut())), new, "rows before it are not held up, of whatever site");
    desk.now_s = Some(NOW_S + 2 * 86_400);
    let come = sorted(desk.follow(source.as_mut()));
    assert_eq!(come, [Row::new("A", ahead_s, 100), Row::new("B", ahead_s + 1, 101)]);
}

pub(crate) fn a_stop_is_obeyed_within_a_pass(bed: &mut dyn Bed) {
    let rows: Vec<Row> = (0..5_000).map(|id| Row::new("A", id, id)).collect();
    bed.insert(&rows);
    let mut shape = bed.shape();
    shape.limits.batch_rows_max = 500;
    let mut desk = Desk { stops_after: Some(1), ..Desk::default() };
    let mut source = bed.open(shape);
    assert!(matches!(desk.try_pass(source.as_mut()), Err(SourceError::Stopped(_))));
    assert!(desk.stored.len() < 5_000, "the pass ended early");
    desk.stops_after = None;
    desk.follow(source.as_mut());
    assert_eq!(desk.stored, rows);
}

pub(crate) fn only_the_sites_that_are_asked_for_are_read(bed: &mut dyn Bed) {
    bed.insert(&usual(0, 29));
    let mut desk = Desk { only: Some([site("B"), site("X")].into()), ..Desk::default() };
    let stored = desk.follow(bed.open(bed.shape()).as_mut());
    assert_eq!(stored.len(), 10);
    assert!(stored.iter().all(|row| row.site.as_deref() == Some("B")));
    let mut shape = bed.shape();
    shape.sites = Some([site("A")].into());
    let stored = Desk::default().follow(bed.open(shape).as_mut());
    assert!(stored.len() == 10 && stored.iter().all(|row| row.site.as_deref() == Some("A")));
}

pub(crate) fn bounds_are_kept_on_both_sides(bed: &mut dyn Bed) {
    if !bed.is_table() {
        return;
    }
    bed.insert(&usual(0, 59));
    let at = |second: i64, tie: Tie| Cursor::Row { time: time(second), tie };
    let bounded = |after: Cursor, until: Cursor| {
        let bounds = Some(Bounds { until, window: Window::default() });
        Desk { after: Some(after), bounds, ..Desk::default() }
    };
    let mut desk = bounded(at(9, Tie::None), at(20, Tie::None));
    assert_eq!(sorted(desk.follow(bed.open(bed.shape()).as_mut())), sorted(usual(10, 20)));
    bed.insert(&(100..110).map(|id| Row::new("A", 30, id)).collect::<Vec<_>>());
    let mut desk = bounded(at(30, Tie::Integer(102)), at(30, Tie::Integer(106)));
    let ids: Vec<i64> = desk.follow(bed.open(bed.shape()).as_mut()).iter().map(|row| row.id).collect();
    assert_eq!(ids, [103, 104, 105, 106]);
}

pub(crate) fn a_source_that_has_read_on_still_finds_what_lies_far_behind(bed: &mut dyn Bed) {
    if !bed.is_table() {
        return;
    }
    bed.insert(&usual(0, 59));
    bed.insert(&[Row::new("D", 20_000, 1_000)]);
    let mut source = bed.open(bed.shape());
    Desk::default().follow(source.as_mut());
    // A fill whose pass shows nothing counts as done: what it does not find is lost.
    for _ in 0..3 {
        let until = Cursor::Row { time: time(59), tie: Tie::None };
        let bounds = Some(Bounds { until, window: Window::default() });
        let mut fill = Desk { bounds, only: Some([site("A")].into()), behind: true, ..Desk::default() };
        assert_eq!(fill.follow(source.as_mut()).len(), 20);
    }
}

pub(crate) fn values_leave_as_they_were_written(bed: &mut dyn Bed) {
    let values = [
        "it's",
        "\"quoted\"",
        "back\\slash",
        "a,b;c",
        "two\nlines",
        "tab\there",
        "%s $1 :b ?",
        "日本語 🌧",
        " blanks ",
        "007",
        "-0.10",
        "1e5",
        "NaN",
        "null",
        "true",
        "{\"a\": [1, 2]}",
        "\u{1}\u{7f}",
    ];
    let row = |(id, value): (i64, &str)| Row { value: value.to_owned(), ..Row::new("A", id, id) };
    let rows: Vec<Row> = (0_i64..).zip(values).map(row).collect();
    bed.insert(&rows);
    assert_eq!(Desk::default().follow(bed.open(bed.shape()).as_mut()), rows);
}

/// Rows are added, passes made, cut off and repeated by other sources, in any order.
pub(crate) fn random_histories_lose_and_double_nothing(bed: &mut dyn Bed) {
    let seed = data::seed();
    println!("seed {seed}");
    let mut random = data::SplitMix64::new(seed);
    let mut below = |most: u64| usize::try_from(random.below(most)).unwrap();
    let mut shape = bed.shape();
    shape.limits.batch_rows_max = 5;
    let (mut desk, mut source) = (Desk::default(), bed.open(shape.clone()));
    let (mut rows, mut second) = (Vec::new(), 0);
    for _ in 0..40 {
        match below(5) {
            0 | 1 => {
                let mut new = Vec::new();
                for _ in 0..below(12) {
                    second += i64::try_from(below(2)).unwrap();
                    let id = i64::try_from(rows.len() + new.len()).unwrap();
                    new.push(Row::new(["A", "B", "C", "D"][below(4)], second, id));
                }
                bed.insert(&new);
                rows.extend(new);
            }
            2 => {
                desk.batches_until_cut = Some(below(6));
                let _ = desk.try_pass(source.as_mut());
                desk.batches_until_cut = None;
            }
            3 => source = bed.open(shape.clone()),
            _ => drop(desk.follow(source.as_mut())),
        }
    }
    desk.follow(source.as_mut());
    assert_eq!(sorted(desk.stored), sorted(rows), "seed {seed}");
}
