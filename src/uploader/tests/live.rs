//! The live chain: each row once, whenever the process dies and whatever the sink answers.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_or_after_any_put_loses_and_doubles_nothing() {
    let world = World::with_rows(&rows(0, 60));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    let due: Vec<u32> = (0..60).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), due);

    let crashes = std::mem::take(&mut *shelf.crashes.lock().unwrap());
    assert!(crashes.len() >= 40, "{} crashes", crashes.len());
    for (number, (objects, files)) in crashes.into_iter().enumerate() {
        let state_dir = world.state_dir(&format!("crash-{number}"));
        write_folder(&state_dir, &files);
        let shelf = Shelf::new(&state_dir, objects, all_fine());
        let report = world.follow(&state_dir, shelf.clone()).await;
        assert!(report.error.is_none() && report.failures.is_empty(), "crash {number}: {report:?}");
        assert_eq!(stored(&shelf.objects.lock().unwrap()), due, "after crash {number}");
        assert_eq!(counted(&state_dir), 60, "after crash {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_old_state_beside_a_sink_that_went_on_loses_and_doubles_nothing() {
    let world = World::with_rows(&rows(0, 60));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    world.append(&rows(60, 30).concat());
    world.follow(&state_dir, shelf.clone()).await;
    let newest = shelf.objects.lock().unwrap().clone();

    world.append(&rows(90, 9).concat());
    let mut states: Vec<Files> =
        shelf.crashes.lock().unwrap().iter().map(|(_, files)| files.clone()).collect();
    states.push(Files::new());
    for (number, files) in states.into_iter().enumerate() {
        let state_dir = world.state_dir(&format!("old-{number}"));
        write_folder(&state_dir, &files);
        let shelf = Shelf::new(&state_dir, newest.clone(), all_fine());
        world.follow(&state_dir, shelf.clone()).await;
        let due: Vec<u32> = (0..99).collect();
        assert_eq!(stored(&shelf.objects.lock().unwrap()), due, "with old state {number}");
        assert_eq!(counted(&state_dir), 99, "with old state {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_or_a_lost_request_costs_a_look_and_no_row() {
    let world = World::with_rows(&rows(0, 60));
    for (name, fate) in [("reply", Fate::ReplyLost), ("request", Fate::RequestLost)] {
        let state_dir = world.state_dir(name);
        let shelf = Shelf::new(
            &state_dir,
            Objects::new(),
            Box::new(move |_, put| if put % 2 == 0 { fate } else { Fate::Fine }),
        );
        let report = world.follow(&state_dir, shelf.clone()).await;
        assert!(report.failures.is_empty(), "{name}: {report:?}");
        assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..60).collect::<Vec<_>>(), "lost {name}");
        assert_eq!(counted(&state_dir), 60, "lost {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_site_stops_no_other_and_is_sent_once_it_is_taken() {
    let world = World::with_rows(&rows(0, 60));
    let state_dir = world.state_dir("state");
    let refusing: Script = Box::new(|key, _| if key.starts_with("B/") { Fate::Refused } else { Fate::Fine });
    let shelf = Shelf::new(&state_dir, Objects::new(), refusing);
    let report = world.follow(&state_dir, shelf.clone()).await;
    assert_eq!(report.failures.len(), 1);
    let others: Vec<u32> = (0..60).filter(|n| n % 3 != 1).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), others);

    world.append(&rows(60, 6).concat());
    let shelf = Shelf::new(&state_dir, shelf.objects.lock().unwrap().clone(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    // The rows that were refused one by one, before the site was stopped, wait for the operator.
    let kept = read_folder(&state_dir)["T.quarantine.ndjson"].clone();
    let refused: Vec<u32> = (0..8).map(|n| 3 * n + 1).collect();
    assert_eq!(String::from_utf8(kept).unwrap().lines().count(), refused.len());
    let others: Vec<u32> = (0..66).filter(|n| !refused.contains(n)).collect();
    assert_eq!(stored(&shelf.objects.lock().unwrap()), others);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_share_a_chain_without_a_row_lost_or_doubled() {
    let world = World::with_rows(&rows(0, 30));
    let (one, two) = (world.state_dir("one"), world.state_dir("two"));
    let shelf = Shelf::new(&one, Objects::new(), all_fine());
    // They cut their batches differently: whoever is second finds a longer or a shorter one.
    let mut first = world.open_with(&one, shelf.clone(), settings(), 3);
    let mut second = world.open_with(&two, shelf.clone(), settings(), 5);
    for round in 1..20 {
        let (one, two) = tokio::join!(first.run_to_the_end(), second.run_to_the_end());
        assert!(one.failures.is_empty() && two.failures.is_empty(), "{one:?} {two:?}");
        assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..round * 30).collect::<Vec<_>>());
        world.append(&rows(round * 30, 30).concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_with_a_gap_stops_its_site_alone_and_says_so() {
    let world = World::with_rows(&rows(0, 60));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    let mut objects = shelf.objects.lock().unwrap().clone();
    let gap = objects.keys().filter(|key| key.starts_with("A/")).nth(2).unwrap().clone();
    objects.remove(&gap);

    world.append(&rows(60, 6).concat());
    let lost = world.state_dir("lost");
    let shelf = Shelf::new(&lost, objects, all_fine());
    let report = world.follow(&lost, shelf.clone()).await;
    let (site, error) = report.failures.first_key_value().unwrap();
    assert_eq!((report.failures.len(), site.as_str()), (1, "A"));
    assert!(matches!(error, SiteError::Inconsistent(_)), "{error}");
    let stored = stored(&shelf.objects.lock().unwrap());
    assert!((60..66).filter(|n| n % 3 != 0).all(|n| stored.contains(&n)), "the other sites go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_object_behind_the_state_is_never_overwritten_nor_skipped() {
    let world = World::with_rows(&rows(0, 30));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    let mut objects = shelf.objects.lock().unwrap().clone();
    let last = objects.keys().rfind(|key| key.starts_with("A/")).unwrap().clone();
    objects.remove(&last);
    let before = objects.clone();

    world.append("A,2025-01-02 00:00:00,30\n");
    let shelf = Shelf::new(&state_dir, objects, all_fine());
    let report = world.follow(&state_dir, shelf.clone()).await;
    assert_eq!(report.failures.len(), 1, "the state knows more than the sink: {report:?}");
    assert_eq!(shelf.objects.lock().unwrap().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_expire_for_a_while_lose_no_row() {
    let world = World::with_rows(&rows(0, 30));
    let state_dir = world.state_dir("state");
    let expired = Arc::new(AtomicBool::new(false));
    let shelf = Shelf::new(&state_dir, Objects::new(), denied_while(&expired));
    let mut following = world.open(&state_dir, shelf.clone(), settings());
    following.run_to_the_end().await;
    for round in 1..4 {
        expired.store(true, Ordering::Relaxed);
        world.append(&rows(round * 30, 6).concat());
        let report = following.run_to_the_end().await;
        assert!(matches!(report.error, Some(PassError::Sink(SinkError::Denied(_)))), "{report:?}");
        expired.store(false, Ordering::Relaxed);
        world.append(&rows(round * 30 + 6, 24).concat());
        let report = following.run_to_the_end().await;
        assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
        let due: Vec<u32> = (0..(round + 1) * 30).collect();
        assert_eq!(stored(&shelf.objects.lock().unwrap()), due);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_file_and_a_lost_state_together_double_nothing() {
    let world = World::with_rows(&rows(0, 30));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    world.follow(&state_dir, shelf.clone()).await;
    // Written anew: the first rows are gone, the last are there again, and some are new and later.
    let lines: Vec<String> =
        (0..6).map(|n| format!("{},2025-03-01 00:00:00,{}\n", ["A", "B", "C"][n % 3], 30 + n)).collect();
    std::fs::remove_file(world.folder.path().join("rows.csv")).unwrap();
    world.append(&format!("SITE,TIME,VALUE\n{}{}", rows(21, 9).concat(), lines.concat()));
    let lost = world.state_dir("lost");
    world.follow(&lost, shelf.clone()).await;
    assert_eq!(stored(&shelf.objects.lock().unwrap()), (0..36).collect::<Vec<_>>());
}
