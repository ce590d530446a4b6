//! What every sink promises, whatever it stores to.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use livecosmos::sink::local::LocalSink;
use livecosmos::sink::memory::MemorySink;
use livecosmos::sink::{Facts, Guard, Object, PutOutcome, Sink, SinkError};

use crate::bucket;
use crate::clouds;
use crate::objects::{facts, key, kind, object};
use crate::support::azurite::{self, Azurite};
use crate::support::front::Front;
use crate::support::google::{self, Google};
use crate::support::s3_client::S3Client;
use crate::support::{garage, moto, s3s};

/// A kind of sink under test.
struct Subject<'a> {
    guard: Guard,
    /// Opens a place of the given name: twice the same name is twice the same place.
    open: Box<dyn Fn(&str) -> Opening<'a> + 'a>,
    /// Reads the bytes of an object without the sink; `None` where only the sink can.
    read: Box<ReadBytes<'a>>,
    /// Whether a second opening sees what the first stored.
    outlives: bool,
}

type ReadBytes<'a> = dyn Fn(&str, &str) -> Option<Vec<u8>> + 'a;
type Opening<'a> = Pin<Box<dyn Future<Output = Arc<dyn Sink>> + 'a>>;

impl Subject<'_> {
    async fn probed(&self, place: &str) -> Arc<dyn Sink> {
        let sink = (self.open)(place).await;
        assert_eq!(sink.probe().await.expect("it can be probed"), self.guard.into());
        sink
    }

    async fn keep(&self) {
        self.an_object_is_stored_with_its_facts().await;
        self.a_taken_key_keeps_what_it_has().await;
        self.what_is_not_there_is_none().await;
        self.encodings_and_empty_bytes_are_kept().await;
        self.keys_are_listed_in_byte_order_from_inclusive().await;
        self.places_do_not_see_each_other().await;
        self.a_probe_changes_nothing_that_is_seen().await;
        self.a_key_that_leaves_its_place_is_refused().await;
        self.of_puts_at_once_one_is_stored().await;
    }

    async fn an_object_is_stored_with_its_facts(&self) {
        let sink = self.probed("stored").await;
        assert_eq!(sink.put(&key(0), &object(0, "one\n")).await.expect("stored"), PutOutcome::Stored);
        assert_eq!(sink.head(&key(0)).await.expect("looked at"), Some(facts(0)));
        assert_eq!(got(&*sink, &key(0)).await, Some((facts(0), b"one\n".to_vec())));
        if let Some(bytes) = (self.read)("stored", &key(0)) {
            assert_eq!(bytes, b"one\n");
        }
        if self.outlives {
            let again = (self.open)("stored").await;
            assert_eq!(again.head(&key(0)).await.expect("looked at"), Some(facts(0)));
        }
    }

    async fn a_taken_key_keeps_what_it_has(&self) {
        let sink = self.probed("taken").await;
        assert_eq!(sink.put(&key(3), &object(3, "first")).await.expect("stored"), PutOutcome::Stored);
        for bytes in ["second", "first", ""] {
            let outcome = sink.put(&key(3), &object(4, bytes)).await.expect("answered");
            assert_eq!(outcome, PutOutcome::Exists, "{bytes:?}");
            assert_eq!(sink.head(&key(3)).await.expect("looked at"), Some(facts(3)), "{bytes:?}");
            assert_eq!(got(&*sink, &key(3)).await, Some((facts(3), b"first".to_vec())), "{bytes:?}");
            if let Some(bytes) = (self.read)("taken", &key(3)) {
                assert_eq!(bytes, b"first");
            }
        }
    }

    async fn what_is_not_there_is_none(&self) {
        let sink = self.probed("none").await;
        assert_eq!(sink.head(&key(0)).await.expect("looked at"), None);
        assert_eq!(got(&*sink, &key(0)).await, None);
        sink.put(&key(0), &object(0, "x")).await.expect("stored");
        assert_eq!(sink.head(&key(1)).await.expect("looked at"), None);
        assert_eq!(sink.head("ALIC1").await.map_err(|error| kind(&error)).unwrap_or(None), None);
    }

    async fn encodings_and_empty_bytes_are_kept(&self) {
        let sink = self.probed("encodings").await;
        for (seq, encoding, bytes) in [(0, None, ""), (1, Some("gzip"), "\x1f"), (2, Some("zstd"), "\0\x01")]
        {
            let object = Object { content_encoding: encoding, ..object(seq, bytes) };
            assert_eq!(sink.put(&key(seq), &object).await.expect("stored"), PutOutcome::Stored);
            assert_eq!(sink.head(&key(seq)).await.expect("looked at"), Some(facts(seq)));
            assert_eq!(got(&*sink, &key(seq)).await, Some((facts(seq), bytes.as_bytes().to_vec())));
            if let Some(read) = (self.read)("encodings", &key(seq)) {
                assert_eq!(read, bytes.as_bytes());
            }
        }
    }

    async fn keys_are_listed_in_byte_order_from_inclusive(&self) {
        let sink = self.probed("list").await;
        let none: [String; 0] = [];
        assert_eq!(sink.list("", "", 10).await.expect("listed"), none);
        // '.' sorts before '/', and '/' before digits and letters.
        let keys = ["a.b", "a/0", "a/1", "a/10", "a/11", "a/12", "a/13", "a/2", "a/b/c", "a0", "ab/c", "b"];
        for key in keys.iter().rev() {
            sink.put(key, &object(0, *key)).await.expect("stored");
        }
        let cases: &[(&str, &str, usize, &[&str])] = &[
            ("", "", 100, &keys),
            ("", "", 5, &keys[..5]),
            ("", "", 0, &[]),
            ("a/1", "", 100, &keys[2..7]),
            ("a/", "a/12", 100, &keys[5..9]),
            ("a/", "a/12", 2, &keys[5..7]),
            ("a/", "a/115", 2, &keys[5..7]),
            ("a/", "a", 3, &keys[1..4]),
            ("a/", "b", 100, &[]),
            ("a/", "a/zzz", 100, &[]),
            ("a/b", "a/b/c", 100, &keys[8..9]),
            ("", "a0", 100, &keys[9..]),
            ("c", "", 100, &[]),
        ];
        for (prefix, from, keys_max, expected) in cases {
            let listed = sink.list(prefix, from, *keys_max).await.expect("listed");
            assert_eq!(&listed, expected, "list({prefix:?}, {from:?}, {keys_max})");
        }
    }

    async fn places_do_not_see_each_other(&self) {
        let (short, long) = (self.probed("pre").await, self.probed("prefix").await);
        short.put("a/1", &object(1, "short")).await.expect("stored");
        assert_eq!(long.head("a/1").await.expect("looked at"), None);
        assert_eq!(long.put("a/1", &object(2, "long")).await.expect("stored"), PutOutcome::Stored);
        long.put("a/2", &object(2, "long")).await.expect("stored");
        assert_eq!(short.list("", "", 9).await.expect("listed"), ["a/1"]);
        assert_eq!(short.head("a/1").await.expect("looked at"), Some(facts(1)));
    }

    async fn a_probe_changes_nothing_that_is_seen(&self) {
        let sink = self.probed("probe").await;
        sink.put(&key(0), &object(0, "x")).await.expect("stored");
        assert_eq!(sink.probe().await.expect("probed again"), self.guard.into());
        assert_eq!(sink.list("", "", 9).await.expect("listed"), [key(0)]);
        assert_eq!(sink.head(&key(0)).await.expect("looked at"), Some(facts(0)));
        assert_eq!(sink.put(&key(0), &object(1, "y")).await.expect("answered"), PutOutcome::Exists);
    }

    async fn a_key_that_leaves_its_place_is_refused(&self) {
        let sink = self.probed("keys").await;
        for key in ["", "/a", "../a", "a/../../b", "a//b", "a/", ".livecosmos/x", "a\0b"] {
            let put = sink.put(key, &object(0, "x")).await.expect_err("no such key can be stored");
            let head = sink.head(key).await.expect_err("no such key can be looked at");
            let get = sink.get(key).await.expect_err("no such key can be read");
            assert_eq!([&put, &head, &get].map(kind), ["refused"; 3], "{key:?}");
        }
        let none: [String; 0] = [];
        assert_eq!(sink.list("", "", 9).await.expect("listed"), none);
    }

    /// Where the guard is only our look before each put, two at once may both be stored.
    async fn of_puts_at_once_one_is_stored(&self) {
        if self.guard == Guard::LookFirst {
            return;
        }
        let sink = self.probed("at-once").await;
        for round in 0..5 {
            let puts = (0..8).map(|writer| {
                let sink = Arc::clone(&sink);
                let object = object(writer, format!("bytes of writer {writer}"));
                tokio::spawn(async move { settled(sink.as_ref(), &key(round), &object).await })
            });
            let mut outcomes = Vec::new();
            for put in puts.collect::<Vec<_>>() {
                outcomes.push(put.await.expect("no put panics"));
            }
            let stored: Vec<_> = (0..8).filter(|writer| outcomes[*writer] == PutOutcome::Stored).collect();
            assert_eq!(stored.len(), 1, "{outcomes:?}");
            let winner = stored[0] as u64;
            assert_eq!(sink.head(&key(round)).await.expect("looked at"), Some(facts(winner)));
            if let Some(bytes) = (self.read)("at-once", &key(round)) {
                assert_eq!(bytes, format!("bytes of writer {winner}").as_bytes());
            }
        }
    }
}

