//! Objects in a bucket of Google Cloud Storage or a container of Azure Blob Storage.
//!
//! `object_store` speaks both protocols. It makes one attempt per call, through our own HTTP client
//! (`client`): retries are the uploader's, with one back-off for all sinks, and an answer that says no comes
//! back whole, so that what follows from it is decided in one place (`trouble`).
//!
//! An object is created only if it is absent: by `x-goog-if-generation-match: 0`, which Google answers with
//! 412, and `If-None-Match: *`, which Azure answers with 409. As with S3, [`Sink::probe`] tries it once, and
//! where it does not hold each put looks first.

#[cfg(feature = "azure")]
mod azure;
mod client;
#[cfg(feature = "gcs")]
mod gcs;
mod labels;
mod place;
mod trouble;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Path;
use object_store::{Attributes, GetOptions, GetResult, ObjectStore, PutMode, PutOptions};
use tokio::sync::OnceCell;

use super::settings::Reach;
use super::{Facts, Guard, Object, Pace, Probed, PutOutcome, Sink, SinkError, key, longest_way};
use client::Paced;
use labels::Labels;
use place::{Place, Right};
use trouble::Trouble;

/// What both stores can do.
trait Store: ObjectStore + PaginatedListStore {}

impl<T: ObjectStore + PaginatedListStore> Store for T {}

/// A bucket or container, or what is below a prefix of one.
pub struct CloudSink {
    store: Arc<dyn Store>,
    /// Empty, or ends with a slash.
    prefix: String,
    labels: Labels,
    look_first: AtomicBool,
    /// The server was seen to list keys from a given one on. Some that speak Azure's protocol then list none.
    lists_from: OnceCell<bool>,
    /// Longest wait for one request and its answer, without its body.
    patience: Duration,
    place: Place,
}

impl CloudSink {
    fn new(store: Arc<dyn Store>, reach: &Reach, labels: Labels, place: Place) -> Self {
        let slash = if reach.prefix.is_empty() { "" } else { "/" };
        Self {
            store,
            prefix: format!("{}{slash}", reach.prefix),
            labels,
            look_first: AtomicBool::new(false),
            lists_from: OnceCell::new(),
            patience: reach.request_timeout,
            place,
        }
    }

    /// Where `key` is in the bucket.
    fn path(&self, key: &str) -> Result<Path, SinkError> {
        Path::parse(format!("{}{key}", self.prefix)).map_err(|error| {
            SinkError::Refused(format!("key {key:?} is not allowed in {}: {error}", self.place))
        })
    }

    /// What `work` comes to, unless it takes longer than an answer and so much `more`.
    async fn within<T>(
        &self,
        more: Duration,
        work: impl Future<Output = object_store::Result<T>> + Send,
    ) -> Result<T, Trouble> {
        let patience = self.patience + more;
        match tokio::time::timeout(patience, work).await {
            Ok(done) => done.map_err(|error| Trouble::of(&error)),
            Err(_) => Err(Trouble::late(patience)),
        }
    }

    /// Sends one conditional put; what is there already is an outcome, not an error.
    async fn send(
        &self,
        key: &str,
        bytes: Bytes,
        attributes: Attributes,
        pace: Option<Pace>,
    ) -> Result<PutOutcome, SinkError> {
        let path = self.path(key)?;
        let mut options = PutOptions { mode: PutMode::Create, attributes, ..PutOptions::default() };
        let upload = longest_way(bytes.len());
        let paced = pace.as_ref().map_or(Duration::ZERO, |pace| pace.left_for(bytes.len()));
        if let Some(pace) = pace {
            options.extensions.insert(Paced { bytes: bytes.clone(), pace });
        }
        match self.within(upload + paced, self.store.put_opts(&path, bytes.into(), options)).await {
            Ok(_) => Ok(PutOutcome::Stored),
            Err(trouble) if trouble.is_taken() => Ok(PutOutcome::Exists),
            Err(trouble) => Err(self.place.explain(&format!("store '{path}'"), Right::Write, &trouble)),
        }
    }

    /// The object under `key`, or its head alone; `None` where there is none.
    async fn find(&self, key: &str, head: bool) -> Result<Option<GetResult>, SinkError> {
        let path = self.path(key)?;
        let options = GetOptions { head, ..GetOptions::default() };
        match self.within(Duration::ZERO, self.store.get_opts(&path, options)).await {
            Ok(found) => Ok(Some(found)),
            Err(trouble) if trouble.is_no_such_key() => Ok(None),
            Err(trouble) => Err(self.place.explain(&format!("look at '{path}'"), Right::Read, &trouble)),
        }
    }

    /// A page of the keys below `prefix` of the bucket.
    async fn page(
        &self,
        prefix: &str,
        options: PaginatedListOptions,
    ) -> Result<PaginatedListResult, SinkError> {
        let action = if prefix.is_empty() { "list keys".to_owned() } else { format!("list '{prefix}'") };
        let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
        let page = self.within(Duration::ZERO, self.store.list_paginated(prefix, options)).await;
        page.map_err(|trouble| self.place.explain(&action, Right::List, &trouble))
    }

