//! An endpoint before the shelf, as its contract wants it: it tells of an object only where another comes in its
//! place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use livecosmos::sink::{Facts, Guard, Object, Probed, PutOutcome, Sink, SinkError};

use crate::shelf::Shelf;

/// What one daemon knows of it: what it was told since it began.
pub(crate) struct Receiver {
    shelf: Arc<Shelf>,
    told: Mutex<BTreeMap<String, Facts>>,
}

impl Receiver {
    pub(crate) fn before(shelf: Arc<Shelf>) -> Self {
        Self { shelf, told: Mutex::default() }
    }
}

#[async_trait]
impl Sink for Receiver {
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        let outcome = self.shelf.put(key, object).await?;
        if outcome == PutOutcome::Stored {
            return Ok(outcome);
        }
        let held = Arc::clone(&self.shelf.objects()[key].facts);
        let which = |facts: &Facts| (facts.from.clone(), facts.to.clone(), facts.next.clone(), facts.digest);
        if which(&held) == which(&object.facts) {
            return Ok(PutOutcome::Stored);
        }
        self.told.lock().expect("no request panics").insert(key.to_owned(), (*held).clone());
        Ok(PutOutcome::Exists)
    }

    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError> {
        Ok(self.told.lock().expect("no request panics").get(key).cloned())
    }

    async fn get(&self, _: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        Err(SinkError::Refused("it gives nothing back".into()))
    }

    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
        let told = self.told.lock().expect("no request panics");
        let keys = told.range(from.to_owned()..).map(|(key, _)| key).filter(|key| key.starts_with(prefix));
        Ok(keys.take(keys_max).cloned().collect())
    }

    async fn probe(&self) -> Result<Probed, SinkError> {
        Ok(Guard::Receiver.into())
    }

    fn can_be_read(&self) -> bool {
        false
    }

    fn describe(&self) -> &'static str {
        "receiver"
    }
}
