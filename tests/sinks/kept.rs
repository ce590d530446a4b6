//! What a put asks the server for (encryption, a class of storage, tags, a lock), and what every request says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use livecosmos::clock::Clock;
use livecosmos::sink::s3::{Encryption, Keeping, Lock, LockMode, StorageClass, Tags};
use livecosmos::sink::{PutOutcome, Sink};
use livecosmos_state::Time;

use crate::bucket::{open, open_at, settings};
use crate::objects::{key, kind, object};
use crate::support::front::{Fault, Front};
use crate::support::http::Message;
use crate::support::process::wait_until;
use crate::support::s3_client::S3Client;
use crate::support::{moto, s3s};

const SOON: Duration = Duration::from_secs(20);

/// 2030-01-01T00:00:00Z, always.
struct NewYear;

impl Clock for NewYear {
    fn now(&self) -> Time {
        Time::new(1_893_456_000, 0).expect("a time of 2030")
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO
    }
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Tags {
    let mut tags = Tags::default();
    for (name, value) in pairs {
        tags.add(name, value).expect("S3 takes it");
    }
    tags
}

/// The object's own key, and the probe's: a bucket whose policy demands encryption refuses one without.
fn kept_keys(client: &S3Client) -> Vec<String> {
    let keys = client.list("p/");
    assert!(keys.len() == 2 && keys[0].starts_with("p/.livecosmos/probe-"), "{keys:?}");
    keys
}

fn header(reply: &Message, name: &str) -> String {
    reply.header(name).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_and_the_probe_are_encrypted_classed_tagged_and_locked_as_configured() {
    let server = moto::start();
    let client = S3Client { bucket: "locked".to_owned(), ..server.client().clone() };
    let lockable = [("x-amz-bucket-object-lock-enabled".to_owned(), "true".to_owned())];
    assert_eq!(client.request("PUT", "", "", &lockable, b"").status(), 200);
    let mut settings = settings(&server.endpoint(), "locked", "p");
    let key_id = "arn:aws:kms:us-east-1:123456789012:key/1234abcd";
    settings.keeping = Keeping {
        encryption: Some(Encryption::Kms { key: Some(key_id.to_owned()), bucket_key: Some(true) }),
        storage_class: Some(StorageClass::parse("STANDARD_IA", false).expect("one of AWS's")),
        tags: tags(&[("site type", "a+b/c=ü")]),
        lock: Some(Lock { mode: LockMode::Governance, lock_for: Duration::from_hours(30 * 24) }),
    };
    let sink = open_at(&settings, &client, Arc::new(NewYear)).await;
    sink.probe().await.expect("probed");
    assert_eq!(sink.put(&key(0), &object(0, "x")).await.expect("stored"), PutOutcome::Stored);
    for key in kept_keys(&client) {
        let head = client.request("HEAD", &key, "", &[], b"");
        assert_eq!(header(&head, "x-amz-server-side-encryption"), "aws:kms", "{key}");
        assert_eq!(header(&head, "x-amz-server-side-encryption-aws-kms-key-id"), key_id, "{key}");
        assert_eq!(header(&head, "x-amz-server-side-encryption-bucket-key-enabled"), "true", "{key}");
        assert_eq!(header(&head, "x-amz-storage-class"), "STANDARD_IA", "{key}");
        assert_eq!(header(&head, "x-amz-object-lock-mode"), "GOVERNANCE", "{key}");
        let until = header(&head, "x-amz-object-lock-retain-until-date");
        assert!(until.starts_with("2030-01-31T00:00:00"), "{key}: {until}");
        let tagging = client.request("GET", &key, "tagging=", &[], b"").text();
        assert!(tagging.contains("<Key>site type</Key><Value>a+b/c=ü</Value>"), "{key}: {}", {
            tagging.split_whitespace().collect::<String>()
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_the_buckets_own_rules_decide() {
    let server = moto::start();
    let front = Front::before(server.address());
    let sink = open(&settings(&front.endpoint(), server.bucket(), "p"), server.client()).await;
    let sent = watch(&front);
    sink.put(&key(0), &object(0, "x")).await.expect("stored");
    let sent = sent.lock().expect("no rule panics");
    let asks = |name: &&String| {
        ["encryption", "storage-class", "tagging", "lock", "payer", "owner"]
            .iter()
            .any(|part| name.contains(part))
    };
    let asked: Vec<&String> = sent.iter().flat_map(|(_, headers)| headers.keys()).filter(asks).collect();
    assert_eq!((sent.len(), asked), (1, Vec::<&String>::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_says_who_pays_and_whose_the_bucket_must_be() {
    let server = moto::start();
    let front = Front::before(server.address());
    let mut settings = settings(&front.endpoint(), server.bucket(), "p");
    settings.requester_pays = true;
    settings.bucket_owner = Some("123456789012".to_owned());
    let sink = open(&settings, server.client()).await;
    let sent = watch(&front);
    sink.probe().await.expect("probed");
    sink.put(&key(0), &object(0, "x")).await.expect("stored");
    sink.head(&key(0)).await.expect("looked at");
    sink.get(&key(0)).await.expect("read");
    sink.list("", "", 1).await.expect("listed");
    let sent = sent.lock().expect("no rule panics");
    let methods: Vec<&str> = sent.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(methods, ["GET", "PUT", "PUT", "HEAD", "PUT", "HEAD", "GET", "GET"]);
    for (method, headers) in sent.iter() {
        let said = |name: &str| headers.get(name).map(String::as_str);
        assert_eq!(said("x-amz-request-payer"), Some("requester"), "{method}");
        assert_eq!(said("x-amz-expected-bucket-owner"), Some("123456789012"), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_is_signed_anew() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let sink = open(&settings(&front.endpoint(), server.bucket(), "p"), server.client()).await;
    let sent = watch_and(&front, Fault::Answer(503));
    let signed = |said: &str| {
        let sent = sent.lock().expect("no rule panics");
        sent.iter().map(|(_, headers)| headers.get(said).cloned()).collect::<Vec<_>>()
    };
    // Times of signatures are whole seconds.
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        wait_until("a signature with another time", SOON, || {
            let put = runtime.block_on(sink.put(&key(0), &object(0, "x")));
            assert_eq!(kind(&put.expect_err("refused")), "retry");
            let times = signed("x-amz-date");
            (times.first() != times.last()).then_some(())
        });
    });
    let (times, signatures) = (signed("x-amz-date"), signed("authorization"));
    assert!(times.iter().all(Option::is_some), "{times:?}");
    assert_ne!(signatures.first(), signatures.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_reported_with_the_seconds() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let sink = open(&settings(&front.endpoint(), server.bucket(), "p"), server.client()).await;
    front.fail_next(1, "PUT", Fault::Skew);
    let error = sink.put(&key(0), &object(0, "x")).await.expect_err("the server minds the time");
    assert_eq!(kind(&error), "retry", "{error}");
    let message = error.to_string();
    let (_, said) = message.split_once("this machine's clock is ").expect("a word on the clock");
    let ahead_s: i64 = said.split(' ').next().expect("a number").parse().expect("a number");
    // The server says that it is 2000; no test runs before 2025.
    assert!(ahead_s > 25 * 365 * 86_400, "{message}");
    assert!(message.contains("timedatectl set-ntp true"), "{message}");
}

type Sent = Arc<Mutex<Vec<(String, BTreeMap<String, String>)>>>;

/// Method and headers of each request from now on.
fn watch(front: &Front) -> Sent {
    watch_and(front, Fault::None)
}

fn watch_and(front: &Front, fault: Fault) -> Sent {
    let sent = Sent::default();
    let seen = Arc::clone(&sent);
    front.set_rule(move |request| {
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let said = (request.method().to_owned(), headers.collect());
        seen.lock().expect("no test panics with it").push(said);
        fault
    });
    sent
}