    /// Whether the probe's key, which is there, is listed from a key below it on.
    async fn finds_probe_from_below(&self) -> Result<bool, SinkError> {
        let probe = format!("{}{}", self.prefix, key::PROBE);
        let folder = format!("{}{}/", self.prefix, key::OWN_FOLDER);
        let offset = key::start_after(&folder, &probe).map(str::to_owned);
        let page =
            self.page(&folder, PaginatedListOptions { offset, ..PaginatedListOptions::default() }).await?;
        Ok(page.result.objects.iter().any(|object| object.location.as_ref() == probe))
    }

    fn facts(&self, key: &str, attributes: &Attributes) -> Result<Facts, SinkError> {
        Facts::from_metadata(&self.labels.read(attributes)).map_err(|error| {
            SinkError::Refused(format!("object '{}{key}' in {}: {error}", self.prefix, self.place))
        })
    }
}

#[async_trait]
impl Sink for CloudSink {
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        key::check(key)?;
        if self.look_first.load(Ordering::Relaxed) && self.find(key, true).await?.is_some() {
            return Ok(PutOutcome::Exists);
        }
        self.send(key, object.bytes.clone(), self.labels.write(object), object.pace.clone()).await
    }

    /// A bucket that does not exist may look like an absent object here; [`Sink::probe`] tells.
    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError> {
        key::check(key)?;
        let Some(found) = self.find(key, true).await? else { return Ok(None) };
        self.facts(key, &found.attributes).map(Some)
    }

    async fn get(&self, key: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        key::check(key)?;
        let Some(found) = self.find(key, false).await? else { return Ok(None) };
        let facts = self.facts(key, &found.attributes)?;
        let download = longest_way(usize::try_from(found.meta.size).unwrap_or(usize::MAX));
        match self.within(download, found.bytes()).await {
            Ok(bytes) => Ok(Some((facts, bytes))),
            Err(trouble) => {
                let action = format!("read '{}{key}'", self.prefix);
                Err(self.place.explain(&action, Right::Read, &trouble))
            }
        }
    }

    /// Where a server does not list from a given key on, all keys of `prefix` are asked for, a page at a time.
    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
        let (mut keys, mut page_token): (Vec<String>, _) = (Vec::new(), None);
        let below = format!("{}{prefix}", self.prefix);
        let asked = siblings(&below);
        let first = format!("{}{}", self.prefix, from.max(prefix));
        let mut offset = key::start_after(asked, &first);
        if offset.is_some() && !*self.lists_from.get_or_try_init(|| self.finds_probe_from_below()).await? {
            offset = None;
        }
        while keys.len() < keys_max {
            let page = PaginatedListOptions {
                offset: offset.map(str::to_owned),
                max_keys: Some(key::page(keys_max - keys.len()).into()),
                page_token,
                ..PaginatedListOptions::default()
            };
            let page = self.page(asked, page).await?;
            let found = page.result.objects.iter().map(|object| object.location.as_ref());
            let found = found.filter_map(|path| path.strip_prefix(&self.prefix));
            let wanted = |key: &&str| key.starts_with(prefix) && *key >= from && !key::is_own(key);
            keys.extend(found.filter(wanted).map(str::to_owned));
            let is_beyond = |path: &str| path > below.as_str() && !path.starts_with(&below);
            let last = page.result.objects.last().map(|object| object.location.as_ref());
            page_token = page.page_token.filter(|_| !last.is_some_and(is_beyond));
            if page_token.is_none() {
                break;
            }
        }
        // The head of a chain is found by this order, and an account with a hierarchy of folders may not keep it.
        if !keys.is_sorted() {
            return Err(SinkError::Fatal(format!(
                "cannot list '{below}' in {}: the server lists keys out of order; use an account without a \
                 hierarchical namespace",
                self.place
            )));
        }
        keys.truncate(keys_max);
        Ok(keys)
    }

    /// Lists before it writes: so a bucket that does not exist, and a right that is missing, are told apart from
    /// an object that is absent.
    async fn probe(&self) -> Result<Probed, SinkError> {
        self.list("", "", 1).await?;
        let try_it = || self.send(key::PROBE, Bytes::from_static(key::PROBE_BYTES), Attributes::new(), None);
        // The first may have been there since an earlier start; the second must find something.
        let guarded = try_it().await? == PutOutcome::Exists || try_it().await? == PutOutcome::Exists;
        self.look_first.store(!guarded, Ordering::Relaxed);
        self.lists_from.get_or_try_init(|| self.finds_probe_from_below()).await?;
        Ok(if guarded { Guard::CreateIfAbsent } else { Guard::LookFirst }.into())
    }

    fn describe(&self) -> &str {
        self.place.as_str()
    }
}

impl fmt::Debug for CloudSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CloudSink").field(&self.place).finish()
    }
}

/// A prefix that `below` and its siblings have: an object whose whole key is the prefix that was asked for is left
/// out by `object_store`, which takes it for a folder.
fn siblings(below: &str) -> &str {
    let last = below.char_indices().next_back().map_or(0, |(at, _)| at);
    if below.ends_with('/') { below } else { &below[..last] }
}
