//! What is particular to Google Cloud Storage and Azure Blob Storage: their words for what is wrong, and what goes
//! with an object.

use std::path::Path;

use livecosmos::secret::Secret;
use livecosmos::sink::cloud::CloudSink;
use livecosmos::sink::{
    AzureLogin, AzureSettings, GcsLogin, GcsSettings, Object, PutOutcome, Settings, Sink, SinkError,
};

use crate::objects::{facts, key, kind, object};
use crate::support::azurite::{self, ACCOUNT, Azurite, CONTAINER};
use crate::support::google::{self, Google};
use crate::support::process::free_address;
use crate::support::scripted::{Scripted, answer};

fn azure(endpoint: &str, container: &str, prefix: &str) -> AzureSettings {
    let Ok(Settings::Azure(mut settings)) =
        Settings::parse(&format!("az://{container}/{prefix}"), Path::new("/"))
    else {
        panic!("{container} is no container")
    };
    settings.account = Some(ACCOUNT.to_owned());
    settings.login = AzureLogin::Key(Secret::Written(azurite::key().into()));
    settings.reach.endpoint = Some(endpoint.to_owned());
    *settings
}

fn gcs(endpoint: &str, bucket: &str, prefix: &str) -> GcsSettings {
    let Ok(Settings::Gcs(mut settings)) = Settings::parse(&format!("gs://{bucket}/{prefix}"), Path::new("/"))
    else {
        panic!("{bucket} is no bucket")
    };
    settings.login = GcsLogin::Anonymous;
    settings.reach.endpoint = Some(endpoint.to_owned());
    *settings
}

pub(crate) fn open_azure(server: &Azurite, prefix: &str) -> CloudSink {
    CloudSink::azure(&azure(&server.endpoint(), CONTAINER, prefix)).expect("a sink opens without a server")
}

pub(crate) fn open_google(server: &Google, prefix: &str) -> CloudSink {
    CloudSink::gcs(&gcs(&server.endpoint(), server.bucket(), prefix)).expect("a sink opens without a server")
}

/// As [`kind`], and which of those that pass.
fn exact_kind(error: &SinkError) -> &'static str {
    match error {
        SinkError::Away(_) => "away",
        SinkError::Busy { .. } => "busy",
        error => kind(error),
    }
}

