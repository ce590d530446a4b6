//! Large objects, which go in parts: whole or not at all, once, and with nothing left over.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use livecosmos::sink::s3::PART_BYTES_MIN;
use livecosmos::sink::{
    Checksum, Flow, FlowLimits, Object, Passage, PutOutcome, S3Settings, Sink, SinkError, Waiter,
};

use crate::bucket::{open, settings};
use crate::data::{self, SplitMix64};
use crate::objects::{facts, key, kind, object};
use crate::support::daemon::workdir;
use crate::support::front::{Fault, Front};
use crate::support::process::wait_until;
use crate::support::s3_client::S3Client;
use crate::support::{garage, moto, objects as stored, s3s};

const KIB: usize = 1 << 10;

/// Three parts, the last a small one.
static LARGE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut random = SplitMix64::new(1);
    (0..2 * PART_BYTES_MIN + KIB).map(|_| u8::try_from(random.below(256)).expect("a byte")).collect()
});

pub(crate) fn large() -> Bytes {
    LARGE.clone()
}

pub(crate) fn in_parts(endpoint: &str, bucket: &str, prefix: &str) -> S3Settings {
    let mut settings = settings(endpoint, bucket, prefix);
    (settings.multipart_threshold_bytes, settings.part_bytes) = (PART_BYTES_MIN, PART_BYTES_MIN);
    settings
}

/// Uploads that were begun and neither put together nor ended.
pub(crate) fn open_uploads(client: &S3Client) -> usize {
    let listed = client.request("GET", "", "uploads=", &[], b"");
    assert_eq!(listed.status(), 200, "{}", listed.text());
    listed.text().matches("<UploadId>").count()
}

