//! s3s-fs: a fast S3 server that keeps each object as a plain file, honours `If-None-Match: *` and
//! checks digests.
//!
//! Three things set it apart from S3, read in its source (0.14.1, `src/s3.rs`, `put_object`). It looks
//! whether the key is taken when a put *begins*, so two puts at once can both succeed. It moves the object
//! into place before it compares digests and before it writes the metadata. And it gives a put up where it
//! stands when the client hangs up. Tests that kill clients or run two of them put a
//! [`Front`](super::front::Front) before it, which makes each put one step, as it is in S3.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use super::process::{command, free_address};
use super::s3_client::S3Client;
use super::server::{BUCKET, REGION, S3Server, installed};

/// A running s3s-fs.
pub struct S3s(S3Server);

/// Starts a server with an empty bucket.
pub fn start() -> S3s {
    let client = S3Client {
        address: free_address(),
        access_key: "s3s-access".to_owned(),
        secret_key: "s3s-secret".to_owned(),
        region: REGION.to_owned(),
        bucket: BUCKET.to_owned(),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("objects");
    std::fs::create_dir(&root).expect("a new folder");
    let (server_client, program) = (client.clone(), installed("s3s-fs", "s3s-fs"));
    let server = S3Server::start("s3s-fs", client.clone(), folder, move || {
        let mut command = command(&program);
        command
            .args(["--host", &server_client.address.ip().to_string()])
            .args(["--port", &server_client.address.port().to_string()])
            .args(["--access-key", &server_client.access_key])
            .args(["--secret-key", &server_client.secret_key])
            .arg(&root);
        command
    });
    client.create_bucket();
    S3s(server)
}

impl S3s {
    /// The stored objects as the files they are: key to path, without asking the server.
    pub fn objects(&self) -> BTreeMap<String, PathBuf> {
        let root = self.folder().join("objects").join(self.bucket());
        let mut objects = BTreeMap::new();
        collect(&root, &root, &mut objects);
        objects
    }
}

impl Deref for S3s {
    type Target = S3Server;

    fn deref(&self) -> &S3Server {
        &self.0
    }
}

impl DerefMut for S3s {
    fn deref_mut(&mut self) -> &mut S3Server {
        &mut self.0
    }
}

/// Metadata and uploads under way lie beside the bucket's folder, so every file in it is an object.
fn collect(root: &Path, folder: &Path, objects: &mut BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the bucket's folder is readable") {
        let path = entry.expect("a folder entry is readable").path();
        if path.is_dir() {
            collect(root, &path, objects);
        } else {
            let key = path.strip_prefix(root).expect("a path under the root").to_string_lossy();
            objects.insert(key.into_owned(), path.clone());
        }
    }
}
