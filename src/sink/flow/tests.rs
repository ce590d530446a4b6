//! The flow before a sink that is made up, by a clock that only sleeps move.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::sink::{Contents, Facts, Guard, Object, Probed, PutOutcome, Sink};

mod pace;

const LIMITS: FlowLimits = FlowLimits {
    in_flight_max: 16,
    bytes_per_second_max: None,
    requests_per_second_max: None,
    patience: Duration::from_mins(1),
};

/// The key of an object that no sink here ever takes.
const POISON: &str = "poison";

type Says = dyn Fn(usize) -> Result<(), SinkError> + Send + Sync;

/// Answers each list as it is told, by its number, after a second.
struct Scripted {
    says: Box<Says>,
    asked: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Scripted {
    fn new(says: impl Fn(usize) -> Result<(), SinkError> + Send + Sync + 'static) -> Arc<Self> {
        let zero = AtomicUsize::default;
        Arc::new(Self { says: Box::new(says), asked: zero(), under_way: zero(), most: zero() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Sink for Scripted {
    async fn list(&self, _: &str, _: &str, _: usize) -> Result<Vec<String>, SinkError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(under_way, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        (self.says)(number).map(|()| Vec::new())
    }

    /// Takes as long as the bytes may; what would be fatal hangs instead. Over [`POISON`] the sink stumbles.
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let says = if key == POISON { away() } else { (self.says)(number) };
        if let (Ok(()) | Err(SinkError::Fatal(_)), Some(pace)) = (&says, &object.pace) {
            tokio::time::sleep(pace.left_for(object.bytes.len())).await;
        }
        if matches!(says, Err(SinkError::Fatal(_))) {
            pending::<()>().await;
        }
        says.map(|()| PutOutcome::Stored)
    }

    async fn head(&self, _: &str) -> Result<Option<Facts>, SinkError> {
        Ok(None)
    }

    async fn get(&self, _: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        Ok(None)
    }

    async fn probe(&self) -> Result<Probed, SinkError> {
        Ok(Guard::CreateIfAbsent.into())
    }

    #[expect(clippy::unnecessary_literal_bound, reason = "the signature is the trait's")]
    fn describe(&self) -> &str {
        "scripted:"
    }
}

fn away() -> Result<(), SinkError> {
    Err(SinkError::Away("nobody there".into()))
}

fn busy() -> Result<(), SinkError> {
    Err(SinkError::Busy { words: "slow down".into(), wait: None })
}

/// `count` requests at once, each made once; how many of them went well.
async fn all_at_once(sink: &Arc<dyn Sink>, count: usize) -> usize {
    let mut asking = JoinSet::new();
    for _ in 0..count {
        let sink = Arc::clone(sink);
        asking.spawn(async move { sink.list("", "", 1).await.is_ok() });
    }
    asking.join_all().await.into_iter().filter(|went_well| *went_well).count()
}

fn passage(sink: &Arc<Scripted>, limits: FlowLimits) -> (Arc<dyn Sink>, Arc<Flow>) {
    let flow = Arc::new(Flow::new(limits));
    (Passage::to(sink.clone(), Arc::clone(&flow), Waiter::default()), flow)
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_under_way_than_may_be() {
    let sink = Scripted::new(|_| Ok(()));
    let (way, _) = passage(&sink, FlowLimits { in_flight_max: 3, ..LIMITS });
    assert_eq!(all_at_once(&way, 20).await, 20);
    assert_eq!(sink.most.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_overloaded_gets_fewer_at_once_and_then_more_again() {
    // Every other answer: it is overloaded, and it is there.
    let sink = Scripted::new(|number| if number < 200 && number.is_multiple_of(2) { busy() } else { Ok(()) });
    let (way, flow) = passage(&sink, LIMITS);
    all_at_once(&way, 200).await;
    assert!(flow.figures().in_flight <= 2, "{:?}", flow.figures());
    sink.most.store(0, Ordering::SeqCst);
    assert_eq!(all_at_once(&way, 10).await, 10);
    assert!(sink.most.load(Ordering::SeqCst) <= 5, "it grows by about one a round");
    assert_eq!(all_at_once(&way, 400).await, 400);
    assert_eq!(flow.figures().in_flight, 16);
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_as_many_requests_for_three_hundred_sites_as_for_one() {
    for sites in [1, 30, 300] {
        let sink = Scripted::new(|_| away());
        let (way, flow) = passage(&sink, LIMITS);
        let ends = Instant::now() + Duration::from_mins(10);
        let mut asking = JoinSet::new();
        for _ in 0..sites {
            let way = Arc::clone(&way);
            asking.spawn(async move {
                while Instant::now() < ends {
                    let wait = match way.list("", "", 1).await {
                        Err(SinkError::Later { wait: Some(wait), .. }) => wait,
                        _ => Duration::from_secs(1),
                    };
                    tokio::time::sleep(wait).await;
                }
            });
        }
        asking.join_all().await;
        // Those under way at its beginning, then probes: 30 s apart on average in the end.
        assert!((6..100).contains(&sink.asked()), "{sites} sites: {} requests", sink.asked());
        assert_eq!(flow.figures().outages, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_short_outage_goes_on_when_it_is_over() {
    let sink = Scripted::new(|number| if number < 8 { away() } else { Ok(()) });
    let (way, flow) = passage(&sink, FlowLimits { in_flight_max: 5, ..LIMITS });
    let began = Instant::now();
    assert_eq!(all_at_once(&way, 40).await, 40 - 8, "eight had an answer, all others waited");
    assert!(began.elapsed() < Duration::from_mins(1));
    assert_eq!((sink.asked(), flow.closed_for(), flow.outages().borrow().clone()), (40, None, None));
}

#[tokio::test(start_paused = true)]
async fn after_its_patience_a_request_is_turned_away_with_what_the_sink_said() {
    let sink = Scripted::new(|_| away());
    let (way, _) = passage(&sink, FlowLimits { patience: Duration::from_secs(10), ..LIMITS });
    all_at_once(&way, 5).await;
    let began = Instant::now();
    let turning_away = async {
        loop {
            if let Err(SinkError::Later { words, wait: Some(_) }) = way.list("", "", 1).await {
                break words;
            }
        }
    };
    let turned_away = tokio::time::timeout(Duration::from_mins(5), turning_away).await.expect("an end");
    assert!(began.elapsed() <= Duration::from_secs(12), "{:?}", began.elapsed());
    assert!(turned_away.starts_with("nobody there (away since 2"), "{turned_away}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_object_is_no_outage() {
    let sink = Scripted::new(|_| Err(SinkError::Refused("not this one".into())));
    let (way, flow) = passage(&sink, LIMITS);
    all_at_once(&way, 50).await;
    assert_eq!((sink.asked(), flow.closed_for(), flow.figures().in_flight), (50, None, 16));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_asks_for_time_is_left_alone_by_all() {
    let wait = Some(Duration::from_secs(30));
    let sink = Scripted::new(move |number| match number {
        0 => Err(SinkError::Busy { words: "later".into(), wait }),
        _ => Ok(()),
    });
    let (way, _) = passage(&sink, LIMITS);
    assert!(way.list("", "", 1).await.is_err());
    let began = Instant::now();
    assert_eq!(all_at_once(&way, 10).await, 10);
    assert!(began.elapsed() >= Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn when_too_many_requests_fail_they_are_not_repeated() {
    // Never five in a row: no outage, and yet most fail.
    let sink = Scripted::new(|number| if number.is_multiple_of(3) { Ok(()) } else { away() });
    let (way, flow) = passage(&sink, FlowLimits { in_flight_max: 1, ..LIMITS });
    let mut repeated = 0;
    for _ in 0..400 {
        if let Err(error) = way.list("", "", 1).await {
            repeated += usize::from(error.is_for_retry());
        }
    }
    let Figures { requests, failures, unrepeated, outages, .. } = flow.figures();
    assert_eq!((requests, failures, outages), (400, 266, 0));
    // A burst of 21, a tenth of 400, and ten a minute for 400 s.
    assert!((100..=130).contains(&repeated), "{repeated}");
    assert_eq!(unrepeated, failures - repeated as u64);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_all_waiting() {
    let sink = Scripted::new(|_| Ok(()));
    let limits = FlowLimits { requests_per_second_max: Some(1), ..LIMITS };
    let waiter = Waiter::default();
    let way = Passage::to(sink.clone(), Arc::new(Flow::new(limits)), waiter.clone());
    let asking = tokio::spawn(async move { all_at_once(&way, 1000).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    waiter.stop.request();
    let went_well = asking.await.unwrap();
    assert!((5..10).contains(&went_well), "{went_well}");
    assert!(waiter.progress.steps() > 5, "who waits for a limit is no hanging daemon");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_a_sink_stumbles_over_does_not_keep_others_from_trying_it() {
    let sink = Scripted::new(|_| Ok(()));
    let (way, flow) = passage(&sink, LIMITS);
    for _ in 0..5 {
        assert!(way.put(POISON, &object(1)).await.is_err());
    }
    assert!(flow.closed_for().is_some(), "five in a row");
    // It comes first whenever there is something to come for.
    let poison = Arc::clone(&way);
    let stumbling = tokio::spawn(async move {
        loop {
            let error = poison.put(POISON, &object(1)).await.expect_err("it stumbles");
            let wait =
                if let SinkError::Later { wait: Some(wait), .. } = error { wait } else { Duration::ZERO };
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    });
    tokio::time::sleep(Duration::from_mins(10)).await;
    for _ in 0..20 {
        let began = Instant::now();
        while let Err(error) = way.put("A", &object(1)).await {
            let SinkError::Later { wait: Some(wait), .. } = error else { panic!("{error:?}") };
            tokio::time::sleep(wait + Duration::from_millis(10)).await;
        }
        assert!(began.elapsed() <= Duration::from_mins(1), "it has the next probe");
        tokio::time::sleep(Duration::from_secs(100)).await;
    }
    stumbling.abort();
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_behind_others_lives_as_long_as_they_do() {
    let sink = Scripted::new(|_| Err(SinkError::Fatal("hangs".into())));
    let limits = FlowLimits { in_flight_max: 1, bytes_per_second_max: Some(100), ..LIMITS };
    let flow = Arc::new(Flow::new(limits));
    let first = Passage::to(sink.clone(), Arc::clone(&flow), Waiter::default());
    let waiter = Waiter::default();
    let second = Passage::to(sink, flow, waiter.clone());
    let mut putting = JoinSet::new();
    putting.spawn(async move { first.put("A", &object(60_100)).await });
    tokio::task::yield_now().await;
    putting.spawn(async move { second.put("B", &object(1)).await });
    tokio::time::sleep(Duration::from_mins(9)).await;
    let steps = waiter.progress.steps();
    assert!((500..=600).contains(&steps), "{steps} signs of life behind one that takes ten minutes");
    tokio::time::sleep(Duration::from_mins(2)).await;
    let steps = waiter.progress.steps();
    tokio::time::sleep(Duration::from_mins(9)).await;
    assert_eq!(waiter.progress.steps(), steps, "it hangs behind one that hangs");
}

/// An object of so many bytes.
fn object(bytes: usize) -> Object {
    let facts = Facts {
        table: livecosmos_state::TableName::parse("T").unwrap(),
        site: livecosmos_state::SiteId::parse("A").unwrap(),
        chain: livecosmos_state::ChainName::LIVE,
        seq: 0,
        from: livecosmos_state::Cursor::Start,
        to: livecosmos_state::Cursor::Start,
        next: None,
        is_resend: false,
        rows: 0,
        last_data: Time::MIN,
        digest: [0; 32],
        config: String::new(),
        instance: String::new(),
        generation: 0,
        contents: Contents::default(),
    };
    Object {
        bytes: vec![0; bytes].into(),
        content_type: "application/x-ndjson",
        content_encoding: None,
        facts: Arc::new(facts),
        pace: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Seeds are printed by proptest where it fails.
    #[test]
    fn whatever_a_sink_answers_no_request_hangs_and_no_permit_is_lost(
        answers in prop::collection::vec(0u8..6, 1..200),
        in_flight_max in 1usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let count = answers.len();
            let sink = Scripted::new(move |number| match answers.get(number) {
                Some(1) => away(),
                Some(2) => busy(),
                Some(3) => Err(SinkError::Retry("again".into())),
                Some(4) => Err(SinkError::Refused("no".into())),
                Some(5) => Err(SinkError::Busy { words: "wait".into(), wait: Some(Duration::from_secs(3)) }),
                _ => Ok(()),
            });
            let (way, flow) = passage(&sink, FlowLimits { in_flight_max, ..LIMITS });
            while sink.asked() < count {
                all_at_once(&way, count).await;
                tokio::time::sleep(flow.closed_for().unwrap_or_default()).await;
            }
            // From here on it answers well.
            while all_at_once(&way, 1).await == 0 {
                tokio::time::sleep(flow.closed_for().unwrap_or_default()).await;
            }
            while flow.figures().in_flight < in_flight_max {
                all_at_once(&way, 2 * in_flight_max).await;
            }
            sink.most.store(0, Ordering::SeqCst);
            assert_eq!(all_at_once(&way, 3 * in_flight_max).await, 3 * in_flight_max);
            assert_eq!(sink.most.load(Ordering::SeqCst), in_flight_max, "permits");
        });
    }
}
