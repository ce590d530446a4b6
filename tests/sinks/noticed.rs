//! A server that drops what was asked of it: encryption, a lock, tags, a class of storage.

use std::time::Duration;

use livecosmos::sink::s3::{Encryption, Keeping, Lock, LockMode, StorageClass};
use livecosmos::sink::{Guard, Probed, Sink, SinkError};

use crate::bucket::{nobody, open, settings};
use crate::kept::tags;
use crate::reached::{check, once, storing};
use crate::support::http::Message;
use crate::support::s3_client::S3Client;
use crate::support::scripted::{Scripted, answer};
use crate::support::server::S3Server;
use crate::support::{garage, moto, s3s};

const LOCK: &str = "lock_mode = \"governance\"\nlock_for = \"1d\"";

#[test]
fn encryption_and_a_lock_that_a_server_drops_end_the_start_before_a_row_is_stored() {
    let (s3s, garage) = (s3s::start(), garage::start());
    for server in [&*s3s, &garage] {
        for (lines, option, remedy) in [
            (
                "encryption = \"AES256\"",
                "took encryption = \"AES256\" and did not keep it",
                "remove encryption from [sink.s3], or use a server that encrypts by it",
            ),
            (
                LOCK,
                "took lock_mode = \"governance\" and did not keep it",
                "remove lock_mode from [sink.s3], or use a server that locks objects",
            ),
        ] {
            let workdir = storing(server.bucket(), &format!("endpoint = \"{}\"\n{lines}", server.endpoint()));
            for run in [
                check(&workdir, server),
                once(&workdir, server),
                workdir.livecosmos().table("X").credentials(server),
            ] {
                let said = run.run().expect_code(78).stderr;
                assert!(said.contains(option) && said.contains(remedy), "{said}");
                assert!(said.contains(&server.endpoint()), "it does not name the server: {said}");
            }
        }
        assert_eq!(server.client().list("p/ALIC1"), Vec::<String>::new());
    }
}

#[test]
fn tags_and_a_class_that_a_server_drops_are_warned_of_once_and_rows_are_stored() {
    let server = garage::start();
    let lines = "tags = { kind = \"raw\" }\nstorage_class = \"STANDARD_IA\"";
    let workdir = storing(server.bucket(), &format!("endpoint = \"{}\"\n{lines}", server.endpoint()));
    let checked = check(&workdir, &server).run().expect_code(0).stdout;
    let log = once(&workdir, &server).run().expect_code(0).stderr;
    for words in ["took tags and did not keep it", "took storage_class = \"STANDARD_IA\" and did not keep it"]
    {
        for said in [&checked, &log] {
            assert_eq!(said.matches(words).count(), 1, "{words}: {said}");
        }
    }
    assert!(checked.contains("kept") && checked.contains("warning: "), "{checked}");
    assert_eq!(server.client().list("p/ALIC1").len(), 1);
}

fn in_locked_bucket(server: &S3Server) -> S3Client {
    let client = S3Client { bucket: "locked".to_owned(), ..server.client().clone() };
    let lockable = [("x-amz-bucket-object-lock-enabled".to_owned(), "true".to_owned())];
    assert_eq!(client.request("PUT", "", "", &lockable, b"").status(), 200);
    client
}

/// A locked object can be neither replaced nor removed: one for each start would be for ever.
#[test]
fn what_is_kept_is_not_spoken_of_and_however_often_it_starts_the_probe_leaves_one_object() {
    let server = moto::start();
    let client = in_locked_bucket(&server);
    let lines = "encryption = \"aws:kms\"\nstorage_class = \"STANDARD_IA\"\ntags = { table = \"{table}\" }";
    let workdir = storing("locked", &format!("endpoint = \"{}\"\n{lines}\n{LOCK}", server.endpoint()));
    for _ in 0..3 {
        for run in [check(&workdir, &server), once(&workdir, &server)] {
            let run = run.run().expect_code(0);
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(!said.contains("keep") && !said.contains("warning"), "{said}");
        }
    }
    let versions = client.request("GET", "", "prefix=p%2F.livecosmos%2F&versions=", &[], b"").text();
    assert_eq!(versions.matches("<Version>").count(), 1, "{versions}");
}

/// The probe's object of earlier starts was asked for nothing, and tells nothing of what is asked now.
#[test]
fn an_option_that_is_set_later_is_tried_with_an_object_of_its_own() {
    let server = moto::start();
    let endpoint = format!("endpoint = \"{}\"\n", server.endpoint());
    for lines in ["", "encryption = \"AES256\"", "encryption = \"aws:kms\"\nkms_key = \"1234abcd\""] {
        let workdir = storing(server.bucket(), &format!("{endpoint}{lines}"));
        let _ = once(&workdir, &server).run().expect_code(0);
    }
    assert_eq!(server.client().list("p/.livecosmos/").len(), 3);
}

