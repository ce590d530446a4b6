//! Rows that come late, or are changed: sent once, whenever the process dies.

use super::catch_up::{Station, fill_up_to};
use super::*;

const LOOKBACK: Lookback = Lookback { seconds: 86_400, sends_updates: true };

fn looking_back() -> Settings {
    Settings { tie_column: Some("ID".into()), lookback: Some(LOOKBACK), ..settings() }
}

/// Follows the table, its late rows and its fills to their ends.
async fn follow(station: &Station, state_dir: &Path, sink: Arc<dyn Sink>, settings: Settings) {
    let mut following = station.open(state_dir, sink, settings);
    catch_up(station, &mut following).await;
    following.uploader.close().unwrap();
}

async fn catch_up(station: &Station, following: &mut Following) {
    let report = following.run_to_the_end().await;
    assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
    loop {
        let (_, report) = following.uploader.late(station.source(), None).await;
        assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
        if !report.again {
            break;
        }
    }
    station.work_off(following).await;
}

/// Rows of two sites, minutes 0 to 29, of which those of every third minute come later.
fn with_late_rows() -> Station {
    let station = Station::new();
    station.add("A", 3_600, 0..30);
    station.add("B", 3_600, 30..60);
    station.sql("CREATE TABLE HELD AS SELECT * FROM T WHERE VALUE % 3 = 1");
    station.sql("DELETE FROM T WHERE VALUE % 3 = 1");
    station
}

