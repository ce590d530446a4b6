//! moto: an S3 server in Python that keeps everything in memory and answers the error cases as S3 does.
//! It accepts any pair of keys.

use super::process::{command, free_address};
use super::s3_client::S3Client;
use super::server::{BUCKET, REGION, S3Server, installed};

/// It compares signatures with a query that it has decoded before, and none with a slash in it fits.
const WITHOUT_SIGNATURES: &str = "
import sys
from moto.iam.access_control import IAMRequestBase
from moto.server import main
IAMRequestBase.check_signature = lambda self: None
main(sys.argv[1:])
";

/// Starts a server with an empty bucket.
pub fn start() -> S3Server {
    start_as("moto_server", &[])
}

/// Starts one for `iam`: policies are enforced on demand, by the key that a request names, and signatures are not.
pub fn start_for_policies() -> S3Server {
    start_as("python", &["-c", WITHOUT_SIGNATURES])
}

fn start_as(program: &str, arguments: &'static [&str]) -> S3Server {
    let client = S3Client {
        address: free_address(),
        access_key: "moto-access".to_owned(),
        secret_key: "moto-secret".to_owned(),
        region: REGION.to_owned(),
        bucket: BUCKET.to_owned(),
    };
    let (address, program) = (client.address, installed("moto", program));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = S3Server::start("moto", client.clone(), folder, move || {
        let mut command = command(&program);
        command.args(arguments).args(["-H", &address.ip().to_string(), "-p", &address.port().to_string()]);
        command
    });
    client.create_bucket();
    server
}