/// Puts an object as the uploader does: what is worth another try has one. moto's last answer is none of S3's.
pub(crate) async fn put_at_last(sink: &impl Sink, object: &Object) -> Result<PutOutcome, SinkError> {
    for _ in 0..3 {
        match sink.put(&key(object.facts.seq), object).await {
            Err(error) if error.is_passing() => {}
            settled => return settled,
        }
    }
    sink.put(&key(object.facts.seq), object).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_comes_back_whole_from_each_server_and_is_stored_once() {
    let (s3s, moto, garage) = (s3s::start(), moto::start(), garage::start());
    let bytes = large();
    let all = [Checksum::WhenRequired, Checksum::Crc64Nvme, Checksum::Crc32, Checksum::Sha256];
    // moto keeps a checksum of its own making with an object in parts, which does not fit the bytes.
    for (server, checksums) in [(&*s3s, &all[..]), (&moto, &all[..1]), (&garage, &all[..])] {
        for checksum in checksums.iter().copied() {
            let mut settings = in_parts(&server.endpoint(), server.bucket(), &format!("{checksum:?}"));
            settings.checksum = checksum;
            let sink = open(&settings, server.client()).await;
            let first = put_at_last(&sink, &object(0, bytes.clone())).await.expect("stored");
            assert!(first == PutOutcome::Stored || server.endpoint() == moto.endpoint());
            let second = sink.put(&key(0), &object(0, bytes.clone())).await;
            assert_eq!(second.expect("answered"), PutOutcome::Exists);
            let (found, read) = sink.get(&key(0)).await.expect("read").expect("an object");
            assert!(read == bytes && found == facts(0), "{} {checksum:?}", server.endpoint());
        }
    }
    // s3s-fs cannot list them.
    assert_eq!((open_uploads(moto.client()), open_uploads(garage.client())), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_somebody_else_that_appears_meanwhile_is_left_alone() {
    let server = moto::start();
    let front = Front::before(server.address());
    let sink = open(&in_parts(&front.endpoint(), server.bucket(), "p"), server.client()).await;
    // The probe is over before.
    put_at_last(&sink, &object(0, large())).await.expect("stored");
    let (client, other) = (server.client().clone(), format!("p/{}", key(1)));
    let others = other.clone();
    front.set_rule(move |request| {
        if request.method() == "POST" && request.target().contains("uploadId=") {
            assert_eq!(client.put(&others, b"somebody else's"), 200);
        }
        Fault::None
    });
    assert_eq!(sink.put(&key(1), &object(1, large())).await.expect("answered"), PutOutcome::Exists);
    assert_eq!(server.client().get(&other).expect("an object").body, b"somebody else's");
    assert_eq!(open_uploads(server.client()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_request_is_lost_or_its_reply_the_object_is_stored_once_and_nothing_is_left() {
    let server = garage::start();
    let front = Front::before(server.address());
    // Two parts.
    let bytes = large().slice(PART_BYTES_MIN - KIB..);
    let faults = [Fault::LoseRequest, Fault::LoseReply, Fault::AnswerAfter(500)];
    for (number, fault) in faults.into_iter().enumerate() {
        // As many as that takes, with the probe before the first.
        for nth in 0..10 {
            let prefix = format!("{number}-{nth}");
            let sink = open(&in_parts(&front.endpoint(), server.bucket(), &prefix), server.client()).await;
            let seen = Arc::new(Mutex::new(0));
            front.set_rule(move |_| {
                let mut seen = seen.lock().expect("no panic");
                *seen += 1;
                if *seen == nth + 1 { fault } else { Fault::None }
            });
            let mut failures = 0;
            loop {
                match sink.put(&key(0), &object(0, bytes.clone())).await {
                    Ok(_) => break,
                    Err(error) => assert_eq!(kind(&error), "retry", "{fault:?} of request {nth}: {error}"),
                }
                failures += 1;
                assert!(failures < 3, "{fault:?} of request {nth} is not over");
            }
            let (found, read) = sink.get(&key(0)).await.expect("read").expect("an object");
            assert!(read == bytes && found == facts(0), "{fault:?} of request {nth}");
        }
    }
    front.set_rule(|_| Fault::None);
    // Of the probe's uploads too, which the next start would end.
    assert!(open_uploads(server.client()) <= faults.len() * 4, "{}", open_uploads(server.client()));
    let of_objects = server.client().request("GET", "", "uploads=", &[], b"").text();
    assert!(!of_objects.contains(&key(0)), "{of_objects}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_is_tried_again_sends_only_the_parts_that_did_not_arrive() {
    let server = garage::start();
    let front = Front::before(server.address());
    let mut settings = in_parts(&front.endpoint(), server.bucket(), "p");
    settings.multipart_threshold_bytes = 1;
    let sink = open(&settings, server.client()).await;
    // The probe is over before.
    assert_eq!(sink.put(&key(0), &object(0, "xx")).await.expect("answered"), PutOutcome::Stored);
    front.set_rule(
        |request| {
            if request.target().contains("partNumber=3") { Fault::LoseRequest } else { Fault::None }
        },
    );
    let before = front.count("PUT", 200);
    let error = sink.put(&key(1), &object(1, large())).await.expect_err("a part is lost");
    assert_eq!(kind(&error), "retry", "{error}");
    wait_until("the other parts", Duration::from_mins(1), || {
        (front.count("PUT", 200) == before + 2).then_some(())
    });
    front.set_rule(|_| Fault::None);
    assert_eq!(sink.put(&key(1), &object(1, large())).await.expect("answered"), PutOutcome::Stored);
    assert!(front.count("PUT", 200) <= before + 3, "sent again: {}", front.count("PUT", 200) - before);
    assert_eq!(open_uploads(server.client()), 0);
}

/// Three parts of what may leave in a second each, the first at once; the second is lost on its way. What is paid
/// for is what left: nothing waits for the third, which did not, nor at the next try for the first.
#[tokio::test(flavor = "multi_thread")]
async fn at_a_pace_a_put_that_broke_off_sends_only_the_rest_and_waits_for_nothing_that_did_not_leave() {
    const PART_BYTES: usize = 4_000;
    let server = garage::start();
    let front = Front::before(server.address());
    let mut settings = settings(&front.endpoint(), server.bucket(), "p");
    (settings.multipart_threshold_bytes, settings.part_bytes) = (1, PART_BYTES);
    let flow = Arc::new(Flow::new(FlowLimits {
        in_flight_max: 4,
        bytes_per_second_max: Some(PART_BYTES as u64),
        requests_per_second_max: None,
        patience: Duration::from_secs(1),
    }));
    let sink = Arc::new(open(&settings, server.client()).await);
    // The probe is over before.
    assert_eq!(sink.put(&key(0), &object(0, "xx")).await.expect("answered"), PutOutcome::Stored);
    let sink = Passage::to(sink, Arc::clone(&flow), Waiter::default());
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    front.set_rule(move |request| {
        let Some((_, part)) = request.target().split_once("partNumber=") else { return Fault::None };
        let mut seen = seen.lock().expect("no panic");
        seen.push(part.chars().next().expect("a number"));
        if seen.len() == 2 { Fault::LoseRequest } else { Fault::None }
    });
    let bytes = large().slice(..3 * PART_BYTES);
    let begun = Instant::now();
    let error = sink.put(&key(1), &object(1, bytes.clone())).await.expect_err("a part is lost");
    assert_eq!(kind(&error), "retry", "{error}");
    assert_eq!(sink.put(&key(1), &object(1, bytes.clone())).await.expect("answered"), PutOutcome::Stored);
    let last = object(2, bytes.slice(..PART_BYTES));
    assert_eq!(sink.put(&key(2), &last).await.expect("answered"), PutOutcome::Stored);
    let (took, waited) = (begun.elapsed(), flow.figures().waited);
    assert_eq!(*sent.lock().expect("no panic"), ['1', '2', '2', '3', '1']);
    let (_, read) = sink.get(&key(1)).await.expect("read").expect("an object");
    assert!(read == bytes);
    // Five parts left, one of them at once.
    assert!(took >= Duration::from_millis(3_900), "faster than it may: {took:?}");
    assert!(waited < Duration::from_millis(500), "waited {waited:?} for what did not leave");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_parts_are_on_their_way_it_stores_every_row_once_and_leaves_no_parts() {
    const KILLS: usize = 8;
    const ROWS: usize = 6_000;
    let seed = data::seed();
    println!("seed {seed}");
    let mut random = SplitMix64::new(seed);
    let server = garage::start();
    let workdir = workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"met.csv\"\n[sink]\nurl = \"s3://{}/raw\"\n[sink.s3]\nendpoint = \"{}\"\n\
         region = \"us-east-1\"\npath_style = true\nmultipart_threshold = \"5 MiB\"\npart_size = \"5 MiB\"\n\
         [upload]\nformat = \"ndjson\"\nbatch_bytes_max = \"12 MiB\"\nmemory_max = \"96 MiB\"\n\
         [poll]\ninterval = \"100ms\"\nfallback = \"all\"\n\
         [tables.MET]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n",
        server.bucket(),
        server.endpoint()
    ));
    let mut csv = "SITE_ID,DATE_TIME,ID,NOTE\n".to_owned();
    for id in 0..ROWS {
        let (minutes, seconds) = (id / 60 % 60, id % 60);
        let _ = writeln!(
            csv,
            "S1,2025-01-02T{:02}:{minutes:02}:{seconds:02}Z,{id},{}",
            id / 3_600,
            "x".repeat(8_000)
        );
    }
    workdir.write("met.csv", csv);
    let daemon = workdir.livecosmos().table("MET").credentials(&server);
    for _ in 0..KILLS {
        let running = daemon.spawn();
        let moment = Instant::now() + Duration::from_millis(random.below(700));
        wait_until("a random moment", Duration::from_mins(1), || (Instant::now() >= moment).then_some(()));
        drop(running.kill());
    }
    let _ = daemon.arg("--once").run().expect_code(0);
    let objects = stored::in_bucket(server.client(), "raw/S1");
    assert!(objects.values().any(|object| object.len() > 2 * PART_BYTES_MIN), "none went in parts");
    let rows = stored::rows(&objects);
    stored::assert_exactly_once((0..ROWS).map(|id| id.to_string()), &rows, |row| row.text("ID"));
    let left = server.client().request("GET", "", "uploads=", &[], b"").text();
    assert!(!left.contains("raw/S1"), "{left}");
}
