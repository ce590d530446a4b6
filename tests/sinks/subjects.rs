//! Sinks that give back what they hold, under the contract of all (`contract.rs`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use livecosmos::sink::local::LocalSink;
use livecosmos::sink::memory::MemorySink;
use livecosmos::sink::{Guard, Sink};

use crate::bucket;
use crate::clouds;
use crate::contract::{OtherSide, Subject};
use crate::objects::facts;
use crate::support::azurite::{self, Azurite};
use crate::support::front::Front;
use crate::support::google::{self, Google};
use crate::support::s3_client::S3Client;
use crate::support::{garage, moto, s3s};

fn folder(root: &Path) -> Subject<'_> {
    Subject {
        guard: Guard::CreateIfAbsent,
        open: Box::new(|place| {
            let sink: Arc<dyn Sink> = Arc::new(LocalSink::new(root.join(place)));
            Box::pin(std::future::ready(sink))
        }),
        other_side: OtherSide::Readable {
            read: Box::new(|place, key| {
                Some(std::fs::read(root.join(place).join(key)).expect("an object file"))
            }),
            outlives: true,
        },
        is_exclusive: true,
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
        other_side: OtherSide::Readable {
            read: Box::new(|place, key| client.get(&format!("{place}/deep/{key}")).map(|object| object.body)),
            outlives: true,
        },
        is_exclusive: true,
    }
}

fn container_of(server: &Azurite) -> Subject<'_> {
    Subject {
        guard: Guard::CreateIfAbsent,
        open: Box::new(|place| {
            let sink: Arc<dyn Sink> = Arc::new(clouds::open_azure(server, &format!("{place}/deep")));
            Box::pin(std::future::ready(sink))
        }),
        other_side: OtherSide::Readable {
            read: Box::new(|place, key| server.get(&format!("{place}/deep/{key}")).map(|blob| blob.body)),
            outlives: true,
        },
        is_exclusive: true,
    }
}

fn bucket_of_google(server: &Google, guard: Guard) -> Subject<'_> {
    Subject {
        guard,
        open: Box::new(|place| {
            let sink: Arc<dyn Sink> = Arc::new(clouds::open_google(server, &format!("{place}/deep")));
            Box::pin(std::future::ready(sink))
        }),
        other_side: OtherSide::Readable {
            read: Box::new(|place, key| {
                server.client().get(&format!("{place}/deep/{key}")).map(|object| object.body)
            }),
            outlives: true,
        },
        is_exclusive: true,
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
        other_side: OtherSide::Readable { read: Box::new(|_, _| None), outlives: false },
        is_exclusive: true,
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
