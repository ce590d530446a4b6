//! Objects as files in a folder, with their facts beside them.
//!
//! ```text
//! ALIC1/SOILMET_30MIN/00000000000000000007.ndjson                                      the object
//! .livecosmos/ALIC1/SOILMET_30MIN/00000000000000000007.ndjson.<16 hex digits>.json     its claim
//! .livecosmos/writing/5c.lock, 5c.claim, 5c.object                                     a put under way
//! ```
//!
//! A file system keeps no metadata, so the facts of an object stand in its *claim*, written and durable
//! before the object appears and named after the SHA-256 of the object's bytes. Whatever a crash leaves
//! behind, the object that exists says by its content which claim is its own.
//!
//! Both are written under a temporary name, synced, and given their name by a hard link, which fails
//! where the name is taken: that is the create-if-absent. Puts whose keys hash to the same of 256 slots
//! follow one another, across processes, by a file lock. So the temporary names are fixed, and what a
//! killed process left in a slot is cleared by the next put of that slot or the next probe.
//!
//! Assumed of the file system: hard links, `flock`, and that what was fsynced stays.

mod claim;
mod error;
mod publish;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Facts, Guard, Object, Probed, PutOutcome, Sink, SinkError, key};
use claim::Claim;
use publish::Folder;

/// A folder of objects.
#[derive(Debug)]
pub struct LocalSink {
    folder: Arc<Folder>,
    description: String,
}

impl LocalSink {
    /// Names the folder; touches nothing. [`Sink::probe`] creates it.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        let description = format!("file://{}", root.display());
        Self { folder: Arc::new(Folder::new(root)), description }
    }

    async fn with_folder<T, F>(&self, work: F) -> Result<T, SinkError>
    where
        T: Send + 'static,
        F: FnOnce(&Folder) -> Result<T, SinkError> + Send + 'static,
    {
        let folder = Arc::clone(&self.folder);
        tokio::task::spawn_blocking(move || work(&folder)).await.unwrap_or_else(|stopped| {
            Err(SinkError::Retry(format!("work in {} was stopped: {stopped}", self.description)))
        })
    }
}

#[async_trait]
impl Sink for LocalSink {
    /// Needs a folder that was probed: one that lost its `.livecosmos` may be the empty mount point of
    /// an unmounted disk, so nothing is stored there.
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        key::check(key)?;
        let (key, object) = (key.to_owned(), object.clone());
        self.with_folder(move |folder| folder.create(&key, &Claim::new(&key, &object), &object.bytes)).await
    }

    /// Reads the object, to know its claim. What is found is durable, also where a writer was killed
    /// just after giving it its name.
    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError> {
        key::check(key)?;
        let key = key.to_owned();
        self.with_folder(move |folder| {
            folder.claim_of(&key)?.map(|claim| claim.facts(folder.root())).transpose()
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        key::check(key)?;
        let key = key.to_owned();
        self.with_folder(move |folder| {
            let Some((claim, bytes)) = folder.object(&key)? else { return Ok(None) };
            Ok(Some((claim.facts(folder.root())?, bytes.into())))
        })
        .await
    }

    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
        let (prefix, from) = (prefix.to_owned(), from.to_owned());
        self.with_folder(move |folder| walk::keys(folder.root(), &prefix, &from, keys_max)).await
    }

    /// Creates the folder where only it is missing, and clears what killed processes left behind.
    async fn probe(&self) -> Result<Probed, SinkError> {
        self.with_folder(|folder| {
            folder.prepare()?;
            folder.probe_links()?;
            folder.clear_leftovers()?;
            Ok(Guard::CreateIfAbsent.into())
        })
        .await
    }

    fn describe(&self) -> &str {
        &self.description
    }
}

/// Path of an object in `root`.
fn object_path(root: &Path, key: &str) -> PathBuf {
    root.join(key)
}
