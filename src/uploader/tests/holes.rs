//! Holes that the live chain left to fills, while something else is wrong: each of their rows is stored once.

use super::catch_up::Station;
use super::*;

fn looking_back() -> Settings {
    Settings {
        tie_column: Some("ID".into()),
        lookback: Some(Lookback { seconds: 86_400, sends_updates: true }),
        catch_up_after_s: Some(86_400),
        ..settings()
    }
}

/// Ten rows on each of forty days: far more than a window.
fn many_days(station: &Station) {
    for day in 0..40 {
        station.add("A", (60 - i64::from(day)) * 86_400, day * 10..day * 10 + 10);
    }
}

/// Live rows, late rows and fills, until a round brings nothing more.
async fn come_to_the_end(station: &Station, following: &mut Following) {
    for _ in 0..4 {
        let report = following.run_to_the_end().await;
        assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
        while following.uploader.late(station.source(), None).await.1.again {}
        station.work_off(following).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_ends_no_fill_before_its_rows_are_stored() {
    let station = Station::new();
    station.add("A", 5 * 86_400, 0..100);
    station.add("A", 600, 100..104);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = station.open(&state_dir, shelf.clone(), looking_back());
    following.run_to_the_end().await;
    let (_, report) = following.uploader.fill(station.source(), &SiteId::parse("A").unwrap()).await;
    assert!(report.totals.rows > 0 && following.uploader.has_fills(), "{report:?}");
    following.uploader.close().unwrap();
    // A machine without a battery comes up in the past.
    let mut following = station.open(&state_dir, shelf.clone(), looking_back());
    following.watch.set_s.store(-10 * 86_400, Ordering::Relaxed);
    come_to_the_end(&station, &mut following).await;
    following.watch.set_s.store(0, Ordering::Relaxed);
    come_to_the_end(&station, &mut following).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..104).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_have_not_settled_are_left_in_no_hole() {
    let mut station = Station::new();
    station.settle_s = 7_200;
    station.add("A", 9_000, 0..60);
    station.add("A", 600, 60..64);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let splitting = Settings { catch_up_after_s: Some(3_600), lookback: None, ..looking_back() };
    let mut following = station.open(&state_dir, shelf.clone(), splitting);
    for _ in 0..3 {
        come_to_the_end(&station, &mut following).await;
        following.watch.moved_s.fetch_add(7_200, Ordering::Relaxed);
    }
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_from_the_future_makes_no_row_of_a_backlog_late() {
    let station = Station::new();
    many_days(&station);
    station.add("A", -365 * 86_400, 400..401);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = station.open(&state_dir, shelf.clone(), looking_back());
    come_to_the_end(&station, &mut following).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..400).collect::<Vec<_>>());
}

/// The newest row is refused by the sink: nothing is stored where the live chain stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_refused_makes_no_row_of_a_backlog_late() {
    let station = Station::new();
    many_days(&station);
    station.add("A", 600, 400..401);
    let state_dir = station.world.state_dir("state");
    let refusing: Script = Box::new(|key, put| {
        // The first object jumps; the second of the live chain holds the newest row.
        if put > 0 && key.contains("00000000000000000001.") && !key.contains("catchup") {
            Fate::Refused
        } else {
            Fate::Fine
        }
    });
    let shelf = Shelf::new(&state_dir, Objects::new(), refusing);
    let mut following = station.open(&state_dir, shelf.clone(), looking_back());
    come_to_the_end(&station, &mut following).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..400).collect::<Vec<_>>());
}
