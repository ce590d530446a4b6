//! By which way a bucket is reached: a proxy, an authority of one's own, AWS's other entrances; and what is said
//! where the credentials lack a right.

use crate::support::authority::Authority;
use crate::support::daemon::{Livecosmos, Workdir, workdir};
use crate::support::encrypted::Encrypted;
use crate::support::forward_proxy::ForwardProxy;
use crate::support::front::{Fault, Front};
use crate::support::{s3s, server::S3Server};

/// A table of one row that is stored in `bucket`, with `lines` under `[sink.s3]`.
pub(crate) fn storing(bucket: &str, lines: &str) -> Workdir {
    let workdir = workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"{{table}}.csv\"\n[sink]\nurl = \"s3://{bucket}/p\"\n\
         [sink.s3]\n{lines}\n[poll]\nfallback = \"all\"\n\
         [tables.X]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n"
    ));
    workdir.write("X.csv", "SITE_ID,DATE_TIME,TA\nALIC1,2025-01-01T00:00:00,0.10\n");
    workdir
}

pub(crate) fn once(workdir: &Workdir, server: &S3Server) -> Livecosmos {
    workdir.livecosmos().table("X").arg("--once").credentials(server)
}

pub(crate) fn check(workdir: &Workdir, server: &S3Server) -> Livecosmos {
    let words = [workdir.config().into_os_string(), "--state-dir".into(), workdir.state_dir().into()];
    let check = Livecosmos::new(workdir.folder()).arg("check");
    words.iter().fold(check, Livecosmos::arg).credentials(server)
}

#[test]
fn an_authority_of_ones_own_is_believed_and_no_other() {
    let (server, authority) = (s3s::start(), Authority::new());
    let encrypted = Encrypted::before(server.address(), &authority);
    let endpoint = format!("endpoint = \"{}\"", encrypted.endpoint());
    let believing = |ca: &str| storing(server.bucket(), &format!("{endpoint}\nca = \"{ca}\""));
    let _ = once(&believing(&authority.file("ca.crt")), &server).run().expect_code(0);
    assert_eq!(server.client().list("p/ALIC1/").len(), 1);

    let nobody = once(&storing(server.bucket(), &endpoint), &server).run().expect_code(69).stderr;
    assert!(nobody.contains("certificate is not trusted") && nobody.contains("ca in [sink.s3]"), "{nobody}");
    let stranger = Authority::new();
    let other = once(&believing(&stranger.file("ca.crt")), &server).run().expect_code(69).stderr;
    assert!(other.contains("certificate is not trusted"), "{other}");
    for (ca, words) in [("none.crt", "cannot be read"), ("X.csv", "holds no certificate")] {
        let refused = once(&believing(ca), &server).run().expect_code(78).stderr;
        assert!(refused.contains(words) && refused.contains("PEM certificates"), "{refused}");
    }
}

#[test]
fn a_proxy_of_the_environment_is_gone_through_but_where_no_proxy_says_otherwise() {
    let (server, authority) = (s3s::start(), Authority::new());
    let encrypted = Encrypted::before(server.address(), &authority);
    let address = encrypted.endpoint().replace("https://", "");
    // With an authority of one's own the client is another than the SDK's: both must go by the proxy.
    let own = format!("endpoint = \"{}\"\nca = \"{}\"", encrypted.endpoint(), authority.file("ca.crt"));
    let usual = format!("endpoint = \"{}\"", encrypted.endpoint());
    for (lines, code) in [(own, 0), (usual, 69)] {
        let (proxy, workdir) = (ForwardProxy::start(), storing(server.bucket(), &lines));
        let _ = once(&workdir, &server).env("HTTPS_PROXY", proxy.url()).run().expect_code(code);
        let asked = proxy.asked();
        assert!(!asked.is_empty() && asked.iter().all(|target| *target == address), "{asked:?}");

        let (passed_by, workdir) = (ForwardProxy::start(), storing(server.bucket(), &lines));
        let (host, _) = address.split_once(':').expect("a port");
        let run = once(&workdir, &server).env("HTTPS_PROXY", passed_by.url()).env("NO_PROXY", host);
        let _ = run.run().expect_code(code);
        assert_eq!(passed_by.asked(), Vec::<String>::new());
    }
}

/// AWS itself is never reached: the proxy hears the name, and refuses.
#[test]
fn awss_other_entrances_are_asked_for_by_their_names() {
    let server = s3s::start();
    for (lines, expected) in [
        ("", "station-data.s3.us-east-1.amazonaws.com:443"),
        ("accelerate = true", "station-data.s3-accelerate.amazonaws.com:443"),
        ("dual_stack = true", "station-data.s3.dualstack.us-east-1.amazonaws.com:443"),
        ("accelerate = true\ndual_stack = true", "station-data.s3-accelerate.dualstack.amazonaws.com:443"),
    ] {
        let proxy = ForwardProxy::refusing();
        let check = check(&storing("station-data", lines), &server).env("HTTPS_PROXY", proxy.url()).run();
        let _ = check.expect_code(69);
        let asked = proxy.asked();
        assert_eq!(asked.first().map(String::as_str), Some(expected), "{lines}");
    }
}

/// Played: S3 without the right to list, which answers 403 to a list, and to a look at a key that is missing.
#[test]
fn without_the_right_to_list_check_and_the_daemon_say_so_and_why_it_is_needed() {
    let server = s3s::start();
    let front = Front::before(server.address());
    front.set_rule(|request| match request.method() {
        "GET" if request.target().contains("list-type=2") => Fault::Answer(403),
        "HEAD" => Fault::Answer(403),
        _ => Fault::None,
    });
    let workdir = storing(server.bucket(), &format!("endpoint = \"{}\"", front.endpoint()));
    for run in [
        check(&workdir, &server),
        once(&workdir, &server),
        workdir.livecosmos().table("X").credentials(&server),
    ] {
        let run = run.run().expect_code(77);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("s3:ListBucket on the bucket, without which S3 answers 403"), "{said}");
        assert!(!said.contains("s3:PutObject"), "it names what is not missing: {said}");
    }
    assert_eq!(server.client().list(""), Vec::<String>::new(), "nothing is written before that is known");
}

/// Played: a bucket that lets nobody write, or only who asks for encryption.
#[test]
fn without_the_right_to_write_the_rights_that_the_settings_need_are_named() {
    let server = s3s::start();
    let front = Front::before(server.address());
    front.set_rule(|request| if request.method() == "PUT" { Fault::Answer(403) } else { Fault::None });
    let said = |lines: &str| {
        let lines = format!("endpoint = \"{}\"\n{lines}", front.endpoint());
        let run = check(&storing(server.bucket(), &lines), &server).run().expect_code(77);
        format!("{}{}", run.stdout, run.stderr)
    };
    let plain = said("");
    assert!(plain.contains("s3:PutObject below the prefix"), "{plain}");
    assert!(plain.contains("set encryption in [sink.s3]"), "{plain}");
    let much = said(
        "encryption = \"aws:kms\"\ntags = { kind = \"raw\" }\nlock_mode = \"compliance\"\nlock_for = \"1d\"\n\
         bucket_owner = \"123456789012\"",
    );
    for right in ["s3:PutObjectTagging", "s3:PutObjectRetention", "kms:GenerateDataKey", "123456789012"] {
        assert!(much.contains(right), "{right}: {much}");
    }
}
