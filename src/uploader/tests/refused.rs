//! Rows that the sink refuses, on chains that send only what is missing: they alone are put aside.

use super::catch_up::{Station, fill_up_to};
use super::*;

/// Values from here on are refused, by themselves and with all that is in their object.
const POISON: u32 = 66_600;

/// Takes everything else.
struct Picky(Arc<Shelf>);

#[async_trait]
impl Sink for Picky {
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        let objects = Objects::from([(key.to_owned(), object.clone())]);
        if stored(&objects).iter().any(|value| *value >= POISON) {
            return Err(SinkError::Refused("poison".into()));
        }
        self.0.put(key, object).await
    }

    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError> {
        self.0.head(key).await
    }

    async fn get(&self, key: &str) -> Result<Option<(Facts, bytes::Bytes)>, SinkError> {
        self.0.get(key).await
    }

    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
        self.0.list(prefix, from, keys_max).await
    }

    async fn probe(&self) -> Result<Probed, SinkError> {
        self.0.probe().await
    }

    fn describe(&self) -> &str {
        self.0.describe()
    }
}

/// Values of the rows in quarantine.
fn kept(state_dir: &Path) -> Vec<u32> {
    let text = read_folder(state_dir).get("T.quarantine.ndjson").cloned().unwrap_or_default();
    let value = |line: &str| -> u32 {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry["row"].as_str().unwrap().rsplit(',').next().unwrap().parse().unwrap()
    };
    let mut values: Vec<u32> = std::str::from_utf8(&text).unwrap().lines().map(value).collect();
    values.sort_unstable();
    values
}

/// The minutes from the first row on at which a poisoned row stands, and how the table was made.
fn poisoned(minutes: &[i64], has_tie: bool) -> Station {
    let station = if has_tie { Station::new() } else { Station::without_a_tie() };
    station.add("A", 7_200, 0..40);
    for (value, minute) in (POISON..).zip(minutes) {
        station.add("A", 7_200 - 60 * minute, value..value + 1);
    }
    station
}

fn poison(count: usize) -> Vec<u32> {
    (POISON..).take(count).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_gets_over_refused_rows_wherever_they_stand_and_ends() {
    for draw in 0..8 {
        let (has_tie, restarts) = (draw & 1 == 0, draw & 2 == 0);
        let batch_rows_max = if draw & 4 == 0 { 3 } else { 1_000 };
        for minutes in [&[20][..], &[20, 21], &[0, 1, 2], &[37, 38, 39], &[0, 20, 21, 39], &[20, 20]] {
            let mut station = poisoned(minutes, has_tie);
            station.batch_rows_max = batch_rows_max;
            station.add("A", 600, 40..41);
            let state_dir = station.world.state_dir("state");
            let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
            let settings = Settings { fallback: Fallback::Before { seconds: 700 }, ..settings() };
            let settings = Settings { tie_column: has_tie.then(|| "ID".to_owned()), ..settings };
            let mut following = station.open(&state_dir, Arc::new(Picky(shelf.clone())), settings.clone());
            following.run_to_the_end().await;
            let site = SiteId::parse("A").unwrap();
            let until = following.uploader.state().sites[&site].live.cursor.clone();
            let fill = fill_up_to(until, FillKind::Backfill);
            let chain = ChainName::parse("backfill-1").unwrap();
            following.uploader.begin_fill(site.clone(), chain, fill).await.unwrap();
            for turn in 0..100 {
                let (_, report) = following.uploader.fill(station.source(), &site).await;
                assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
                if restarts && turn < 50 {
                    following.uploader.close().unwrap();
                    following = station.open(&state_dir, Arc::new(Picky(shelf.clone())), settings.clone());
                }
            }
            assert!(!following.uploader.has_fills(), "{minutes:?} {draw}: it never ends");
            let objects = shelf.objects.lock().unwrap().clone();
            assert_eq!(stored(&objects), (0..41).collect::<Vec<_>>(), "{minutes:?} {draw}");
            assert_eq!(kept(&state_dir), poison(minutes.len()), "{minutes:?} {draw}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_row_among_late_ones_takes_none_of_them_with_it() {
    for has_tie in [true, false] {
        let mut station = poisoned(&[20], has_tie);
        station.sql("CREATE TABLE HELD AS SELECT * FROM T WHERE VALUE IN (19, 20, 21, 66600)");
        station.sql("DELETE FROM T WHERE VALUE IN (19, 20, 21, 66600)");
        let state_dir = station.world.state_dir("state");
        let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
        let lookback = Some(Lookback { seconds: 86_400, sends_updates: true });
        let settings = Settings { tie_column: has_tie.then(|| "ID".to_owned()), lookback, ..settings() };
        let mut following = station.open(&state_dir, Arc::new(Picky(shelf.clone())), settings);
        following.run_to_the_end().await;
        while following.uploader.late(station.source(), None).await.1.again {}
        station.sql("INSERT INTO T SELECT * FROM HELD");
        station.batch_rows_max = 1_000;
        for _ in 0..40 {
            let (_, report) = following.uploader.late(station.source(), None).await;
            assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
        }
        assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..40).collect::<Vec<_>>(), "{has_tie}");
        assert_eq!(kept(&state_dir), poison(1), "{has_tie}");
    }
}

/// Nothing tells them apart: as many are put aside as there are.
#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_that_are_alike_are_each_put_aside() {
    let station = Station::without_a_tie();
    station.add("A", 7_200, 0..5);
    for _ in 0..3 {
        station.add("A", 7_000, POISON..POISON + 1);
    }
    station.add("A", 600, 5..6);
    let state_dir = station.world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let settings = Settings { fallback: Fallback::Before { seconds: 700 }, ..settings() };
    let mut following = station.open(&state_dir, Arc::new(Picky(shelf.clone())), settings);
    following.run_to_the_end().await;
    let site = SiteId::parse("A").unwrap();
    let until = following.uploader.state().sites[&site].live.cursor.clone();
    let chain = ChainName::parse("backfill-1").unwrap();
    following.uploader.begin_fill(site, chain, fill_up_to(until, FillKind::Backfill)).await.unwrap();
    for _ in 0..40 {
        station.work_off(&following).await;
    }
    assert!(!following.uploader.has_fills());
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..6).collect::<Vec<_>>());
    assert_eq!(kept(&state_dir), [POISON; 3]);
}
