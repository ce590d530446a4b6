//! What each server does with what it is asked for: measured, and compared with the table in `docs/s3.md`.

use std::time::Duration;

use livecosmos::sink::s3::{Encryption, Keeping, Lock, LockMode, StorageClass};
use livecosmos::sink::{Checksum, Guard, S3Settings, Sink, SinkError};

use crate::bucket::{open, settings};
use crate::kept::tags;
use crate::objects::{facts, key, object};
use crate::parts::{in_parts, large, put_at_last};
use crate::support::s3_client::S3Client;
use crate::support::server::S3Server;
use crate::support::{garage, moto, s3s};

const DOCS: &str = include_str!("../../docs/s3.md");
const VERSIONS: &str = include_str!("../support/versions");
const SERVERS: [&str; 3] = ["s3s-fs", "moto", "garage"];

/// What is measured, as the table names it.
const ROWS: [&str; 16] = [
    "creates only if absent",
    "large objects, in parts",
    "puts parts together only if absent",
    "`checksum = \"crc64nvme\"`",
    "`checksum = \"crc32\"`",
    "`checksum = \"sha256\"`",
    "`checksum = \"when-required\"`",
    "metadata",
    "`tags`",
    "a start with `tags`",
    "`storage_class`",
    "a start with `storage_class`",
    "`encryption`",
    "a start with `encryption`",
    "`lock_mode`",
    "a start with `lock_mode`",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_in_the_docs_is_what_the_servers_do() {
    let (s3s, moto, garage) = (s3s::start(), moto::start(), garage::start());
    let columns = [measured(&s3s).await, measured(&moto).await, measured(&garage).await];
    let names =
        SERVERS.map(|name| VERSIONS.lines().find(|line| line.starts_with(name)).expect("its version"));
    let head = format!("| | {} |\n|---|---|---|---|\n", names.join(" | "));
    let lines = ROWS.iter().enumerate().map(|(index, row)| {
        let cells: Vec<&str> = columns.iter().map(|column| column[index]).collect();
        format!("| {row} | {} |\n", cells.join(" | "))
    });
    let table: String = std::iter::once(head).chain(lines).collect();
    assert!(DOCS.contains(&table), "docs/s3.md says something else than was measured:\n{table}");
}

/// A cell for each of [`ROWS`].
async fn measured(server: &S3Server) -> [&'static str; ROWS.len()] {
    let plain = |prefix: &str| settings(&server.endpoint(), server.bucket(), prefix);
    let [tags, start_tags] = kept_tags(server, plain("tags")).await;
    let [class, start_class] = kept_class(server, plain("class")).await;
    let [encryption, start_encryption] = kept_encryption(server, plain("encryption")).await;
    let [lock, start_lock] = kept_lock(server).await;
    [
        guard(server, &plain("guard")).await,
        parts(server).await,
        guards_parts(server),
        checksum(server, Checksum::Crc64Nvme, "x-amz-checksum-crc64nvme", "AAAAAAAAAAA=").await,
        checksum(server, Checksum::Crc32, "x-amz-checksum-crc32", "AAAAAA==").await,
        checksum(server, Checksum::Sha256, "x-amz-checksum-sha256", SHA256_OF_SOMETHING_ELSE).await,
        without_checksum(server).await,
        metadata(server, &plain("metadata")).await,
        tags,
        start_tags,
        class,
        start_class,
        encryption,
        start_encryption,
        lock,
        start_lock,
    ]
}

/// Of nothing at all, not of what is sent with it.
const SHA256_OF_SOMETHING_ELSE: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

async fn guard(server: &S3Server, settings: &S3Settings) -> &'static str {
    match open(settings, server.client()).await.probe().await.expect("probed").guard {
        Guard::CreateIfAbsent => "yes",
        _ => "no: looked before each put",
    }
}

async fn parts(server: &S3Server) -> &'static str {
    let sink = open(&in_parts(&server.endpoint(), server.bucket(), "parts"), server.client()).await;
    let bytes = large();
    match put_at_last(&sink, &object(0, bytes.clone())).await {
        Ok(_) => match sink.get(&key(0)).await {
            Ok(Some((_, read))) if read == bytes => "yes",
            _ => "with `checksum = \"when-required\"` only",
        },
        Err(_) => "refused",
    }
}

/// Whether an object stays that appears while the parts of another are on their way.
fn guards_parts(server: &S3Server) -> &'static str {
    let client = server.client();
    let begun = client.request("POST", "guarded", "uploads=", &[], b"").text();
    let (_, id) = begun.split_once("<UploadId>").expect("an upload");
    let id = id.split_once('<').expect("its end").0;
    let part = client.request("PUT", "guarded", &format!("partNumber=1&uploadId={id}"), &[], b"ours");
    let tag = part.header("etag").expect("its tag");
    assert_eq!(client.put("guarded", b"another's"), 200);
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>"
    );
    let if_absent = [("if-none-match".to_owned(), "*".to_owned())];
    let told = client.request("POST", "guarded", &format!("uploadId={id}"), &if_absent, list.as_bytes());
    if told.status() == 412 || told.text().contains("PreconditionFailed") {
        "yes"
    } else {
        "no: looked before"
    }
}

