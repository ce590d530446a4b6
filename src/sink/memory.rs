//! Objects in the memory of this process: for tests, and for trying a configuration out.

use async_trait::async_trait;
use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Attribute, Attributes, Error, GetOptions, GetResult, ObjectStore, PutMode, PutOptions};

use super::{Facts, Guard, Object, Probed, PutOutcome, Sink, SinkError, key};

/// A sink that forgets everything when the process ends.
#[derive(Debug, Default)]
pub struct MemorySink {
    store: InMemory,
}

impl MemorySink {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        let path = path(key)?;
        let options =
            PutOptions { mode: PutMode::Create, attributes: attributes(object), ..Default::default() };
        match self.store.put_opts(&path, object.bytes.clone().into(), options).await {
            Ok(_) => Ok(PutOutcome::Stored),
            Err(Error::AlreadyExists { .. }) => Ok(PutOutcome::Exists),
            Err(error) => Err(SinkError::Refused(format!("cannot store '{key}' in memory: {error}"))),
        }
    }

    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError> {
        Ok(self.find(key).await?.map(|(facts, _)| facts))
    }

    async fn get(&self, key: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        let Some((facts, found)) = self.find(key).await? else { return Ok(None) };
        let bytes = found.bytes().await.map_err(|error| refused(key, &error))?;
        Ok(Some((facts, bytes)))
    }

    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
        use futures_util::TryStreamExt as _;
        // The store's own prefix ends at a slash and its offset is exclusive, so both are applied here.
        let found = self.store.list(None).map_ok(|object| object.location.to_string());
        let mut keys: Vec<_> = found
            .try_filter(|key| std::future::ready(key.starts_with(prefix) && key.as_str() >= from))
            .try_collect()
            .await
            .map_err(|error| SinkError::Refused(format!("cannot list '{prefix}' in memory: {error}")))?;
        keys.sort_unstable();
        keys.truncate(keys_max);
        Ok(keys)
    }

    async fn probe(&self) -> Result<Probed, SinkError> {
        Ok(Guard::CreateIfAbsent.into())
    }

    #[expect(clippy::unnecessary_literal_bound, reason = "the signature is the trait's")]
    fn describe(&self) -> &str {
        "memory:"
    }
}

impl MemorySink {
    async fn find(&self, key: &str) -> Result<Option<(Facts, GetResult)>, SinkError> {
        let found = match self.store.get_opts(&path(key)?, GetOptions::default()).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(refused(key, &error)),
        };
        let metadata = found.attributes.iter().filter_map(|(name, value)| match name {
            Attribute::Metadata(name) => Some((name.to_string(), value.to_string())),
            _ => None,
        });
        let facts = Facts::from_metadata(&metadata.collect())
            .map_err(|error| SinkError::Refused(format!("object '{key}' in memory: {error}")))?;
        Ok(Some((facts, found)))
    }
}

fn refused(key: &str, error: &Error) -> SinkError {
    SinkError::Refused(format!("cannot look at '{key}' in memory: {error}"))
}

fn path(key: &str) -> Result<Path, SinkError> {
    key::check(key)?;
    Path::parse(key).map_err(|error| SinkError::Refused(format!("key {key:?} is not allowed: {error}")))
}

fn attributes(object: &Object) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, object.content_type.into());
    if let Some(encoding) = object.content_encoding {
        attributes.insert(Attribute::ContentEncoding, encoding.into());
    }
    for (name, value) in object.facts.to_metadata() {
        attributes.insert(Attribute::Metadata(name.into()), value.into());
    }
    attributes
}
