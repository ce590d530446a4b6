//! Credentials that expire while the daemon runs: they are renewed before, and waited for where none come.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::reached::storing;
use crate::support::daemon::{Livecosmos, Workdir};
use crate::support::forward_proxy::ForwardProxy;
use crate::support::front::{Fault, Front};
use crate::support::http::Message;
use crate::support::process::wait_until;
use crate::support::scripted::{Scripted, answer};
use crate::support::server::S3Server;
use crate::support::{moto, objects};

/// For so long each pair of keys is good. The SDK drops them up to ten seconds before.
const GOOD_FOR_S: u64 = 20;
const WITHIN: Duration = Duration::from_mins(3);

/// A server that refuses keys which have expired: their id says when that is. moto takes any.
struct Strict {
    server: S3Server,
    front: Front,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    ids: BTreeSet<String>,
    expired: usize,
}

impl Strict {
    fn start() -> Self {
        let server = moto::start();
        let front = Front::before(server.address());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        front.set_rule(move |request| {
            let id = id_of(request);
            let until: u64 = id.trim_start_matches('K').parse().expect("an id of this test");
            let mut seen = noted.lock().expect("no panic");
            seen.ids.insert(id);
            if now_s() < until {
                return Fault::None;
            }
            seen.expired += 1;
            Fault::Answer(403)
        });
        Self { server, front, seen }
    }

    fn keys(&self) -> usize {
        self.seen.lock().expect("no panic").ids.len()
    }

    fn workdir(&self) -> Workdir {
        let endpoint = format!("endpoint = \"{}\"", self.front.endpoint());
        let workdir = storing(self.server.bucket(), &endpoint);
        let config = std::fs::read_to_string(workdir.config()).expect("the configuration");
        let config = config.replace(
            "[poll]\n",
            "[upload]\nformat = \"ndjson\"\n[poll]\ninterval = \"1s\"\njitter = \"0s\"\n",
        );
        workdir.write("livecosmos.toml", config);
        workdir.write("X.csv", "SITE_ID,DATE_TIME,TA\n");
        workdir
    }

    fn stored(&self) -> Vec<String> {
        let objects = objects::in_bucket(self.server.client(), "p/ALIC1/");
        objects::rows(&objects).iter().map(|row| row.text("TA")).collect()
    }

    /// Adds rows, each once the one before is stored, until `is_enough`; so many rows there are then.
    fn feed(&self, workdir: &Workdir, from: usize, is_enough: impl Fn() -> bool) -> usize {
        let mut rows = from;
        while rows == from || !is_enough() {
            add_row(workdir, rows);
            rows += 1;
            // Beside the probe.
            wait_until("the row", WITHIN, || (self.front.count("PUT", 200) > rows).then_some(()));
        }
        rows
    }

    fn assert_once_and_never_expired(&self, rows: usize) {
        let due: Vec<String> = (0..rows).map(value).collect();
        assert_eq!(self.stored(), due);
        assert_eq!(self.seen.lock().expect("no panic").expired, 0, "keys were used that had expired");
    }
}

fn id_of(request: &Message) -> String {
    let said = request.header("authorization").unwrap_or_default();
    let (_, rest) = said.split_once("Credential=").expect("a signed request");
    rest.split('/').next().expect("an id").to_owned()
}

#[expect(clippy::disallowed_methods, reason = "what expires does so by the clock of this machine")]
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn value(row: usize) -> String {
    format!("{row}.50")
}

fn add_row(workdir: &Workdir, row: usize) {
    let (minute, second) = (row / 60, row % 60);
    workdir.append("X.csv", format!("ALIC1,2025-01-01T00:{minute:02}:{second:02},{}\n", value(row)));
}

/// A program that gives a pair of keys for so long, notes that it was asked, hangs while there is a file `hung`, and
/// fails while there is a file `sealed`.
fn with_a_program(workdir: &Workdir, good_for_s: u64) -> Livecosmos {
    let script = format!(
        "#!/bin/sh\ncd '{}'\necho asked >> calls\nwhile [ -e hung ]; do sleep 0.1; done\n\
         if [ -e sealed ]; then echo 'the vault is sealed' >&2; exit 1; fi\n\
         until=$(($(date +%s) + {good_for_s}))\n\
         printf '{{\"Version\": 1, \"AccessKeyId\": \"K%s\", \"SecretAccessKey\": \"s\", \"Expiration\": \"%s\"}}' \
         $until $(date -u -d @$until +%Y-%m-%dT%H:%M:%SZ)\n",
        workdir.folder().display()
    );
    workdir.write("keys.sh", script);
    workdir.chmod("keys.sh", 0o755);
    let path = workdir.path("keys.sh");
    workdir.write("aws.config", format!("[default]\ncredential_process = {}\n", path.display()));
    workdir
        .livecosmos()
        .table("X")
        .env("AWS_CONFIG_FILE", workdir.path("aws.config"))
        .env("AWS_REGION", "us-east-1")
        .env("PATH", "/usr/bin:/bin")
}

fn calls(workdir: &Workdir) -> usize {
    std::fs::read_to_string(workdir.path("calls")).unwrap_or_default().lines().count()
}

#[test]
fn keys_of_a_program_are_renewed_before_they_expire_and_no_row_waits_or_comes_twice() {
    let strict = Strict::start();
    let workdir = strict.workdir();
    let mut daemon = with_a_program(&workdir, GOOD_FOR_S).spawn();
    let rows = strict.feed(&workdir, 0, || strict.keys() >= 4);
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    strict.assert_once_and_never_expired(rows);
    // Not for each request: a row is at least a put.
    assert!(calls(&workdir) < rows, "asked {} times for {rows} rows", calls(&workdir));
}