fn release(station: &Station) {
    station.sql("INSERT INTO T SELECT * FROM HELD");
    station.sql("DELETE FROM HELD");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_comes_late_is_sent_once_whenever_the_process_dies() {
    let station = with_late_rows();
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    follow(&station, &state_dir, shelf.clone(), looking_back()).await;
    let in_time: Vec<u32> = (0..60).filter(|n| n % 3 != 1).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), in_time);
    release(&station);
    follow(&station, &state_dir, shelf.clone(), looking_back()).await;
    let due: Vec<u32> = (0..60).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), due);
    follow(&station, &state_dir, shelf.clone(), looking_back()).await;
    let newest = shelf.objects.lock().unwrap().clone();
    assert_eq!(stored(&newest), due, "a second look sends nothing");

    let crashes = std::mem::take(&mut *shelf.crashes.lock().unwrap());
    assert!(crashes.len() >= 40, "{} crashes", crashes.len());
    for (number, (objects, files)) in crashes.into_iter().enumerate() {
        let cases =
            [("crash", &objects, &files), ("lost", &objects, &Files::new()), ("old", &newest, &files)];
        for (what, objects, files) in cases {
            let state_dir = station.world.state_dir(&format!("{what}-{number}"));
            write_folder(&state_dir, files);
            let shelf = Shelf::new(&state_dir, objects.clone(), all_fine());
            follow(&station, &state_dir, shelf.clone(), looking_back()).await;
            assert_eq!(stored(&shelf.objects.lock().unwrap()), due, "{what} {number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_to_puts_of_late_rows_cost_a_look_and_no_row() {
    let station = with_late_rows();
    let state_dir = station.world.state_dir("state");
    let script = Box::new(|_: &str, n: u64| match n % 3 {
        0 => Fate::ReplyLost,
        1 => Fate::RequestLost,
        _ => Fate::Fine,
    });
    let shelf = Shelf::new(&state_dir, Objects::new(), script);
    follow(&station, &state_dir, shelf.clone(), looking_back()).await;
    release(&station);
    follow(&station, &state_dir, shelf.clone(), looking_back()).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..60).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_send_a_late_row_once() {
    let station = with_late_rows();
    let (one_dir, other_dir) = (station.world.state_dir("one"), station.world.state_dir("other"));
    let shelf = Shelf::new(&one_dir, Objects::new(), all_fine());
    let mut one = station.open(&one_dir, shelf.clone(), looking_back());
    let mut other = station.open(&other_dir, shelf.clone(), looking_back());
    for turn in 0..4 {
        if turn == 1 {
            release(&station);
        }
        tokio::join!(catch_up(&station, &mut one), catch_up(&station, &mut other));
    }
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..60).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_is_sent_as_a_new_version_each_time_it_changes_or_never_as_configured() {
    for (sends_updates, versions) in [(true, vec![0, 1, 1, 2, 77]), (false, vec![0, 1, 2])] {
        let station = Station::new();
        station.add("A", 3_600, 0..3);
        let state_dir = station.world.state_dir("state");
        let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
        let lookback = Some(Lookback { sends_updates, ..LOOKBACK });
        let settings = Settings { lookback, ..looking_back() };
        follow(&station, &state_dir, shelf.clone(), settings.clone()).await;
        for value in [77, 1] {
            station.sql(&format!("UPDATE T SET VALUE = {value} WHERE ID = 2"));
            follow(&station, &state_dir, shelf.clone(), settings.clone()).await;
            follow(&station, &state_dir, shelf.clone(), settings.clone()).await;
        }
        assert_eq!(stored(&shelf.objects.lock().unwrap()), versions, "updates: {sends_updates}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookback_that_begins_later_or_was_off_for_a_while_sends_nothing_twice() {
    let station = Station::new();
    station.add("A", 7_200, 0..20);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let off = Settings { lookback: None, ..looking_back() };
    let on_and_off = [off.clone(), looking_back(), off, looking_back(), looking_back()];
    for (turn, settings) in (0_u32..).zip(on_and_off) {
        follow(&station, &state_dir, shelf.clone(), settings).await;
        station.add("A", 3_600 - 600 * i64::from(turn), 20 + 5 * turn..25 + 5 * turn);
    }
    follow(&station, &state_dir, shelf.clone(), looking_back()).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..45).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn late_rows_are_found_beside_a_backlog_and_none_of_it_is_taken_for_late() {
    let station = Station::new();
    station.add("A", 80_000, 0..60);
    station.add("A", 600, 60..63);
    station.sql("CREATE TABLE HELD AS SELECT * FROM T WHERE VALUE % 7 = 6");
    station.sql("DELETE FROM T WHERE VALUE % 7 = 6");
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let settings = Settings { catch_up_after_s: Some(3_600), ..looking_back() };
    follow(&station, &state_dir, shelf.clone(), settings.clone()).await;
    release(&station);
    follow(&station, &state_dir, shelf.clone(), settings.clone()).await;
    follow(&station, &state_dir, shelf.clone(), settings.clone()).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..63).collect::<Vec<_>>());
    let crashes = std::mem::take(&mut *shelf.crashes.lock().unwrap());
    for (number, (objects, files)) in crashes.into_iter().enumerate() {
        let state_dir = station.world.state_dir(&format!("crash-{number}"));
        write_folder(&state_dir, &files);
        let shelf = Shelf::new(&state_dir, objects, all_fine());
        for _ in 0..2 {
            follow(&station, &state_dir, shelf.clone(), settings.clone()).await;
        }
        assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..63).collect::<Vec<_>>(), "crash {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_late_from_the_first_instant_of_the_window_on_and_not_before() {
    let station = Station::new();
    station.add("A", 10_000, 0..1);
    station.add("A", 600, 1..2);
    let settings = Settings { lookback: Some(Lookback { seconds: 3_600, ..LOOKBACK }), ..looking_back() };
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    follow(&station, &state_dir, shelf.clone(), settings.clone()).await;
    station.add("A", 4_200, 2..3);
    station.add("A", 4_201, 3..4);
    follow(&station, &state_dir, shelf.clone(), settings.clone()).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 1, 2]);
    let lost = station.world.state_dir("lost");
    follow(&station, &lost, shelf.clone(), settings).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 1, 2], "after the state was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_lookback_takes_nothing_for_late_that_was_forgotten() {
    let station = Station::new();
    station.add("A", 20_000, 0..100);
    station.add("A", 600, 100..103);
    let short = Settings { lookback: Some(Lookback { seconds: 3_600, ..LOOKBACK }), ..looking_back() };
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    follow(&station, &state_dir, shelf.clone(), short).await;
    follow(&station, &state_dir, shelf.clone(), looking_back()).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..103).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_that_the_window_has_left_are_no_longer_in_the_ledger() {
    let station = Station::new();
    station.add("A", 40_000, 0..1);
    let settings = Settings { lookback: Some(Lookback { seconds: 3_600, ..LOOKBACK }), ..looking_back() };
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = station.open(&state_dir, shelf.clone(), settings);
    catch_up(&station, &mut following).await;
    let rows = |following: &Following| {
        following.uploader.state().sites.values().map(|site| site.ledger.len()).sum::<usize>()
    };
    assert_eq!(rows(&following), 1);
    station.add("A", 600, 1..2);
    catch_up(&station, &mut following).await;
    assert_eq!(rows(&following), 1, "the newer one alone");
}

