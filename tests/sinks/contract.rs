//! What every sink promises, whatever it stores to: `subjects.rs` has those that can be read, `receivers.rs` those
//! that give nothing back. What stdout promises is less, and is in `stdout.rs`.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use livecosmos::sink::{Facts, Guard, Object, PutOutcome, Sink, SinkError};

use crate::objects::{facts, key, kind, object};
use crate::support::process::wait_until;

/// A kind of sink under test. Each rule of the contract says what it needs of a sink.
pub(crate) struct Subject<'a> {
    pub(crate) guard: Guard,
    /// Opens a place of the given name: twice the same name is twice the same place.
    pub(crate) open: Box<dyn Fn(&str) -> Opening<'a> + 'a>,
    pub(crate) other_side: OtherSide<'a>,
    /// Whether a put of a key that is taken by something else is told so.
    pub(crate) is_exclusive: bool,
}

/// How a test sees what arrived, without the sink.
pub(crate) enum OtherSide<'a> {
    /// The sink gives back what it holds.
    Readable {
        /// Reads the bytes of an object; `None` where only the sink can.
        read: Box<ReadBytes<'a>>,
        /// Whether a second opening sees what the first stored.
        outlives: bool,
    },
    /// A receiver takes it.
    Receiver {
        /// What arrived in a place, with repetitions, in its order.
        arrived: Box<ReadArrived<'a>>,
        /// What the receiver keeps of a place: its lines, by the seq of their batch.
        kept: Box<ReadKept<'a>>,
        /// Encodings that it understands.
        encodings: &'static [&'static str],
    },
}

/// One batch as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) facts: Facts,
    pub(crate) encoding: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

type ReadArrived<'a> = dyn Fn(&str) -> Vec<Arrived> + 'a;
type ReadKept<'a> = dyn Fn(&str) -> BTreeMap<u64, Vec<u8>> + 'a;
type ReadBytes<'a> = dyn Fn(&str, &str) -> Option<Vec<u8>> + 'a;
pub(crate) type Opening<'a> = Pin<Box<dyn Future<Output = Arc<dyn Sink>> + 'a>>;

const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