async fn got(sink: &dyn Sink, key: &str) -> Option<(Facts, Vec<u8>)> {
    sink.get(key).await.expect("read").map(|(facts, bytes)| (facts, bytes.to_vec()))
}

/// Puts until the sink says how it ended: S3 may answer 409 to one of two puts at once.
async fn settled(sink: &dyn Sink, key: &str, object: &Object) -> PutOutcome {
    for _ in 0..100 {
        match sink.put(key, object).await {
            Ok(outcome) => return outcome,
            Err(SinkError::Retry(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("100 puts of {key} were not settled")
}

fn folder(root: &Path) -> Subject<'_> {
    Subject {
        guard: Guard::CreateIfAbsent,
        open: Box::new(|place| {
            let sink: Arc<dyn Sink> = Arc::new(LocalSink::new(root.join(place)));
            Box::pin(std::future::ready(sink))
        }),
        read: Box::new(|place, key| Some(std::fs::read(root.join(place).join(key)).expect("an object file"))),
        outlives: true,
    }
}

fn bucket_of<'a>(endpoint: &'a str, client: &'a S3Client, guard: Guard) -> Subject<'a> {
    Subject {
        guard,
        open: Box::new(move |place| {
            let settings = bucket::settings(endpoint, &client.bucket, &format!("{place}/deep"));
            Box::pin(async move {
                let sink: Arc<dyn Sink> = Arc::new(bucket::open(&settings, client).await);
                sink
            })
        }),
        read: Box::new(|place, key| client.get(&format!("{place}/deep/{key}")).map(|object| object.body)),
        outlives: true,
    }
}

fn container_of(server: &Azurite) -> Subject<'_> {
    Subject {
        guard: Guard::CreateIfAbsent,
        open: Box::new(|place| {
            let sink: Arc<dyn Sink> = Arc::new(clouds::open_azure(server, &format!("{place}/deep")));
            Box::pin(std::future::ready(sink))
        }),
        read: Box::new(|place, key| server.get(&format!("{place}/deep/{key}")).map(|blob| blob.body)),
        outlives: true,
    }
}

fn bucket_of_google(server: &Google, guard: Guard) -> Subject<'_> {
    Subject {
        guard,
        open: Box::new(|place| {
            let sink: Arc<dyn Sink> = Arc::new(clouds::open_google(server, &format!("{place}/deep")));
            Box::pin(std::future::ready(sink))
        }),
        read: Box::new(|place, key| {
            server.client().get(&format!("{place}/deep/{key}")).map(|object| object.body)
        }),
        outlives: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_the_contract() {
    let root = tempfile::tempdir().expect("a temporary folder");
    folder(root.path()).keep().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    let subject = Subject {
        guard: Guard::CreateIfAbsent,
        open: Box::new(|_| {
            let sink: Arc<dyn Sink> = Arc::new(MemorySink::new());
            Box::pin(std::future::ready(sink))
        }),
        read: Box::new(|_, _| None),
        outlives: false,
    };
    subject.keep().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_s3s_keeps_the_contract() {
    let server = s3s::start();
    let front = Front::before(server.address());
    bucket_of(&front.endpoint(), server.client(), Guard::CreateIfAbsent).keep().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_moto_keeps_the_contract() {
    let server = moto::start();
    let front = Front::before(server.address());
    bucket_of(&front.endpoint(), server.client(), Guard::CreateIfAbsent).keep().await;
}

/// Garage overwrites what it should leave alone, so every put looks first.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_garage_keeps_the_contract_by_looking_first() {
    let server = garage::start();
    bucket_of(&server.endpoint(), server.client(), Guard::LookFirst).keep().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_of_azurite_keeps_the_contract() {
    container_of(&azurite::start()).keep().await;
}

/// Google's protocol, played before moto.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_in_googles_protocol_keeps_the_contract() {
    bucket_of_google(&google::start(), Guard::CreateIfAbsent).keep().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_googles_protocol_that_ignores_the_condition_is_looked_at_first() {
    let server = google::start();
    server.ignore_conditions();
    bucket_of_google(&server, Guard::LookFirst).keep().await;
}

#[test]
fn facts_that_are_hard_to_write_are_written_in_printable_ascii() {
    let metadata: BTreeMap<String, String> = facts(0).to_metadata();
    for (name, value) in metadata {
        assert!(value.bytes().all(|byte| (0x21..0x7f).contains(&byte)), "{name}: {value:?}");
    }
}