/// The message without what differs from run to run.
fn words(error: &SinkError, endpoint: &str) -> String {
    error.to_string().replace(endpoint, "http://HOST:PORT")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_container_or_bucket_is_fatal_and_named() {
    let (azurite, google) = (azurite::start(), google::start());
    let azure_sink = CloudSink::azure(&azure(&azurite.endpoint(), "nowhere", "p")).expect("opened");
    let google_sink = CloudSink::gcs(&gcs(&google.endpoint(), "nowhere", "p")).expect("opened");
    for (sink, what) in [(azure_sink, "container"), (google_sink, "bucket")] {
        let error = sink.probe().await.expect_err("there is nothing");
        assert_eq!(kind(&error), "fatal", "{error}");
        let expected =
            format!("{what} 'nowhere' does not exist; create it, or correct the sink's url or endpoint");
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}

/// HEAD has no body: Azure names the missing container in a header all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_vanished_is_no_absent_object() {
    let server = azurite::start();
    let sink = CloudSink::azure(&azure(&server.endpoint(), "nowhere", "p")).expect("opened");
    let error = sink.head(&key(0)).await.expect_err("there is no container");
    assert_eq!(kind(&error), "fatal", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_key_is_denied_with_the_remedy() {
    let server = azurite::start();
    let mut settings = azure(&server.endpoint(), CONTAINER, "p");
    settings.login =
        AzureLogin::Key(Secret::Written("bm90IHRoZSBrZXkgb2YgdGhpcyBhY2NvdW50".to_owned().into()));
    let sink = CloudSink::azure(&settings).expect("opened");
    let error = sink.put(&key(0), &object(0, "x")).await.expect_err("it is another's key");
    assert_eq!(kind(&error), "denied", "{error}");
    let said = words(&error, &server.endpoint());
    assert!(said.contains("403 AuthorizationFailure") || said.contains("403 AuthenticationFailed"), "{said}");
    assert!(said.contains("in [sink.azure]") || said.contains("Storage Blob Data Contributor"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_read_anew_for_each_request_and_its_file_is_named_when_it_is_gone() {
    let server = azurite::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("key");
    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    let write = |text: &str| std::fs::write(&file, text).expect("a file");
    write("bm90IHRoZSBrZXkgb2YgdGhpcyBhY2NvdW50\n");
    let mut settings = azure(&server.endpoint(), CONTAINER, "p");
    settings.login = AzureLogin::Key(Secret::File(file.clone()));
    let sink = CloudSink::azure(&settings).expect("opened");
    assert_eq!(kind(&sink.probe().await.expect_err("another's key")), "denied");
    write(&azurite::key());
    sink.probe().await.expect("probed with the new key");
    std::fs::remove_file(&file).expect("it goes");
    let error = sink.probe().await.expect_err("there is no key");
    assert_eq!(kind(&error), "fatal");
    assert!(error.to_string().contains(&format!("key_file {}", file.display())), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_object_is_goes_with_it() {
    let (azurite, google) = (azurite::start(), google::start());
    let packed = Object { content_encoding: Some("gzip"), ..object(1, "\x1f") };
    for sink in [open_azure(&azurite, "p"), open_google(&google, "p")] {
        assert_eq!(sink.put(&key(1), &packed).await.expect("stored"), PutOutcome::Stored);
    }
    let blob = azurite.get(&format!("p/{}", key(1))).expect("a blob");
    for (name, value) in [
        ("content-type", "application/x-ndjson"),
        ("content-encoding", "gzip"),
        ("x-ms-meta-livecosmos_seq", "1"),
        ("x-ms-blob-type", "BlockBlob"),
    ] {
        assert_eq!(blob.header(name), Some(value), "{name}");
    }
    let sent = google.requests();
    let put = sent.iter().find(|request| request.method() == "PUT").expect("a put");
    for (name, value) in [
        ("content-type", "application/x-ndjson"),
        ("content-encoding", "gzip"),
        ("x-goog-meta-livecosmos-seq", "1"),
        ("x-goog-if-generation-match", "0"),
        // Or Google unpacks it for whoever reads it.
        ("cache-control", "no-transform"),
    ] {
        assert_eq!(put.header(name), Some(value), "{name}");
    }
    assert!(put.header("user-agent").is_some_and(|agent| agent.starts_with("livecosmos/")));
}

/// The uploader makes the next attempt, with the one back-off that all sinks have.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_trouble_is_asked_once_and_retried_later() {
    for (status, expected) in [
        (503, "busy"),
        (500, "away"),
        (429, "busy"),
        (408, "away"),
        (409, "retry"),
        (401, "denied"),
        (403, "denied"),
        (404, "fatal"),
        (301, "fatal"),
        (400, "refused"),
        (413, "refused"),
    ] {
        let server = Scripted::start_with_heads(move |_| {
            answer(status, &[("location", "http://127.0.0.1:1/elsewhere")], "")
        });
        let sinks = [
            CloudSink::azure(&azure(&format!("{}/{ACCOUNT}", server.url()), CONTAINER, "p")).expect("opened"),
            CloudSink::gcs(&gcs(&server.url(), "b", "p")).expect("opened"),
        ];
        for (at, sink) in sinks.iter().enumerate() {
            let error = sink.put(&key(0), &object(0, "x")).await.expect_err("it failed");
            assert_eq!(exact_kind(&error), expected, "{status}: {error}");
            assert_eq!(server.all_requests().len(), at + 1, "{status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_for_how_long_it_wants_to_be_left_alone_is_believed() {
    let server = Scripted::start_with_heads(|_| answer(503, &[("retry-after", "7")], ""));
    let sink = CloudSink::gcs(&gcs(&server.url(), "b", "p")).expect("opened");
    let error = sink.head(&key(0)).await.expect_err("it is busy");
    let wait = std::time::Duration::from_secs(7);
    assert!(matches!(error, SinkError::Busy { wait: Some(said), .. } if said == wait), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_to_answer_is_worth_another_try() {
    let endpoint = format!("http://{}", free_address());
    let sinks = [
        CloudSink::azure(&azure(&format!("{endpoint}/{ACCOUNT}"), CONTAINER, "p")).expect("opened"),
        CloudSink::gcs(&gcs(&endpoint, "b", "p")).expect("opened"),
    ];
    for sink in sinks {
        let error = sink.head(&key(0)).await.expect_err("nothing listens");
        assert_eq!(exact_kind(&error), "away", "{error}");
        assert!(
            error.to_string().contains("nothing listens there (connection refused); start the server"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_is_not_waited_for_beyond_the_timeout() {
    let listener = crate::support::process::listener();
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let mut settings = gcs(&endpoint, "b", "p");
    settings.reach.request_timeout = std::time::Duration::from_secs(1);
    let sink = CloudSink::gcs(&settings).expect("opened");
    let error = sink.put(&key(0), &object(0, "x")).await.expect_err("nobody answers");
    assert_eq!(kind(&error), "retry");
    assert!(
        error.to_string().contains("no answer in time (1 s); check the network and the server"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_our_facts_is_refused_before_its_bytes_are_read() {
    let google = google::start();
    google.client().request("PUT", "p/foreign", "", &[], b"somebody's");
    let sink = open_google(&google, "p");
    for error in
        [sink.head("foreign").await.expect_err("not ours"), sink.get("foreign").await.expect_err("not ours")]
    {
        assert_eq!(kind(&error), "refused");
        assert!(error.to_string().contains("it was not stored by livecosmos"), "{error}");
    }
    assert_eq!(sink.head(&key(0)).await.expect("looked at"), None);
    sink.put(&key(0), &object(0, "x")).await.expect("stored");
    assert_eq!(sink.head(&key(0)).await.expect("looked at"), Some(facts(0)));
}

#[test]
fn plain_http_to_another_machine_names_the_setting_that_allows_it() {
    let mut google = gcs("http://storage.example:80", "b", "p");
    let mut azure = azure("http://storage.example:80/stations", CONTAINER, "p");
    let expected = "is not encrypted; use https, or set allow_http = true in [sink.";
    for error in [CloudSink::gcs(&google).expect_err("plain"), CloudSink::azure(&azure).expect_err("plain")] {
        assert!(matches!(&error, SinkError::Fatal(why) if why.contains(expected)), "{error}");
    }
    google.reach.allow_http = true;
    azure.reach.allow_http = true;
    assert!(CloudSink::gcs(&google).is_ok() && CloudSink::azure(&azure).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_beyond_a_page_are_listed_from_where_they_are_wanted() {
    const OBJECTS: usize = 1100;
    let google = google::start();
    for at in 0..OBJECTS {
        google.client().request("PUT", &format!("p/a/{at:05}"), "", &[], b"");
    }
    let sink = open_google(&google, "p");
    sink.probe().await.expect("probed");
    let all = sink.list("a/", "", 5000).await.expect("listed");
    assert_eq!((all.len(), all.first().map(String::as_str)), (OBJECTS, Some("a/00000")));
    let before = google.requests().len();
    let listed = sink.list("a/", "a/01090", 3).await.expect("listed");
    assert_eq!(listed, ["a/01090", "a/01091", "a/01092"]);
    assert_eq!(google.requests().len(), before + 1, "a chain's head costs one page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_accounts_own_signature_goes_with_each_request() {
    let google = google::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("account.json");
    let mut settings = gcs(&google.endpoint(), google.bucket(), "p");
    settings.login = GcsLogin::ServiceAccount(file.clone());
    let error = CloudSink::gcs(&settings).expect_err("there is no such file");
    assert!(
        matches!(&error, SinkError::Fatal(why) if why.contains(&format!("service_account {} cannot be used", file.display()))),
        "{error}"
    );
    let key_of = |folder: &Path| {
        let made = std::process::Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "PEM"])
            .current_dir(folder)
            .output()
            .expect("openssl runs");
        String::from_utf8(made.stdout).expect("PEM")
    };
    let account = serde_json::json!({
        "type": "service_account", "private_key": key_of(folder.path()), "private_key_id": "1",
        "client_email": "station@example.iam.gserviceaccount.com",
    });
    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    std::fs::write(&file, account.to_string()).expect("a file");
    let sink = CloudSink::gcs(&settings).expect("opened");
    sink.probe().await.expect("probed");
    sink.put(&key(0), &object(0, "x")).await.expect("stored");
    let sent = google.requests();
    let is_signed = |request: &crate::support::http::Message| {
        request.header("authorization").is_some_and(|value| value.starts_with("Bearer ey"))
    };
    assert!(sent.len() >= 4 && sent.iter().all(is_signed), "{sent:?}");
}

/// Played: a server of Azure's protocol that answers with no keys where it is told from which on to list them, as
/// `OneLake` was reported to do. Nothing found would read as a chain that ends there.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_list_from_a_key_on_is_asked_for_all() {
    let server = Scripted::start_with_heads(|request| {
        if request.method() == "PUT" {
            return answer(409, &[("x-ms-error-code", "BlobAlreadyExists")], "");
        }
        let blob = |name: &str| {
            format!(
                "<Blob><Name>{name}</Name><Properties><Last-Modified>Sat, 21 Nov 2026 02:00:00 GMT</Last-Modified>\
                 <Content-Length>1</Content-Length><Content-Type>x/y</Content-Type></Properties></Blob>"
            )
        };
        let blobs = match request.target() {
            target if target.contains("startFrom") => String::new(),
            target if target.contains(".livecosmos") => blob("p/.livecosmos/probe"),
            _ => ["p/a/1", "p/a/2", "p/a/3"].map(blob).concat(),
        };
        let page = format!("<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>");
        answer(200, &[], &page)
    });
    let sink =
        CloudSink::azure(&azure(&format!("{}/{ACCOUNT}", server.url()), CONTAINER, "p")).expect("opened");
    sink.probe().await.expect("probed");
    assert_eq!(sink.list("a/", "a/2", 9).await.expect("listed"), ["a/2", "a/3"]);
}