#[test]
fn while_the_program_fails_the_old_keys_are_used_then_rows_wait_and_go_on_once_it_is_mended() {
    let strict = Strict::start();
    let workdir = strict.workdir();
    let mut daemon = with_a_program(&workdir, GOOD_FOR_S).spawn();
    let rows = strict.feed(&workdir, 0, || strict.keys() >= 1);
    workdir.write("sealed", "");
    // Asked in vain, and rows are stored all the same.
    let failed = calls(&workdir) + 1;
    let rows = strict.feed(&workdir, rows, || calls(&workdir) >= failed);
    let mut rows = strict.feed(&workdir, rows, || true);
    let said = daemon.stderr();
    assert!(said.contains("could not be renewed") && said.contains("the vault is sealed"), "{said}");
    wait_until("the keys to expire", WITHIN, || {
        if strict.front.count("PUT", 200) > rows {
            add_row(&workdir, rows);
            rows += 1;
        }
        daemon.stderr().contains("credentials could not be had").then_some(())
    });
    (rows..rows + 10).for_each(|row| add_row(&workdir, row));
    daemon.wait_for_stderr("nothing more is asked of it", WITHIN);
    assert!(daemon.is_running() && strict.stored().len() == rows - 1);
    std::fs::remove_file(workdir.path("sealed")).expect("it was there");
    daemon.wait_for_stderr("the sink answers again", WITHIN);
    wait_until("the rows that waited", WITHIN, || (strict.stored().len() >= rows + 10).then_some(()));
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    strict.assert_once_and_never_expired(rows + 10);
}

#[test]
fn a_program_that_hangs_holds_up_no_row_while_the_old_keys_are_good() {
    let strict = Strict::start();
    let workdir = strict.workdir();
    let mut daemon = with_a_program(&workdir, 2 * GOOD_FOR_S).spawn();
    let rows = strict.feed(&workdir, 0, || strict.keys() >= 1);
    workdir.write("hung", "");
    let rows = strict.feed(&workdir, rows, || daemon.stderr().contains("could not be renewed"));
    let rows = strict.feed(&workdir, rows, || true);
    std::fs::remove_file(workdir.path("hung")).expect("it was there");
    let rows = strict.feed(&workdir, rows, || strict.keys() >= 2);
    daemon.terminate();
    let said = daemon.wait().expect_code(0).stderr;
    assert!(!said.contains("nothing more is asked of it"), "{said}");
    strict.assert_once_and_never_expired(rows);
}

fn utc(epoch_s: u64) -> String {
    let time = jiff::Timestamp::from_second(i64::try_from(epoch_s).expect("a time")).expect("a time");
    time.to_string()
}

/// The endpoint that a container has its keys from.
#[test]
fn keys_of_a_container_are_renewed_before_they_expire() {
    let strict = Strict::start();
    let workdir = strict.workdir();
    let source = Scripted::start(|request| {
        assert_eq!(request.header("authorization"), Some("Basic of-the-container"));
        let until = now_s() + GOOD_FOR_S;
        let mut keys = String::new();
        let _ = write!(
            keys,
            "{{\"AccessKeyId\": \"K{until}\", \"SecretAccessKey\": \"s\", \"Token\": \"t\", \"Expiration\": \"{}\"}}",
            utc(until)
        );
        answer(200, &[("content-type", "application/json")], &keys)
    });
    let daemon = workdir.livecosmos().table("X").env("AWS_REGION", "us-east-1");
    let mut daemon = daemon
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/keys", source.url()))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic of-the-container")
        .spawn();
    let rows = strict.feed(&workdir, 0, || strict.keys() >= 3);
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    strict.assert_once_and_never_expired(rows);
}

/// A token in a file, for which the token service gives keys; the file's newest contents go with each renewal.
#[test]
fn keys_for_a_web_identity_are_renewed_with_the_token_that_is_in_its_file_then() {
    let strict = Strict::start();
    let workdir = strict.workdir();
    workdir.write("token", "token-0");
    let tokens = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&tokens);
    let service = Scripted::start(move |request| {
        let form = request.text();
        assert!(form.contains("Action=AssumeRoleWithWebIdentity"), "{form}");
        let (_, token) = form.split_once("WebIdentityToken=").expect("a token");
        seen.lock().expect("no panic").insert(token.split('&').next().expect("a token").to_owned());
        let until = now_s() + GOOD_FOR_S;
        let keys = format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>K{until}</AccessKeyId>\
             <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{}</Expiration>\
             </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
            utc(until)
        );
        answer(200, &[("content-type", "text/xml")], &keys)
    });
    let elsewhere = ForwardProxy::refusing();
    let mut daemon = workdir
        .livecosmos()
        .table("X")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL_STS", service.url())
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/station")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", workdir.path("token"))
        // Nothing but the service that is played here is to be asked.
        .env("HTTPS_PROXY", elsewhere.url())
        .spawn();
    let rows = strict.feed(&workdir, 0, || strict.keys() >= 1);
    workdir.write("token", "token-1");
    let rows = strict.feed(&workdir, rows, || strict.keys() >= 3);
    daemon.terminate();
    let _ = daemon.wait().expect_code(0);
    strict.assert_once_and_never_expired(rows);
    assert!(tokens.lock().expect("no panic").len() == 2, "{tokens:?}");
}
