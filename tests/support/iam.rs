//! moto's policies: who may do what, enforced for every request once a user is made.
//!
//! Servers are of `moto::start_for_policies`. Of a policy moto knows actions and resources. A statement with a condition denies (it knows none of S3's), lists
//! are not limited to a prefix, and a key that is missing answers 404 to whoever may read it.

use std::io::BufReader;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::http::Message;
use super::s3_client::S3Client;
use super::server::S3Server;

/// Makes a user of `server`, which is moto, who may do what `policy` says, and nobody anything else from now on.
/// Gives the user's keys.
pub fn only(server: &S3Server, policy: &str) -> S3Client {
    static USERS: AtomicUsize = AtomicUsize::new(0);
    let user = format!("station-{}", USERS.fetch_add(1, Ordering::Relaxed));
    anybody(server);
    let policy = utf8_percent_encode(policy, NON_ALPHANUMERIC);
    ask(server, &format!("Action=CreateUser&UserName={user}"));
    ask(server, &format!("Action=PutUserPolicy&UserName={user}&PolicyName=p&PolicyDocument={policy}"));
    let keys = ask(server, &format!("Action=CreateAccessKey&UserName={user}"));
    let element = |name: &str| {
        let (_, rest) = keys.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {keys}"));
        rest.split('<').next().expect("its end").to_owned()
    };
    enforce_after(server, "0");
    S3Client {
        access_key: element("AccessKeyId"),
        secret_key: element("SecretAccessKey"),
        ..server.client().clone()
    }
}

/// Lets everybody do everything again.
pub fn anybody(server: &S3Server) {
    enforce_after(server, "inf");
}

fn enforce_after(server: &S3Server, requests: &str) {
    let _ = post(server, "/moto-api/reset-auth", &[], requests);
}

fn ask(server: &S3Server, form: &str) -> String {
    // Which service is meant is read here; signatures are looked at only while policies are enforced.
    let signed = "AWS4-HMAC-SHA256 Credential=any/20250101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
    let headers =
        [("authorization", signed), ("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    post(server, "/", &headers, &format!("{form}&Version=2010-05-08"))
}

fn post(server: &S3Server, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("a running moto");
    let (address, length) = (server.address().to_string(), body.len().to_string());
    let own = [("host", address.as_str()), ("connection", "close"), ("content-length", &length)];
    let headers = own.iter().chain(headers).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let request = Message {
        start: format!("POST {path} HTTP/1.1"),
        headers: headers.collect(),
        body: body.as_bytes().to_vec(),
    };
    request.write(&mut stream).expect("sent");
    let reply = Message::read_response(&mut BufReader::new(stream), "POST").expect("an answer");
    assert_eq!(reply.status(), 200, "{}", reply.text());
    reply.text()
}
