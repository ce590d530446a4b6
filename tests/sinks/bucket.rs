//! What is particular to buckets: faults of the network and of the server, and the words for them.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader};
use aws_sdk_s3::config::Credentials;
use livecosmos::clock::{Clock, SystemClock};
use livecosmos::sink::s3::S3Sink;
use livecosmos::sink::{Checksum, PutOutcome, S3Settings, Settings, Sink, SinkError};

use crate::objects::{facts, key, kind, object};
use crate::support::front::{Fault, Front};
use crate::support::http::Message;
use crate::support::process::free_address;
use crate::support::s3_client::S3Client;
use crate::support::{moto, s3s};

pub(crate) fn settings(endpoint: &str, bucket: &str, prefix: &str) -> S3Settings {
    let url = format!("s3://{bucket}/{prefix}");
    let Ok(Settings::S3(mut settings)) = Settings::parse(&url, Path::new("/")) else {
        panic!("{url} names no bucket")
    };
    settings.endpoint = Some(endpoint.to_owned());
    settings.region = Some("us-east-1".to_owned());
    *settings
}

/// Opens a sink with the keys of `client`, and nothing from this machine's environment.
pub(crate) async fn open(settings: &S3Settings, client: &S3Client) -> S3Sink {
    open_at(settings, client, Arc::new(SystemClock)).await
}

/// As [`open`], at the time of `clock`.
pub(crate) async fn open_at(settings: &S3Settings, client: &S3Client, clock: Arc<dyn Clock>) -> S3Sink {
    let keys = Credentials::new(&client.access_key, &client.secret_key, None, None, "test");
    S3Sink::open_with(settings, loader().credentials_provider(keys), clock)
        .await
        .expect("a sink opens without a server")
}

fn loader() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest()).empty_test_environment()
}

/// Keys for servers that are none.
pub(crate) fn nobody() -> S3Client {
    S3Client {
        address: free_address(),
        access_key: "k".to_owned(),
        secret_key: "s".to_owned(),
        region: "us-east-1".to_owned(),
        bucket: "b".to_owned(),
    }
}

