//! How fast requests and their bytes go.

use http_body::Body as _;

use super::*;

#[tokio::test(start_paused = true)]
async fn requests_a_second_are_counted_over_all_tables_of_a_sink() {
    let sink = Scripted::new(|_| Ok(()));
    let limits = FlowLimits { requests_per_second_max: Some(10), ..LIMITS };
    let (one, flow) = passage(&sink, limits);
    let other = Passage::to(sink.clone(), Arc::clone(&flow), Waiter::default());
    let began = Instant::now();
    let (of_one, of_other) = tokio::join!(all_at_once(&one, 100), all_at_once(&other, 100));
    assert_eq!((of_one, of_other), (100, 100));
    let took = began.elapsed().as_secs_f64();
    assert!((18.5..21.5).contains(&took), "200 at 10 a second, the first ten at once: {took} s");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_turn_when_the_sink_goes_away_is_not_asked() {
    let sink = Scripted::new(|_| away());
    let (way, flow) = passage(&sink, FlowLimits { requests_per_second_max: Some(1), ..LIMITS });
    all_at_once(&way, 14).await;
    let probes = flow.outages().borrow().as_ref().map_or(0, |outage| outage.probes);
    // Five, one that was under way with the fifth, and probes.
    assert!(sink.asked() <= 6 + probes as usize, "{} with {probes} probes", sink.asked());
}

#[tokio::test(start_paused = true)]
async fn what_was_paid_for_before_an_outage_does_not_leave_in_one_go_after_it() {
    // The first five puts fail, and so does the first probe.
    let sink = Scripted::new(|number| if number < 6 { away() } else { Ok(()) });
    let (way, _) = passage(&sink, FlowLimits { bytes_per_second_max: Some(100), ..LIMITS });
    let mut putting = JoinSet::new();
    for _ in 0..12 {
        let way = Arc::clone(&way);
        putting.spawn(async move { way.put("A", &object(1000)).await.is_ok().then(Instant::now) });
    }
    let mut ends: Vec<Instant> = putting.join_all().await.into_iter().flatten().collect();
    ends.sort_unstable();
    assert_eq!(ends.len(), 12 - 6, "six had an answer");
    for pair in ends.windows(2) {
        let apart = pair[1].duration_since(pair[0]);
        assert!(apart >= Duration::from_millis(8_990), "1000 bytes at 100 a second, {apart:?} apart");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_were_not_sent_since_the_sink_went_away_are_not_paid_for() {
    let sink = Scripted::new(|number| if number < 60 { away() } else { Ok(()) });
    let (way, _) = passage(&sink, FlowLimits { bytes_per_second_max: Some(100), ..LIMITS });
    // Many wait for each probe; each of their objects is a minute of the limit.
    let mut putting = JoinSet::new();
    for _ in 0..30 {
        let way = Arc::clone(&way);
        putting.spawn(async move {
            loop {
                match way.put("A", &object(6_000)).await {
                    Ok(_) => return,
                    Err(SinkError::Later { wait: Some(wait), .. }) => tokio::time::sleep(wait).await,
                    Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
                }
            }
        });
    }
    let began = Instant::now();
    putting.join_all().await;
    // 60 probes and 30 objects, each paid for once; probes come 30 s apart on average.
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    assert!((85.0..130.0).contains(&minutes), "{minutes} minutes");
}

#[tokio::test(start_paused = true)]
async fn a_put_that_takes_long_by_our_own_limit_shows_life_and_one_that_hangs_shows_none() {
    let sink = Scripted::new(|_| Err(SinkError::Fatal("hangs".into())));
    let limits = FlowLimits { bytes_per_second_max: Some(100), ..LIMITS };
    let waiter = Waiter::default();
    let way = Passage::to(sink, Arc::new(Flow::new(limits)), waiter.clone());
    let putting = tokio::spawn(async move { way.put("A", &object(60_100)).await });
    tokio::time::sleep(Duration::from_mins(9)).await;
    let steps = waiter.progress.steps();
    assert!((500..=600).contains(&steps), "{steps} signs of life in nine of ten minutes");
    tokio::time::sleep(Duration::from_mins(2)).await;
    let steps = waiter.progress.steps();
    tokio::time::sleep(Duration::from_mins(9)).await;
    assert_eq!(waiter.progress.steps(), steps, "the watchdog sees that it hangs");
    putting.abort();
}

#[tokio::test(start_paused = true)]
async fn a_body_leaves_evenly_and_whole() {
    let flow = Flow::new(FlowLimits { bytes_per_second_max: Some(1 << 20), ..LIMITS });
    let waiter = Waiter::default();
    let bytes: Bytes = (0..30 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    let ticket = flow.enter(bytes.len() as u64, None, &waiter).await.unwrap();
    let mut body = Box::pin(PacedBody::new(bytes.clone(), ticket.pace.clone().unwrap()));
    assert_eq!(body.size_hint().exact(), Some(30 << 20));
    let (began, mut sent, mut largest_lead) = (Instant::now(), Vec::new(), 0.0_f64);
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
        sent.extend_from_slice(&frame.unwrap().into_data().unwrap());
        let may = (began.elapsed().as_secs_f64() + BURST_S) * f64::from(1 << 20);
        largest_lead = largest_lead.max(as_f64(sent.len() as u64) - may);
    }
    assert_eq!(sent, bytes);
    // A sleep ends with the millisecond.
    assert!(largest_lead <= 2048.0, "{largest_lead} bytes too early");
    let took = began.elapsed().as_secs_f64();
    assert!((28.9..29.2).contains(&took), "30 MiB at 1 MiB/s, the first at once: {took} s");
    drop(ticket);
    let waited = Instant::now();
    drop(flow.enter(1, None, &waiter).await.unwrap());
    assert!(waited.elapsed() < Duration::from_millis(100), "all of it is paid for by now");
}
