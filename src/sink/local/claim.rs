//! The file beside an object that says what the object is.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::sink::facts::hex;
use crate::sink::{Facts, Object, SinkError, key};

/// Version of the file's form. A reader refuses what is newer.
const SCHEMA: u32 = 1;
/// How much of the digest is in the file's name.
const NAME_DIGITS: usize = 16;
/// How much of an object is in memory while it is digested.
const READ_BYTES: usize = 64 << 10;

/// What stands in a claim: pretty JSON, UTF-8, a newline at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    schema: u32,
    /// Key of the object.
    pub(super) key: String,
    /// SHA-256 of the object's bytes as stored, in hex.
    pub(super) sha256: String,
    bytes: u64,
    content_type: String,
    content_encoding: Option<String>,
    /// As an S3 object would have it.
    metadata: BTreeMap<String, String>,
}

impl Claim {
    pub(super) fn new(key: &str, object: &Object) -> Self {
        Self {
            schema: SCHEMA,
            key: key.to_owned(),
            sha256: sha256(&object.bytes),
            bytes: object.bytes.len() as u64,
            content_type: object.content_type.to_owned(),
            content_encoding: object.content_encoding.map(str::to_owned),
            metadata: object.facts.to_metadata(),
        }
    }

    /// Reads what [`Claim::to_bytes`] made; `None` for anything else, such as a torn file.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let claim: Self = serde_json::from_slice(bytes).ok()?;
        let sound = claim.schema == SCHEMA && claim.sha256.len() == 64 && claim.sha256.is_ascii();
        (sound && key::check(&claim.key).is_ok()).then_some(claim)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    pub(super) fn path(&self, root: &Path) -> PathBuf {
        path(root, &self.key, &self.sha256)
    }

    pub(super) fn facts(&self, root: &Path) -> Result<Facts, SinkError> {
        Facts::from_metadata(&self.metadata).map_err(|error| {
            SinkError::Refused(format!("object {}: {error}", root.join(&self.key).display()))
        })
    }
}

/// Where the claim of an object with these bytes stands.
pub(super) fn path(root: &Path, key: &str, sha256: &str) -> PathBuf {
    let digits = &sha256[..NAME_DIGITS];
    root.join(format!("{}/{key}.{digits}.json", key::OWN_FOLDER))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// As [`sha256`], without holding the bytes.
pub(super) fn sha256_of_reader(mut reader: impl Read) -> io::Result<String> {
    let (mut context, mut buffer) = (Context::new(&SHA256), vec![0; READ_BYTES]);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hex(context.finish().as_ref())),
            count => context.update(&buffer[..count]),
        }
    }
}