/// Played: a server whose probe object is there and has these headers, and which answers to a look at its lock and
/// its tags as told.
fn server_with(
    headers: &'static [(&str, &str)],
    lock: (u16, &'static str),
    tagging: (u16, &'static str),
) -> Scripted {
    Scripted::start_with_heads(move |request| match (request.method(), request.target()) {
        ("PUT", _) => answer(412, &[], "<Error><Code>PreconditionFailed</Code></Error>"),
        ("HEAD", _) => head(headers),
        (_, target) if target.contains("retention") => answer(lock.0, &[], lock.1),
        (_, target) if target.contains("tagging") => answer(tagging.0, &[], tagging.1),
        _ => answer(200, &[], "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
    })
}

fn head(headers: &[(&str, &str)]) -> Message {
    let status = if headers.is_empty() { 403 } else { 200 };
    answer(status, headers, "")
}

async fn probed(server: &Scripted) -> Result<Probed, SinkError> {
    let mut settings = settings(&server.url(), "b", "p");
    settings.keeping = Keeping {
        encryption: Some(Encryption::Aes256),
        storage_class: Some(StorageClass::parse("STANDARD_IA", false).expect("one of AWS's")),
        tags: tags(&[("kind", "raw"), ("network", "cosmos")]),
        lock: Some(Lock { mode: LockMode::Compliance, lock_for: Duration::from_hours(24) }),
    };
    open(&settings, &nobody()).await.probe().await
}

const SEEN: &[(&str, &str)] =
    &[("x-amz-server-side-encryption", "AES256"), ("x-amz-storage-class", "STANDARD_IA")];
const OLD: &[(&str, &str)] = &[SEEN[0], SEEN[1], ("last-modified", "Wed, 01 Jan 2025 00:00:00 GMT")];
const LOCKED: &str =
    "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>";
const TAGGED: &str = "<Tagging><TagSet><Tag><Key>kind</Key><Value>raw</Value></Tag>\
                      <Tag><Key>network</Key><Value>cosmos</Value></Tag></TagSet></Tagging>";
const DENIED: (u16, &str) = (403, "<Error><Code>AccessDenied</Code></Error>");

/// S3 leaves lock and tags out of its answer to HEAD where the credentials may not see them.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_credentials_may_not_see_is_asked_for_then_said_to_be_unknown_and_stops_nothing() {
    let kept = probed(&server_with(SEEN, (200, LOCKED), (200, TAGGED))).await.expect("all is kept");
    assert_eq!(kept, Guard::CreateIfAbsent.into());
    let unseen = probed(&server_with(SEEN, DENIED, DENIED)).await.expect("nothing is known to be dropped");
    let said = unseen.notices.join("\n");
    assert_eq!(unseen.notices.len(), 2, "{said}");
    for words in [
        "lock_mode could not be looked at: give the credentials s3:GetObjectRetention",
        "s3:GetObjectTagging",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let nothing = probed(&server_with(&[], DENIED, DENIED)).await.expect("nothing is known to be dropped");
    assert_eq!(nothing.notices.len(), 1, "{:?}", nothing.notices);
    assert!(
        nothing.notices[0].contains("could not be looked at") && nothing.notices[0].contains("s3:GetObject")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_there_or_another_is_fatal_and_tags_that_are_not_there_are_told() {
    const WEAKER: &str = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>";
    let none = (404, "<Error><Code>NoSuchObjectLockConfiguration</Code></Error>");
    let no_such_thing = (501, "<Error><Code>NotImplemented</Code></Error>");
    for (lock, words) in
        [(none, "has no lock"), (no_such_thing, "has no lock"), ((200, WEAKER), "mode GOVERNANCE")]
    {
        let error = probed(&server_with(SEEN, lock, (200, TAGGED))).await.expect_err("it is not locked");
        assert!(matches!(&error, SinkError::Fatal(why) if why.contains(words)), "{error}");
    }
    let tags = probed(&server_with(SEEN, (200, LOCKED), no_such_thing)).await.expect("rows go all the same");
    assert!(tags.notices.len() == 1 && tags.notices[0].contains("has 0 of 2"), "{:?}", tags.notices);
    let bare: &[(&str, &str)] = &[("x-amz-tagging-count", "2")];
    let error = probed(&server_with(bare, none, (200, TAGGED))).await.expect_err("neither is kept");
    assert!(
        matches!(&error, SinkError::Fatal(why) if why.contains("encryption") && why.contains("lock_mode"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_odd_answer_leaves_open_stops_nothing() {
    let no_such_key = (404, "<Error><Code>NoSuchKey</Code></Error>");
    for odd in [no_such_key, (422, ""), (400, "<Error><Code>RequestTimeTooLong</Code></Error>")] {
        let probed = probed(&server_with(SEEN, odd, odd)).await.expect("nothing is known to be dropped");
        let said = probed.notices.join("\n");
        assert!(probed.notices.len() == 2 && said.contains("could not be looked at"), "{odd:?}: {said}");
    }
    // A server that does not know of the question gives the object.
    let bytes = probed(&server_with(SEEN, (200, LOCKED), (200, "bytes"))).await.expect("it is locked");
    assert!(bytes.notices.len() == 1 && bytes.notices[0].contains("has 0 of 2"), "{:?}", bytes.notices);
    // Its lock was for a day.
    let none = (404, "<Error><Code>NoSuchObjectLockConfiguration</Code></Error>");
    let ended = probed(&server_with(OLD, none, (200, TAGGED))).await.expect("it was locked once");
    assert!(ended.notices.len() == 1 && ended.notices[0].contains("has ended"), "{:?}", ended.notices);
}
