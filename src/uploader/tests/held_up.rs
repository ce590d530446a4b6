//! Sites that fail and wait, and rows that can be neither sent nor kept: they hold up nobody else.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_keeps_failing_does_not_prolong_the_first_run_of_the_others() {
    let world = World::with_rows(&rows(0, 30));
    let state_dir = world.state_dir("state");
    let refusing: Script = Box::new(|key, _| if key.starts_with("B/") { Fate::Refused } else { Fate::Fine });
    let shelf = Shelf::new(&state_dir, Objects::new(), refusing);
    let from_then_on = Fallback::At(Time::new(1_735_689_600, 0).unwrap());
    let mut following =
        world.open(&state_dir, shelf.clone(), Settings { fallback: from_then_on, ..settings() });
    following.run_to_the_end().await;
    // A file that appears after the first run is read whole, however old its rows are.
    let mut later = std::fs::File::create(world.folder.path().join("rows-of-old.csv")).unwrap();
    std::io::Write::write_all(
        &mut later,
        b"SITE,TIME,VALUE\nA,2020-01-01 00:00:00,500\nC,2020-01-01 00:00:00,501\n",
    )
    .unwrap();
    following.run_to_the_end().await;
    let stored = stored(&shelf.objects.lock().unwrap());
    assert!(stored.contains(&500) && stored.contains(&501), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_holds_up_no_site_that_failed() {
    let world = World::with_rows(&rows(0, 30));
    let state_dir = world.state_dir("state");
    let refuses = Arc::new(AtomicBool::new(true));
    let is_refused = Arc::clone(&refuses);
    let refusing: Script = Box::new(move |key, _| {
        let is_of_b = key.starts_with("B/");
        if is_of_b && is_refused.load(Ordering::Relaxed) { Fate::Refused } else { Fate::Fine }
    });
    let shelf = Shelf::new(&state_dir, Objects::new(), refusing);
    let mut following = world.open(&state_dir, shelf.clone(), settings());
    let report = following.run_to_the_end().await;
    assert_eq!(report.failures.len(), 1, "{report:?}");

    refuses.store(false, Ordering::Relaxed);
    following.watch.set_s.fetch_sub(5 * 3600, Ordering::Relaxed);
    // Its pause, and nothing of the five hours.
    following.watch.moved_s.fetch_add(5, Ordering::Relaxed);
    let report = following.run_to_the_end().await;
    assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
    // Of the site that was refused, eight rows are in quarantine.
    let due: Vec<u32> = (0..30).filter(|n| n % 3 != 1 || *n >= 8 * 3).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), due);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_can_be_neither_sent_nor_kept_holds_up_its_own_site_alone() {
    let world = World::with_rows(&rows(0, 30));
    world.append("A,no time at all,30\n");
    world.append(&rows(33, 9).concat());
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = world.open(&state_dir, shelf.clone(), settings());
    // Nothing can be appended to a directory.
    let quarantine = state_dir.join("T.quarantine.ndjson");
    std::fs::create_dir(&quarantine).unwrap();
    let report = following.run_to_the_end().await;
    assert!(matches!(report.error, Some(PassError::Quarantine(_))), "{report:?}");
    let others: Vec<u32> = (0..30).chain(33..42).filter(|n| n % 3 != 0).collect();
    let so_far = stored(&shelf.objects.lock().unwrap());
    assert!(others.iter().all(|n| so_far.contains(n)), "{so_far:?}");

    std::fs::remove_dir(&quarantine).unwrap();
    following.wait_out_pauses();
    let report = following.run_to_the_end().await;
    assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..30).chain(33..42).collect::<Vec<_>>());
    assert!(std::fs::read_to_string(&quarantine).unwrap().contains("no time at all"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_quarantine_holds_up_what_is_covered_for_a_row_of_no_site_too() {
    let world = World::with_rows(&rows(0, 30));
    world.append(",2025-01-01 00:00:00,30\n");
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    // Nothing can be appended to a directory.
    let quarantine = state_dir.join("T.quarantine.ndjson");
    let mut following = world.open(&state_dir, shelf.clone(), settings());
    std::fs::create_dir(&quarantine).unwrap();
    let report = following.run_to_the_end().await;
    assert!(matches!(report.error, Some(PassError::Quarantine(_))), "{report:?}");
    following.uploader.close().unwrap();
    drop(following);

    std::fs::remove_dir(&quarantine).unwrap();
    world.follow(&state_dir, shelf.clone()).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..30).collect::<Vec<_>>());
    assert_eq!(std::fs::read_to_string(&quarantine).unwrap().lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_site_that_waits_are_read_again_once_it_is_due_and_after_a_restart() {
    for restarts in [false, true] {
        let world = World::with_rows(&rows(0, 6));
        let state_dir = world.state_dir("state");
        let is_away = Arc::new(AtomicBool::new(false));
        let away = Arc::clone(&is_away);
        let script: Script = Box::new(move |key, _| {
            let is_lost = key.starts_with("B/") && away.load(Ordering::Relaxed);
            if is_lost { Fate::RequestLost } else { Fate::Fine }
        });
        let shelf = Shelf::new(&state_dir, Objects::new(), script);
        let retry = RetryPolicy { wait_total_max: Duration::from_millis(2), ..settings().retry };
        let settings = Settings { retry, ..settings() };
        let mut following = world.open(&state_dir, shelf.clone(), settings.clone());
        following.run_to_the_end().await;
        is_away.store(true, Ordering::Relaxed);
        world.append(&rows(6, 6).concat());
        assert_eq!(following.run_to_the_end().await.failures.len(), 1);
        for piece in 2..4 {
            world.append(&rows(6 * piece, 6).concat());
            assert!(following.run_to_the_end().await.failures.is_empty(), "B waits, and is passed over");
        }
        is_away.store(false, Ordering::Relaxed);
        if restarts {
            following.uploader.close().unwrap();
            drop(following);
            following = world.open(&state_dir, shelf.clone(), settings);
        }
        following.wait_out_pauses();
        following.run_to_the_end().await;
        assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..24).collect::<Vec<_>>(), "{restarts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_row_that_is_not_passed_is_given_back_unless_its_file_is_gone() {
    for is_gone in [false, true] {
        let world = World::with_rows(&rows(0, 30));
        world.append("A,no time at all,30\n");
        let state_dir = world.state_dir("state");
        // A site that fails keeps the file from being covered.
        let script: Script = Box::new(|key, _| if key.starts_with("B/") { Fate::Denied } else { Fate::Fine });
        let shelf = Shelf::new(&state_dir, Objects::new(), script);
        let mut following = world.open(&state_dir, shelf.clone(), settings());
        for _ in 0..3 {
            following.run_to_the_end().await;
        }
        assert_eq!(following.uploader.quarantined().unwrap().len(), 1);
        if is_gone {
            std::fs::remove_file(world.folder.path().join("rows.csv")).unwrap();
        }
        following.uploader.give_back_unread().unwrap();
        assert_eq!(following.uploader.quarantined().unwrap().len(), usize::from(is_gone), "{is_gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_row_is_durable_before_its_chain_has_passed_it() {
    let world =
        World::with_rows(&["A,2025-01-01 00:00:00,0\n".to_owned(), "A,no time at all,1\n".to_owned()]);
    world.append("A,2025-01-01 00:02:00,2\nA,2025-01-01 00:03:00,3\n");
    let state_dir = world.state_dir("state");
    let uploader = Arc::new(std::sync::OnceLock::<Arc<LiveUploader>>::new());
    let (asked, synced) = (Arc::clone(&uploader), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&synced);
    // Batches of one row: before the second lies a row without a time, and it is refused itself.
    let script: Script = Box::new(move |_, put| {
        seen.lock().unwrap().push(asked.get().unwrap().quarantine().is_synced());
        if put == 1 { Fate::Refused } else { Fate::Fine }
    });
    let shelf = Shelf::new(&state_dir, Objects::new(), script);
    let mut following = world.open_with(&state_dir, shelf.clone(), settings(), 1);
    assert!(uploader.set(Arc::clone(&following.uploader)).is_ok());
    following.run_to_the_end().await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), [0, 3]);
    assert_eq!(following.uploader.quarantined().unwrap().len(), 2);
    assert_eq!(synced.lock().unwrap()[1..], [true, true], "at the second put, and at the third");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_row_is_durable_before_its_file_is_covered() {
    let world = World::with_rows(&rows(0, 6));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let mut following = world.open(&state_dir, shelf.clone(), settings());
    following.run_to_the_end().await;
    // No batch follows it.
    world.append("A,no time at all,6\n");
    let report = following.run_to_the_end().await;
    assert_eq!(report.source.files, following.uploader.state().files);
    assert_eq!(following.uploader.quarantined().unwrap().len(), 1);
    assert!(following.uploader.quarantine().is_synced());
}
