//! The policy that `docs/s3.md` shows, enforced by moto: it is enough, and each right in it is named where it lacks.
//!
//! Its condition on the prefix of lists is left out, for moto denies whatever has a condition of S3's; that S3 answers
//! 403 for a missing key to whoever may not list, and rights that go with tags, locks and keys, are played elsewhere
//! (`reached.rs`, `noticed.rs`).

use std::fmt::Write as _;

use serde_json::Value;

use crate::reached::{check, once, storing};
use crate::support::daemon::{Livecosmos, Output, Workdir};
use crate::support::s3_client::S3Client;
use crate::support::server::S3Server;
use crate::support::{iam, moto};

const PAGE: &str = include_str!("../../docs/s3.md");
/// What the page's table asks for beside it, for objects in parts.
const OF_PARTS: [&str; 2] = ["s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads"];

/// The page's policy for the prefix `p` of `bucket`, with `more` rights on its objects and on itself, but `without` one.
fn policy(bucket: &str, more: [&str; 2], without: &str) -> String {
    let (_, text) = PAGE.split_once("```json\n").expect("a policy in the page");
    let text = text.split("```").next().expect("its end");
    let text = text.replace("my-bucket", bucket).replace("/raw/", "/p/").replace("raw/*", "p/*");
    let mut policy: Value = serde_json::from_str(&text).expect("a JSON document");
    let statements = policy["Statement"].as_array_mut().expect("statements");
    assert_eq!(statements.len(), 2, "objects, and the bucket");
    for (statement, more) in statements.iter_mut().zip(more) {
        statement.as_object_mut().expect("a statement").remove("Condition");
        let actions = match statement["Action"].take() {
            Value::Array(actions) => actions,
            action => vec![action],
        };
        let actions =
            actions.into_iter().chain([more.into()]).filter(|action| *action != without && *action != "");
        statement["Action"] = Value::Array(actions.collect());
    }
    // One without an action is none.
    statements.retain(|statement| statement["Action"].as_array().is_some_and(|actions| !actions.is_empty()));
    policy.to_string()
}

fn with(livecosmos: Livecosmos, keys: &S3Client) -> Livecosmos {
    livecosmos.env("AWS_ACCESS_KEY_ID", &keys.access_key).env("AWS_SECRET_ACCESS_KEY", &keys.secret_key)
}

fn said(run: &Output) -> String {
    format!("{}{}", run.stdout, run.stderr)
}

fn plain(server: &S3Server) -> Workdir {
    storing(server.bucket(), &format!("endpoint = \"{}\"", server.endpoint()))
}

fn forget(workdir: &Workdir) {
    std::fs::remove_dir_all(workdir.state_dir()).expect("a state of ours");
}

fn names_only(said: &str, right: &str) {
    for other in ["s3:PutObject", "s3:GetObject", "s3:ListBucket"] {
        // What a look-up needs beside its own right is said with it.
        let is_beside = right == "s3:GetObject" && other == "s3:ListBucket";
        assert!(said.contains(other) == (other == right) || is_beside, "{right} lacks, {other}: {said}");
    }
}

#[test]
fn the_policy_of_the_page_is_enough_and_it_ends_at_the_prefix() {
    let server = moto::start_for_policies();
    let keys = iam::only(&server, &policy(server.bucket(), [""; 2], ""));
    let workdir = plain(&server);
    let checked = said(&with(check(&workdir, &server), &keys).run().expect_code(0));
    assert!(!checked.contains("warning"), "{checked}");
    for _ in 0..2 {
        let run = said(&with(once(&workdir, &server), &keys).run().expect_code(0));
        assert!(!run.contains("could not be looked at"), "{run}");
        // What was stored is found again, and looked at.
        forget(&workdir);
    }
    let elsewhere = std::fs::read_to_string(workdir.config()).expect("it").replace("/p\"", "/q\"");
    workdir.write("livecosmos.toml", elsewhere);
    names_only(&said(&with(check(&workdir, &server), &keys).run().expect_code(77)), "s3:PutObject");
    iam::anybody(&server);
    assert_eq!(server.client().list("p/ALIC1/").len(), 1);
    assert_eq!(server.client().list("q/"), Vec::<String>::new());
}

#[test]
fn without_the_right_to_write_or_to_list_check_and_the_daemon_end_and_name_that_right() {
    let server = moto::start_for_policies();
    for right in ["s3:PutObject", "s3:ListBucket"] {
        let keys = iam::only(&server, &policy(server.bucket(), [""; 2], right));
        let workdir = plain(&server);
        for run in [
            check(&workdir, &server),
            once(&workdir, &server),
            workdir.livecosmos().table("X").credentials(&server),
        ] {
            names_only(&said(&with(run, &keys).run().expect_code(77)), right);
        }
    }
    iam::anybody(&server);
    assert_eq!(server.client().list(""), Vec::<String>::new(), "nothing is written");
}

#[test]
fn without_the_right_to_read_check_warns_rows_go_and_a_look_after_a_lost_state_ends_and_names_it() {
    let server = moto::start_for_policies();
    let keys = iam::only(&server, &policy(server.bucket(), [""; 2], "s3:GetObject"));
    let workdir = plain(&server);
    for run in [check(&workdir, &server), once(&workdir, &server)] {
        let run = said(&with(run, &keys).run().expect_code(0));
        assert!(run.contains("what became of a put could not be looked at"), "{run}");
        names_only(&run, "s3:GetObject");
    }
    forget(&workdir);
    let lost = said(&with(once(&workdir, &server), &keys).run());
    assert!(lost.contains("give the credentials s3:GetObject"), "{lost}");
    iam::anybody(&server);
    assert_eq!(server.client().list("p/ALIC1/").len(), 1, "it is stored, and not twice");
}

/// Some six megabytes of each site.
fn large_objects_of(sites: &[String]) -> String {
    let mut csv = "SITE_ID,DATE_TIME,TA\n".to_owned();
    for (site, at) in sites.iter().flat_map(|site| (0..750).map(move |at| (site, at))) {
        let _ = writeln!(csv, "{site},2025-01-01T00:{:02}:{:02},{}", at / 60, at % 60, "x".repeat(8_000));
    }
    csv
}

#[test]
fn parts_need_two_rights_more_and_without_one_of_them_rows_go_and_it_is_named_once() {
    assert!(OF_PARTS.iter().all(|right| PAGE.contains(&format!("`{right}`"))), "the page names them");
    let server = moto::start_for_policies();
    for (number, without) in ["", OF_PARTS[0], OF_PARTS[1]].into_iter().enumerate() {
        let keys = iam::only(&server, &policy(server.bucket(), OF_PARTS, without));
        let workdir = storing(
            server.bucket(),
            &format!(
                "endpoint = \"{}\"\nmultipart_threshold = \"5 MiB\"\npart_size = \"5 MiB\"\nchecksum = \"when-required\"",
                server.endpoint()
            ),
        );
        workdir.write("X.csv", large_objects_of(&[format!("{number}A"), format!("{number}B")]));
        let run = said(&with(once(&workdir, &server), &keys).run().expect_code(0));
        let told = run.matches("parts of uploads that break off are left").count();
        assert_eq!(told, usize::from(!without.is_empty()), "{without}: {run}");
        assert!(run.contains(without), "{without}: {run}");
    }
}