/// Whether objects with a checksum are stored and read back, and one with a wrong one is refused.
async fn checksum(server: &S3Server, checksum: Checksum, header: &str, wrong: &str) -> &'static str {
    let mut settings = settings(&server.endpoint(), server.bucket(), header);
    settings.checksum = checksum;
    if !stores(server, &settings).await {
        return "refused";
    }
    let headers = [(header.to_owned(), wrong.to_owned())];
    match server.client().request("PUT", "damaged", "", &headers, b"x").status() {
        200 => "taken, not checked",
        _ => "checked",
    }
}

async fn without_checksum(server: &S3Server) -> &'static str {
    let mut settings = settings(&server.endpoint(), server.bucket(), "none");
    settings.checksum = Checksum::WhenRequired;
    if stores(server, &settings).await { "taken" } else { "refused" }
}

/// Whether an object is stored and reads back as it was.
async fn stores(server: &S3Server, settings: &S3Settings) -> bool {
    let sink = open(settings, server.client()).await;
    if sink.put(&key(0), &object(0, "x")).await.is_err() {
        return false;
    }
    let (_, bytes) = sink.get(&key(0)).await.expect("read").expect("an object");
    assert_eq!(bytes, "x");
    true
}

async fn metadata(server: &S3Server, settings: &S3Settings) -> &'static str {
    let sink = open(settings, server.client()).await;
    sink.put(&key(0), &object(0, "x")).await.expect("stored");
    if sink.head(&key(0)).await.is_ok_and(|found| found == Some(facts(0))) { "kept" } else { "dropped" }
}

/// Puts an object, and says whether `is_kept` finds what was asked for; then what a start says to it.
async fn asked(
    client: &S3Client,
    settings: &S3Settings,
    is_kept: impl Fn(&str) -> bool,
) -> [&'static str; 2] {
    let sink = open(settings, client).await;
    let put = match sink.put(&key(0), &object(0, "x")).await {
        Err(_) => "refused",
        Ok(_) if is_kept(&format!("{}/{}", settings.prefix, key(0))) => "kept",
        Ok(_) => "ignored",
    };
    let start = match sink.probe().await {
        Ok(probed) if probed.notices.is_empty() => "goes on",
        Ok(_) => "goes on, warns",
        Err(SinkError::Fatal(_)) => "ends with code 78",
        Err(error) => panic!("{error}"),
    };
    [put, start]
}

async fn kept_tags(server: &S3Server, mut settings: S3Settings) -> [&'static str; 2] {
    settings.keeping = Keeping { tags: tags(&[("kind", "raw")]), ..Keeping::default() };
    let client = server.client();
    asked(client, &settings, |key| {
        client.request("GET", key, "tagging=", &[], b"").text().contains("<Value>raw</Value>")
    })
    .await
}

async fn kept_class(server: &S3Server, mut settings: S3Settings) -> [&'static str; 2] {
    let class = StorageClass::parse("STANDARD_IA", false).expect("one of AWS's");
    settings.keeping = Keeping { storage_class: Some(class), ..Keeping::default() };
    asked(server.client(), &settings, has(server.client(), "x-amz-storage-class", "STANDARD_IA")).await
}

async fn kept_encryption(server: &S3Server, mut settings: S3Settings) -> [&'static str; 2] {
    settings.keeping = Keeping { encryption: Some(Encryption::Aes256), ..Keeping::default() };
    asked(server.client(), &settings, has(server.client(), "x-amz-server-side-encryption", "AES256")).await
}

/// In a bucket that was made for it, where the server makes one.
async fn kept_lock(server: &S3Server) -> [&'static str; 2] {
    let mut client = server.client().clone();
    let locked = S3Client { bucket: "locked".to_owned(), ..client.clone() };
    let lockable = [("x-amz-bucket-object-lock-enabled".to_owned(), "true".to_owned())];
    if locked.request("PUT", "", "", &lockable, b"").status() == 200 {
        client = locked;
    }
    let mut settings = settings(&server.endpoint(), &client.bucket, "lock");
    let lock = Lock { mode: LockMode::Governance, lock_for: Duration::from_hours(24) };
    settings.keeping = Keeping { lock: Some(lock), ..Keeping::default() };
    asked(&client, &settings, has(&client, "x-amz-object-lock-mode", "GOVERNANCE")).await
}

/// Whether the object of a key has this header.
fn has(client: &S3Client, name: &'static str, value: &'static str) -> impl Fn(&str) -> bool {
    move |key| client.request("HEAD", key, "", &[], b"").header(name) == Some(value)
}