/// The way out for a state that has grown too large to be committed.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_shorter_window_leaves_behind_is_forgotten_by_the_first_commit_of_the_next_start() {
    let station = Station::new();
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    for (value, age_s) in [(0, 80_000), (1, 79_000), (2, 600)] {
        station.add("A", age_s, value..value + 1);
        follow(&station, &state_dir, shelf.clone(), looking_back()).await;
    }
    let rows = |following: &Following| {
        following.uploader.state().sites.values().map(|site| site.ledger.len()).sum::<usize>()
    };
    assert_eq!(rows(&station.open(&state_dir, shelf.clone(), looking_back())), 3);

    let short = Settings { lookback: Some(Lookback { seconds: 3_600, ..LOOKBACK }), ..looking_back() };
    station.add("A", 480, 3..4);
    let before = shelf.crashes.lock().unwrap().len();
    follow(&station, &state_dir, shelf.clone(), short).await;
    let (_, at_the_put) = shelf.crashes.lock().unwrap()[before].clone();
    let crashed = station.world.state_dir("crashed");
    write_folder(&crashed, &at_the_put);
    assert_eq!(rows(&station.open(&crashed, shelf.clone(), looking_back())), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_row_whose_put_fails_is_sent_by_a_later_look_though_the_table_rests() {
    let station = Station::new();
    station.add("A", 3_600, 0..5);
    let state_dir = station.world.state_dir("state");
    let expired = Arc::new(AtomicBool::new(false));
    let shelf = Shelf::new(&state_dir, Objects::new(), denied_while(&expired));
    let mut following = station.open(&state_dir, shelf.clone(), looking_back());
    catch_up(&station, &mut following).await;
    station.add("A", 3_590, 5..6);
    expired.store(true, Ordering::Relaxed);
    let (source, report) = following.uploader.late(station.source(), None).await;
    assert!(matches!(report.error, Some(PassError::Sink(SinkError::Denied(_)))), "{report:?}");
    expired.store(false, Ordering::Relaxed);
    following.wait_out_pauses();
    let mut source = source;
    for _ in 0..3 {
        let report;
        (source, report) = following.uploader.late(source.unwrap(), None).await;
        assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
    }
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..6).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_comes_late_behind_an_open_fill_is_sent_at_once_and_one_before_it_by_the_fill() {
    let station = Station::new();
    station.add("A", 86_000, 0..70);
    station.add("A", 600, 70..73);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let settings = Settings { catch_up_after_s: Some(3_600), ..looking_back() };
    let mut following = station.open(&state_dir, shelf.clone(), settings);
    following.run_to_the_end().await;
    let a = SiteId::parse("A").unwrap();
    following.uploader.fill(station.source(), &a).await;
    assert!(following.uploader.has_fills(), "one turn is not enough");
    station.add("A", 85_990, 73..74);
    let (source, _) = following.uploader.late(station.source(), None).await;
    // When the fill is done, the window may have left it behind.
    assert!(stored(&shelf.objects.lock().unwrap()).contains(&73), "it lies behind what the fill has sent");
    station.add("A", 4_000, 74..75);
    let (source, _) = following.uploader.late(source.unwrap(), None).await;
    assert!(!stored(&shelf.objects.lock().unwrap()).contains(&74), "what a fill may still send is not late");
    station.work_off(&following).await;
    let mut source = source;
    for _ in 0..3 {
        (source, _) = following.uploader.late(source.unwrap(), None).await;
    }
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..75).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_like_one_that_was_sent_again_is_sent_as_well() {
    let station = Station::without_a_tie();
    station.add("A", 3_600, 0..3);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let settings = Settings { tie_column: None, ..looking_back() };
    let mut following = station.open(&state_dir, shelf.clone(), settings);
    catch_up(&station, &mut following).await;
    let a = SiteId::parse("A").unwrap();
    let until = following.uploader.state().sites[&a].live.cursor.clone();
    let fill = fill_up_to(until, FillKind::Resend);
    following.uploader.begin_fill(a, ChainName::parse("rewind-1").unwrap(), fill).await.unwrap();
    catch_up(&station, &mut following).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 0, 1, 1, 2, 2]);
    station.add("A", 3_600, 0..1);
    for _ in 0..2 {
        catch_up(&station, &mut following).await;
    }
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 0, 0, 1, 1, 2, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_row_is_passed_over_for_good_and_what_comes_late_before_it_is_found() {
    let station = Station::new();
    station.add("A", 3_600, 0..7);
    let state_dir = station.world.state_dir("state");
    let refused = AtomicBool::new(false);
    let script: Script = Box::new(move |key, _| {
        let is_it = key == "A/T/00000000000000000002.ndjson" && !refused.swap(true, Ordering::Relaxed);
        if is_it { Fate::Refused } else { Fate::Fine }
    });
    let shelf = Shelf::new(&state_dir, Objects::new(), script);
    let mut following = station.open(&state_dir, shelf.clone(), looking_back());
    catch_up(&station, &mut following).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..6).collect::<Vec<_>>());
    following.uploader.give_back_unread().unwrap();
    assert_eq!(following.uploader.quarantined().unwrap().len(), 1, "it is passed, and stays");
    following.uploader.close().unwrap();
    drop(following);
    // Between the last row that is stored and the one that was refused.
    station.add("A", 3_270, 7..8);
    follow(&station, &state_dir, shelf.clone(), looking_back()).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 1, 2, 3, 4, 5, 7]);
    for fresh in 8..10 {
        station.add("A", 600 - 60 * i64::from(fresh), fresh..fresh + 1);
        follow(&station, &state_dir, shelf.clone(), looking_back()).await;
    }
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 1, 2, 3, 4, 5, 7, 8, 9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_before_the_floor_of_a_first_run_are_not_late() {
    let station = Station::new();
    station.add("A", 7_200, 0..2);
    station.add("A", 600, 2..4);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let settings = Settings { fallback: Fallback::Before { seconds: 3_600 }, ..looking_back() };
    follow(&station, &state_dir, shelf.clone(), settings.clone()).await;
    station.add("A", 1_200, 4..5);
    follow(&station, &state_dir, shelf.clone(), settings).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_another_writer_stored_before_it_changed_is_sent_as_it_is_now() {
    let station = Station::new();
    station.add("A", 3_600, 0..3);
    let (one_dir, other_dir) = (station.world.state_dir("one"), station.world.state_dir("other"));
    let shelf = Shelf::new(&one_dir, Objects::new(), all_fine());
    let mut one = station.open(&one_dir, shelf.clone(), looking_back());
    let mut other = station.open(&other_dir, shelf.clone(), looking_back());
    catch_up(&station, &mut one).await;
    catch_up(&station, &mut other).await;
    // Both know the chain to its end. The same rows, in one object of the same span, but not the same bytes.
    station.add("A", 600, 3..6);
    one.run_to_the_end().await;
    station.sql("UPDATE T SET VALUE = 77 WHERE VALUE = 4");
    catch_up(&station, &mut other).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 1, 2, 3, 4, 5, 77]);
}
