//! Rows that a chain holds of which the state has never heard: they are stored, and not late.

use livecosmos_state::{Chain, Fill, Fingerprint, Site, State, Window};

use super::catch_up::Station;
use super::*;
use crate::uploader::change::{Change, Noting, Sent};

/// Has a repair sent what is missing, as the command does: begun and worked off at once.
async fn repair(station: &Station, state_dir: &Path, shelf: &Arc<Shelf>, settings: Settings) {
    let following = station.open(state_dir, shelf.clone(), settings);
    let site = SiteId::parse("A").unwrap();
    let until = following.uploader.state().sites[&site].live.cursor.clone();
    let (kind, since, after) = (FillKind::Repair, following.watch.now(), Cursor::Start);
    let fill = Fill { kind, since, after, until, window: Window::default(), chain: Chain::new() };
    following.uploader.begin_fill(site, ChainName::parse("repair-1").unwrap(), fill).await.unwrap();
    station.work_off(&following).await;
    following.uploader.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_repair_that_an_old_state_does_not_know_are_not_sent_as_late() {
    for tie_column in [None, Some("ID".to_owned())] {
        let station = Station::new();
        station.add("A", 3_600, 0..30);
        station.sql("CREATE TABLE HELD AS SELECT * FROM T WHERE VALUE % 10 = 1");
        station.sql("DELETE FROM T WHERE VALUE % 10 = 1");
        let state_dir = station.world.state_dir("state");
        let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
        let lookback = Some(Lookback { seconds: 86_400, sends_updates: true });
        let settings = || Settings { tie_column: tie_column.clone(), lookback, ..settings() };
        let mut following = station.open(&state_dir, shelf.clone(), settings());
        following.run_to_the_end().await;
        following.uploader.late(station.source(), None).await;
        following.uploader.close().unwrap();
        let old = read_folder(&state_dir);
        station.sql("INSERT INTO T SELECT * FROM HELD");
        repair(&station, &state_dir, &shelf, settings()).await;

        let state_dir = station.world.state_dir("old");
        write_folder(&state_dir, &old);
        let mut following = station.open(&state_dir, shelf.clone(), settings());
        following.run_to_the_end().await;
        // A row that comes late now is found all the same.
        station.add("A", 2_407, 30..31);
        for _ in 0..3 {
            while following.uploader.late(station.source(), None).await.1.again {}
        }
        assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..31).collect::<Vec<_>>(), "{tie_column:?}");
    }
}

#[test]
fn rows_that_are_found_again_count_once_and_rows_that_are_alike_each() {
    let site = SiteId::parse("A").unwrap();
    let (time, print) = (Time::new(NOW_S, 0).unwrap(), Fingerprint { row: 1, version: 1 });
    let mut state = State::new(TableName::parse("T").unwrap(), "test");
    state.sites.insert(site.clone(), Site { ledger_from: Some(Time::MIN), ..Site::default() });
    for (found, counted) in [(1, 1), (1, 1), (2, 2), (1, 2)] {
        let rows = Sent { rows: vec![(time, print); found].into(), noting: Noting::Found };
        Change::Noted { site: site.clone(), rows }.apply(&mut state);
        assert_eq!(state.sites[&site].ledger.count(time, print), counted);
    }
}