impl Subject<'_> {
    async fn probed(&self, place: &str) -> Arc<dyn Sink> {
        let sink = (self.open)(place).await;
        assert_eq!(sink.probe().await.expect("it can be probed"), self.guard.into());
        sink
    }

    pub(crate) async fn keep(&self) {
        self.an_object_arrives_with_its_facts().await;
        self.encodings_and_empty_bytes_are_kept().await;
        self.the_same_put_twice_is_there_once().await;
        self.a_probe_changes_nothing_that_is_seen().await;
        self.a_key_that_leaves_its_place_is_refused().await;
        self.of_puts_at_once_all_arrive_whole().await;
        if self.is_exclusive {
            self.a_taken_key_keeps_what_it_has().await;
            self.of_puts_of_one_key_at_once_one_is_stored().await;
        }
        if let OtherSide::Readable { .. } = self.other_side {
            self.what_is_not_there_is_none().await;
            self.keys_are_listed_in_byte_order_from_inclusive().await;
            self.places_do_not_see_each_other().await;
        }
    }

    /// What is held of `object` on the other side must be that, with these facts, and once.
    async fn assert_held(&self, sink: &dyn Sink, place: &str, key: &str, object: &Object) {
        let (facts, bytes) = (object.facts.as_ref().clone(), object.bytes.to_vec());
        match &self.other_side {
            OtherSide::Readable { read, .. } => {
                assert_eq!(sink.head(key).await.expect("looked at"), Some(facts.clone()), "{key}");
                assert_eq!(got(sink, key).await, Some((facts, bytes.clone())), "{key}");
                if let Some(read) = read(place, key) {
                    assert_eq!(read, bytes, "{key}");
                }
            }
            OtherSide::Receiver { arrived, kept, .. } => {
                let lines = lines_of(object);
                let encoding = object.content_encoding.map(str::to_owned);
                let due = Arrived { facts, encoding, bytes };
                wait_until("a batch as it was put", ARRIVES_WITHIN, || {
                    arrived(place).contains(&due).then_some(())
                });
                let keeps = || kept(place).remove(&due.facts.seq).unwrap_or_default();
                wait_until("its lines, once", ARRIVES_WITHIN, || (keeps() == lines).then_some(()));
            }
        }
    }

    async fn an_object_arrives_with_its_facts(&self) {
        let sink = self.probed("stored").await;
        let object = object(0, "one\n");
        assert_eq!(sink.put(&key(0), &object).await.expect("stored"), PutOutcome::Stored);
        self.assert_held(&*sink, "stored", &key(0), &object).await;
        if let OtherSide::Readable { outlives: true, .. } = self.other_side {
            let again = (self.open)("stored").await;
            assert_eq!(again.head(&key(0)).await.expect("looked at"), Some(facts(0)));
        }
    }

    async fn encodings_and_empty_bytes_are_kept(&self) {
        let sink = self.probed("encodings").await;
        let understood = |encoding: &str| match self.other_side {
            OtherSide::Readable { .. } => true,
            OtherSide::Receiver { encodings, .. } => encodings.contains(&encoding),
        };
        let all = [(None, Vec::new()), (Some("gzip"), gzip(b"one\ntwo\n")), (Some("zstd"), vec![0, 1])];
        let all = all.into_iter().filter(|(encoding, _)| encoding.is_none_or(understood));
        for (seq, (encoding, bytes)) in (0..).zip(all) {
            let object = Object { content_encoding: encoding, ..object(seq, bytes) };
            assert_eq!(sink.put(&key(seq), &object).await.expect("stored"), PutOutcome::Stored);
            self.assert_held(&*sink, "encodings", &key(seq), &object).await;
        }
    }

    /// As after a lost reply. Whoever holds the key says that it does, or takes the repetition for what it is.
    async fn the_same_put_twice_is_there_once(&self) {
        let sink = self.probed("twice").await;
        let object = object(5, "one\ntwo\n");
        assert_eq!(sink.put(&key(5), &object).await.expect("stored"), PutOutcome::Stored);
        let second = sink.put(&key(5), &object).await.expect("answered");
        let is_told = matches!(self.other_side, OtherSide::Readable { .. });
        assert_eq!(second, if is_told { PutOutcome::Exists } else { PutOutcome::Stored });
        // What is put later arrives later: the repetition has had its time.
        let later = self::object(6, "three\n");
        sink.put(&key(6), &later).await.expect("stored");
        self.assert_held(&*sink, "twice", &key(6), &later).await;
        self.assert_held(&*sink, "twice", &key(5), &object).await;
    }

    async fn a_probe_changes_nothing_that_is_seen(&self) {
        let sink = self.probed("probe").await;
        let object = object(0, "x\n");
        sink.put(&key(0), &object).await.expect("stored");
        assert_eq!(sink.probe().await.expect("probed again"), self.guard.into());
        self.assert_held(&*sink, "probe", &key(0), &object).await;
        match &self.other_side {
            OtherSide::Readable { .. } => {
                assert_eq!(sink.list("", "", 9).await.expect("listed"), [key(0)]);
                let second = sink.put(&key(0), &self::object(1, "y")).await.expect("answered");
                assert_eq!(second, PutOutcome::Exists);
            }
            OtherSide::Receiver { arrived, kept, .. } => {
                assert_eq!((arrived("probe").len(), kept("probe").len()), (1, 1));
            }
        }
    }

    async fn a_key_that_leaves_its_place_is_refused(&self) {
        let sink = self.probed("keys").await;
        for key in ["", "/a", "../a", "a/../../b", "a//b", "a/", ".livecosmos/x", "a\0b"] {
            let put = sink.put(key, &object(0, "x")).await.expect_err("no such key can be stored");
            assert_eq!(kind(&put), "refused", "{key:?}");
            if let OtherSide::Readable { .. } = self.other_side {
                let head = sink.head(key).await.expect_err("no such key can be looked at");
                let get = sink.get(key).await.expect_err("no such key can be read");
                assert_eq!([&head, &get].map(kind), ["refused"; 2], "{key:?}");
            }
        }
        match &self.other_side {
            OtherSide::Readable { .. } => {
                let none: [String; 0] = [];
                assert_eq!(sink.list("", "", 9).await.expect("listed"), none);
            }
            OtherSide::Receiver { arrived, .. } => assert_eq!(arrived("keys"), []),
        }
    }

    async fn of_puts_at_once_all_arrive_whole(&self) {
        let sink = self.probed("together").await;
        let objects = (0..8).map(|seq| object(seq, format!("bytes of {seq}\n").repeat(500)));
        let puts = objects.map(|object| {
            let sink = Arc::clone(&sink);
            tokio::spawn(async move {
                let outcome = settled(sink.as_ref(), &key(object.facts.seq), &object).await;
                (object, outcome)
            })
        });
        for put in puts.collect::<Vec<_>>() {
            let (object, outcome) = put.await.expect("no put panics");
            assert_eq!(outcome, PutOutcome::Stored);
            self.assert_held(&*sink, "together", &key(object.facts.seq), &object).await;
        }
    }

    /// Of an endpoint it is told which other batch it holds; what an object is, is seen at its key.
    async fn a_taken_key_keeps_what_it_has(&self) {
        let sink = self.probed("taken").await;
        let first = contender(3, 1, "first\n");
        assert_eq!(sink.put(&key(3), &first).await.expect("stored"), PutOutcome::Stored);
        for bytes in ["second\n", "first\n", ""] {
            let outcome = sink.put(&key(3), &contender(3, 2, bytes)).await.expect("answered");
            assert_eq!(outcome, PutOutcome::Exists, "{bytes:?}");
            let held = sink.head(&key(3)).await.expect("looked at");
            assert_eq!(held.as_ref(), Some(first.facts.as_ref()), "{bytes:?}");
            self.assert_held(&*sink, "taken", &key(3), &first).await;
        }
    }

    /// Where the guard is only our look before each put, two at once may both be stored.
    async fn of_puts_of_one_key_at_once_one_is_stored(&self) {
        if self.guard == Guard::LookFirst {
            return;
        }
        let sink = self.probed("at-once").await;
        for round in 0..5 {
            let puts = (0..8).map(|writer| {
                let sink = Arc::clone(&sink);
                let object = contender(round, writer, &format!("bytes of writer {writer}\n"));
                tokio::spawn(async move {
                    let outcome = settled(sink.as_ref(), &key(round), &object).await;
                    (object, outcome)
                })
            });
            let mut outcomes = Vec::new();
            for put in puts.collect::<Vec<_>>() {
                outcomes.push(put.await.expect("no put panics"));
            }
            let mut stored = outcomes.iter().filter(|(_, outcome)| *outcome == PutOutcome::Stored);
            let (winner, _) = stored.next().expect("one is stored");
            assert!(stored.next().is_none(), "{outcomes:?}");
            let held = sink.head(&key(round)).await.expect("looked at");
            assert_eq!(held.as_ref(), Some(winner.facts.as_ref()));
            self.assert_held(&*sink, "at-once", &key(round), winner).await;
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
}

/// A batch that another writer would store as that one: its digest tells them apart.
fn contender(seq: u64, writer: u8, bytes: &str) -> Object {
    let facts = Facts { digest: [writer; 32], ..facts(seq) };
    Object { facts: Arc::new(facts), ..object(seq, bytes.to_owned()) }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// The lines that a receiver makes of an object.
fn lines_of(object: &Object) -> Vec<u8> {
    let mut lines = Vec::new();
    match object.content_encoding {
        Some("gzip") => {
            let mut decoder = flate2::read::GzDecoder::new(&object.bytes[..]);
            decoder.read_to_end(&mut lines).expect("what was compressed");
        }
        _ => lines.extend_from_slice(&object.bytes),
    }
    lines
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
