//! Receivers, which take and give nothing back, under the contract of all sinks (`contract.rs`): the one that
//! `docs/http-endpoint.md` shows, and the one that `docs/mqtt.md` shows behind a Mosquitto.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use livecosmos::sink::http::{HttpSettings, HttpSink};
use livecosmos::sink::mqtt::{MqttSettings, MqttSink, Topic};
use livecosmos::sink::{Facts, Guard, Sink};

use crate::contract::{Arrived, OtherSide, Subject};
use crate::support::front::{Fault, Front};
use crate::support::mosquitto::{Listener, Mosquitto};
use crate::support::process::wait_until;
use crate::support::receiver::Receiver;
use crate::support::subscriber::Subscriber;

const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// A place of an endpoint: a receiver of its own, and what passed before it.
struct Endpoint {
    receiver: Receiver,
    front: Front,
    passed: Arc<Mutex<Vec<Arrived>>>,
}

impl Endpoint {
    fn start() -> Self {
        let receiver = Receiver::start();
        let front = Front::before(receiver.address());
        let passed = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&passed);
        front.set_rule(move |request| {
            if request.header("idempotency-key").is_some() {
                let labels = request.headers.iter().cloned().collect();
                let batch = arrived(&labels, request.body.clone());
                seen.lock().expect("no panic").push(batch);
            }
            Fault::None
        });
        Self { receiver, front, passed }
    }
}

/// A batch by the labels that came with it.
fn arrived(labels: &BTreeMap<String, String>, bytes: Vec<u8>) -> Arrived {
    let own = labels.iter().filter(|(name, _)| name.starts_with("livecosmos-"));
    let own = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    let facts = Facts::from_metadata(&own).expect("facts that can be read");
    Arrived { facts, encoding: labels.get("content-encoding").cloned(), bytes }
}

/// Lines by seq, of keys that end in `/live/SEQ.ndjson`.
fn by_seq(batches: BTreeMap<String, Vec<u8>>) -> BTreeMap<u64, Vec<u8>> {
    let seq = |key: &str| {
        let (_, seq) = key.strip_suffix(".ndjson").and_then(|key| key.rsplit_once("/live/")).expect("a key");
        seq.parse::<u64>().expect("a seq")
    };
    batches.into_iter().map(|(key, lines)| (seq(&key), lines)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_with_the_receiver_of_the_docs_keeps_the_contract() {
    let places: RefCell<BTreeMap<String, Endpoint>> = RefCell::default();
    let subject = Subject {
        guard: Guard::Receiver,
        open: Box::new(|place| {
            let mut places = places.borrow_mut();
            let endpoint = places.entry(place.to_owned()).or_insert_with(Endpoint::start);
            let url = format!("{}/rows", endpoint.front.endpoint());
            let settings = HttpSettings::new(&url).expect("a URL");
            let sink: Arc<dyn Sink> = Arc::new(HttpSink::open(&settings).expect("opened"));
            Box::pin(std::future::ready(sink))
        }),
        other_side: OtherSide::Receiver {
            arrived: Box::new(|place| places.borrow()[place].passed.lock().expect("no panic").clone()),
            kept: Box::new(|place| by_seq(places.borrow()[place].receiver.batches())),
            encodings: &["gzip"],
        },
        is_exclusive: true,
    };
    subject.keep().await;
}

/// A place of a broker: topics below its name, and who subscribes to them.
struct Topics {
    listener: Listener,
    subscriber: Subscriber,
}

impl Topics {
    fn of(broker: &Mosquitto, place: &str) -> Self {
        let all = format!("{place}/#");
        let listener = broker.listen(&all, &["-V", "mqttv5", "-F", "%x %P"]);
        wait_until("a listener", STARTS_WITHIN, || broker.log().contains(&all).then_some(()));
        Self { listener, subscriber: Subscriber::start(broker.address(), "5", &all) }
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.listener.heard().iter().map(|line| heard(line)).collect()
    }
}

/// The payload in hex, then `name:value` of each property.
fn heard(line: &str) -> Arrived {
    let (hex, properties) = line.split_once(' ').expect("payload and properties");
    let pairs = properties.split(' ').filter_map(|pair| pair.split_once(':'));
    let labels = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    arrived(&labels, (0..hex.len()).step_by(2).map(byte).collect())
}

/// A broker has no way to tell that a key is taken: its receiver alone sees to that.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_the_receiver_of_the_docs_keeps_the_contract_but_for_telling_what_it_holds() {
    static CLIENTS: AtomicUsize = AtomicUsize::new(0);
    let broker = Mosquitto::start();
    let places: RefCell<BTreeMap<String, Topics>> = RefCell::default();
    let subject = Subject {
        guard: Guard::Receiver,
        open: Box::new(|place| {
            let mut places = places.borrow_mut();
            places.entry(place.to_owned()).or_insert_with(|| Topics::of(&broker, place));
            let mut settings = MqttSettings::new(&broker.url()).expect("a URL");
            settings.topic = Topic::parse(&format!("{place}/{{site}}")).expect("a topic");
            settings.client_id = format!("contract-{}", CLIENTS.fetch_add(1, Ordering::Relaxed));
            let sink: Arc<dyn Sink> = Arc::new(MqttSink::open(&settings).expect("opened"));
            Box::pin(std::future::ready(sink))
        }),
        other_side: OtherSide::Receiver {
            arrived: Box::new(|place| places.borrow()[place].arrived()),
            kept: Box::new(|place| by_seq(places.borrow()[place].subscriber.batches())),
            encodings: &["gzip"],
        },
        is_exclusive: false,
    };
    subject.keep().await;
}