/// The message without what differs from run to run.
fn words(error: &SinkError, endpoint: &str) -> String {
    error.to_string().replace(endpoint, "http://HOST:PORT")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_is_fatal_and_named() {
    let (s3s, moto) = (s3s::start(), moto::start());
    for server in [&*s3s, &moto] {
        let sink = open(&settings(&server.endpoint(), "no-such-bucket", "p"), server.client()).await;
        let error = sink.probe().await.expect_err("there is no such bucket");
        assert_eq!(kind(&error), "fatal", "{error}");
        assert_eq!(
            words(&error, &server.endpoint()),
            "cannot list 'p/' in s3://no-such-bucket/p at http://HOST:PORT: bucket 'no-such-bucket' does not \
             exist; create it, or correct the sink's url or endpoint"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_denied_and_never_repeated() {
    let server = s3s::start();
    let wrong_secret = S3Client { secret_key: "hunter2".to_owned(), ..server.client().clone() };
    let wrong_id = S3Client { access_key: "nobody".to_owned(), ..server.client().clone() };
    for client in [wrong_secret, wrong_id] {
        let sink = open(&settings(&server.endpoint(), server.bucket(), "p"), &client).await;
        for error in [
            sink.probe().await.expect_err("the keys are wrong"),
            sink.put(&key(0), &object(0, "x")).await.expect_err("the keys are wrong"),
            sink.head(&key(0)).await.expect_err("the keys are wrong"),
            sink.list("", "", 1).await.expect_err("the keys are wrong"),
        ] {
            assert_eq!(kind(&error), "denied", "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_worth_another_try() {
    let endpoint = format!("http://{}", free_address());
    let sink = open(&settings(&endpoint, "b", "p"), &nobody()).await;
    let error = sink.put("A/1", &object(0, "x")).await.expect_err("nothing listens");
    assert_eq!(kind(&error), "retry", "{error}");
    assert_eq!(
        words(&error, &endpoint),
        "cannot store 'p/A/1' in s3://b/p at http://HOST:PORT: nothing listens there (connection refused); \
         start the server or correct the endpoint"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_the_places_that_were_searched_are_named() {
    #[expect(deprecated, reason = "the new name is in a crate that is not ours to depend on for one test")]
    let files = {
        use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
        ProfileFiles::builder().with_contents(ProfileFileKind::Credentials, "[other]").build()
    };
    let none = aws_config::profile::ProfileFileCredentialsProvider::builder()
        .profile_files(files)
        .profile_name("station")
        .build();
    let chain = aws_config::meta::credentials::CredentialsProviderChain::first_try("Profile", none);
    let settings = settings("http://127.0.0.1:9", "b", "");
    let loader = loader().credentials_provider(chain);
    let sink = S3Sink::open_with(&settings, loader, Arc::new(SystemClock)).await.expect("opened");
    let error = sink.probe().await.expect_err("there are no credentials");
    assert_eq!(kind(&error), "denied", "{error}");
    assert_eq!(
        words(&error, "http://127.0.0.1:9"),
        "cannot list keys in s3://b at http://HOST:PORT: no credentials were found (Profile: profile `station` was \
         not defined: could not find source profile station referenced from the root profile); set \
         AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile in [sink.s3]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_reply_the_next_put_finds_the_object() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let sink = open(&settings(&front.endpoint(), server.bucket(), "p"), server.client()).await;
    front.fail_next(1, "PUT", Fault::LoseReply);
    let error = sink.put(&key(0), &object(0, "x")).await.expect_err("the reply is lost");
    assert_eq!(kind(&error), "retry", "{error}");
    assert_eq!(front.count("PUT", 200), 1, "the SDK must not retry by itself");
    assert_eq!(sink.put(&key(0), &object(0, "x")).await.expect("answered"), PutOutcome::Exists);
    assert_eq!(sink.head(&key(0)).await.expect("looked at"), Some(facts(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_means_what_must_be_done() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let sink = open(&settings(&front.endpoint(), server.bucket(), "p"), server.client()).await;
    for (status, expected) in
        [(409, "retry"), (503, "retry"), (500, "retry"), (429, "retry"), (403, "denied")]
    {
        front.fail_next(1, "PUT", Fault::Answer(status));
        let error = sink.put(&key(0), &object(0, "x")).await.expect_err("the server says no");
        assert_eq!(kind(&error), expected, "{status}: {error}");
    }
    front.fail_next(1, "HEAD", Fault::Answer(403));
    let error = sink.head(&key(0)).await.expect_err("the server says no");
    assert!(error.to_string().contains("s3:ListBucket"), "{error}");
    assert_eq!(front.exchanges().len(), 6, "one attempt for each call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_given_up_in_time() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let mut settings = settings(&front.endpoint(), server.bucket(), "p");
    settings.attempt_timeout = Duration::from_millis(200);
    let sink = open(&settings, server.client()).await;
    front.fail_next(1, "PUT", Fault::Stall);
    let error = sink.put(&key(0), &object(0, "x")).await.expect_err("no answer comes");
    assert_eq!(kind(&error), "retry", "{error}");
    let message = error.to_string();
    assert!(message.contains("no answer in time") && message.contains("200ms"), "{message}");
}

/// A body of 64 KiB has a second more than the tiny one above.
#[tokio::test(flavor = "multi_thread")]
async fn a_larger_object_is_given_more_time() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let mut settings = settings(&front.endpoint(), server.bucket(), "p");
    settings.attempt_timeout = Duration::from_millis(200);
    let sink = open(&settings, server.client()).await;
    front.fail_next(1, "PUT", Fault::Stall);
    let error = sink.put(&key(0), &object(0, vec![b'x'; 64 << 10])).await.expect_err("no answer comes");
    assert_eq!(kind(&error), "retry", "{error}");
    let message = error.to_string();
    assert!(message.contains("no answer in time") && message.contains("1.2s"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_chain_is_found_with_one_request() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let sink = open(&settings(&front.endpoint(), server.bucket(), "p"), server.client()).await;
    for seq in 0..10 {
        assert_eq!(server.client().put(&format!("p/{}", key(seq)), b"x"), 200);
    }
    // As the head is looked for: whatever the ending.
    let last = key(9);
    let (prefix, from) = ("ALIC1/", last.strip_suffix(".ndjson").expect("an ending"));
    assert_eq!(sink.list(prefix, from, 1).await.expect("listed"), [last.as_str()]);
    assert_eq!(front.count("GET", 200), 1, "{:?}", front.exchanges());
}

#[tokio::test(flavor = "multi_thread")]
async fn https_to_a_server_without_it_says_so() {
    let server = s3s::start();
    let endpoint = format!("https://{}", server.address());
    let sink = open(&settings(&endpoint, server.bucket(), "p"), server.client()).await;
    let error = sink.head(&key(0)).await.expect_err("the server speaks plain HTTP");
    assert_eq!(kind(&error), "retry", "{error}");
    assert!(error.to_string().contains("http://"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checksum_that_is_set_goes_with_the_object_and_no_other() {
    let server = moto::start();
    let front = Front::before(server.address());
    let cases = [
        (Checksum::Crc64Nvme, "a", &["x-amz-checksum-crc64nvme"][..]),
        (Checksum::Crc32, "b", &["x-amz-checksum-crc32"]),
        (Checksum::Sha256, "c", &["x-amz-checksum-sha256"]),
        (Checksum::WhenRequired, "d", &[]),
    ];
    for (checksum, prefix, expected) in cases {
        let mut settings = settings(&front.endpoint(), server.bucket(), prefix);
        settings.checksum = checksum;
        let sink = open(&settings, server.client()).await;
        let sent = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sent);
        front.set_rule(move |request| {
            let names = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
            seen.lock().expect("unpoisoned").extend(names);
            Fault::None
        });
        assert_eq!(sink.put(&key(0), &object(0, "x")).await.expect("stored"), PutOutcome::Stored);
        assert_eq!(server.client().get(&format!("{prefix}/{}", key(0))).expect("an object").body, b"x");
        let sent = sent.lock().expect("unpoisoned");
        let checksums: Vec<_> = sent.iter().filter(|name| name.starts_with("x-amz-checksum-")).collect();
        assert_eq!(checksums, expected, "{checksum:?}");
        assert!(!sent.iter().any(|name| name == "x-amz-trailer"), "a trailer would copy the body: {sent:?}");
    }
}

/// Injected: a server that says it stored other bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stored_something_else_is_not_believed() {
    let sink = open(&settings(&format!("http://{}", liar()), "b", "p"), &nobody()).await;
    let error = sink.put(&key(0), &object(0, "x")).await.expect_err("the checksum is another");
    assert_eq!(kind(&error), "fatal", "{error}");
    let message = error.to_string();
    assert!(message.contains("the server stored AAAAAAAAAAA= where "), "{message}");
    assert!(message.contains("remove it before you start again"), "{message}");
    // A second look would find that object with our facts, and take it as stored.
    for error in [
        sink.put(&key(0), &object(0, "x")).await.expect_err("nothing is sent any more"),
        sink.head(&key(0)).await.expect_err("nothing is looked at any more"),
    ] {
        assert_eq!((kind(&error), error.to_string()), ("fatal", message.clone()));
    }
}

/// Answers one request with a checksum that is not that of its body.
fn liar() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut from = BufReader::new(stream.try_clone().expect("a second handle"));
        Message::read_request(&mut from, &mut stream).expect("a request");
        let reply = "HTTP/1.1 200 OK\r\nx-amz-checksum-crc64nvme: AAAAAAAAAAA=\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(reply.as_bytes()).expect("answered");
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_someone_else_is_named_as_such() {
    let server = s3s::start();
    let sink = open(&settings(&server.endpoint(), server.bucket(), "p"), server.client()).await;
    assert_eq!(server.client().put("p/A/1", b"foreign"), 200);
    assert_eq!(sink.put("A/1", &object(0, "x")).await.expect("answered"), PutOutcome::Exists);
    let error = sink.head("A/1").await.expect_err("it has no facts");
    assert_eq!(kind(&error), "refused", "{error}");
    assert_eq!(kind(&sink.get("A/1").await.expect_err("it has no facts")), "refused");
    assert!(error.to_string().contains("not stored by livecosmos"), "{error}");
}

/// Injected: a byte of the server's own copy rots. The SDK compares with the checksum that is kept with it.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_rotted_in_the_server_are_refused_and_not_asked_for_again() {
    let server = s3s::start();
    let front = Front::before(server.address());
    let sink = open(&settings(&front.endpoint(), server.bucket(), "p"), server.client()).await;
    sink.put(&key(0), &object(0, "one\n")).await.expect("stored");
    let file = server.folder().join("objects").join(server.bucket()).join("p").join(key(0));
    rot(&file, b"0ne\n");
    let error = sink.get(&key(0)).await.expect_err("the checksum is another");
    assert_eq!(kind(&error), "refused", "{error}");
    assert!(error.to_string().contains("its bytes are not those that were stored"), "{error}");
    assert_eq!(sink.head(&key(0)).await.expect("looked at"), Some(facts(0)));
}

#[expect(clippy::disallowed_methods, reason = "damage is not durable either")]
fn rot(file: &Path, bytes: &[u8]) {
    std::fs::write(file, bytes).expect("an object that can be damaged");
}

/// Injected: a server whose answer ends in the middle of the body.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_worth_another_try() {
    let sink = open(&settings(&format!("http://{}", stutterer()), "b", "p"), &nobody()).await;
    let error = sink.get(&key(0)).await.expect_err("half of the body is not there");
    assert_eq!(kind(&error), "retry", "{error}");
    assert!(error.to_string().contains("the answer broke off"), "{error}");
}

/// Answers one request with the facts of an object, and with less of its body than it says.
fn stutterer() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut from = BufReader::new(stream.try_clone().expect("a second handle"));
        Message::read_request(&mut from, &mut stream).expect("a request");
        let header = |(name, value)| format!("x-amz-meta-{name}: {value}\r\n");
        let facts = facts(0).to_metadata().into_iter().map(header).collect::<Vec<_>>().concat();
        let reply = format!("HTTP/1.1 200 OK\r\n{facts}content-length: 100\r\n\r\nhalf");
        stream.write_all(reply.as_bytes()).expect("answered");
    });
    address
}
