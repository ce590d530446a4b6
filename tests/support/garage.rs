//! Garage: an S3 server that ignores `If-None-Match: *`. It answers 200, and what was there is gone.

use super::process::{command, free_address};
use super::s3_client::S3Client;
use super::server::{BUCKET, REGION, S3Server, installed};

/// Any 32 bytes; the cluster is this one process, on loopback, for the length of one test.
const RPC_SECRET: &str = "6c697665636f736d6f732d746573742d6761726167652d7365637265742d3031";

/// Starts a single-node server with an empty bucket.
pub fn start() -> S3Server {
    let client = S3Client {
        address: free_address(),
        // Garage insists on the shape: GK and 12 bytes, and a secret of 32 bytes.
        access_key: "GK6c697665636f736d6f732d30".to_owned(),
        secret_key: "6c697665636f736d6f732d746573742d6761726167652d6b65792d3030303031".to_owned(),
        region: REGION.to_owned(),
        bucket: BUCKET.to_owned(),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("garage.toml");
    let text = config_text(folder.path(), &client);
    #[expect(clippy::disallowed_methods, reason = "a test's own file, gone with the test")]
    std::fs::write(&config, text).expect("a new file");
    let (server_client, program) = (client.clone(), installed("garage", "garage"));
    S3Server::start("garage", client, folder, move || {
        let mut command = command(&program);
        command
            .arg("-c")
            .arg(&config)
            .args(["server", "--single-node", "--default-bucket"])
            .env("GARAGE_DEFAULT_ACCESS_KEY", &server_client.access_key)
            .env("GARAGE_DEFAULT_SECRET_KEY", &server_client.secret_key)
            .env("GARAGE_DEFAULT_BUCKET", &server_client.bucket);
        command
    })
}

fn config_text(folder: &std::path::Path, client: &S3Client) -> String {
    let folder = folder.display();
    let (address, rpc_address) = (client.address, free_address());
    format!(
        r#"metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "{rpc_address}"
rpc_public_addr = "{rpc_address}"
rpc_secret = "{RPC_SECRET}"
[s3_api]
s3_region = "{REGION}"
api_bind_addr = "{address}"
"#
    )
}
