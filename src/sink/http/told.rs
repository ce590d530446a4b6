//! What an endpoint told of objects that it holds: all that can be known of them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use livecosmos_state::{ChainName, SiteId, TableName};

use crate::sink::Facts;

/// Of each chain, key and facts.
type ByChain = HashMap<(TableName, SiteId, ChainName), (String, Facts)>;

/// The last object told of each chain: more is not needed, for the next is told when it is met.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<ByChain>);

impl Told {
    /// Notes what is stored under `key`.
    pub(super) fn note(&self, key: &str, facts: Facts) {
        let chain = (facts.table.clone(), facts.site.clone(), facts.chain.clone());
        self.lock().insert(chain, (key.to_owned(), facts));
    }

    /// What is stored under `key`, as far as it was told.
    pub(super) fn facts(&self, key: &str) -> Option<Facts> {
        self.lock().values().find(|(told, _)| told == key).map(|(_, facts)| facts.clone())
    }

    /// The keys that were told of, with this prefix and not below `from`, in order.
    pub(super) fn keys(&self, prefix: &str, from: &str, keys_max: usize) -> Vec<String> {
        let told = self.lock();
        let keys = told.values().map(|(key, _)| key).filter(|key| key.starts_with(prefix));
        let mut keys: Vec<String> = keys.filter(|key| key.as_str() >= from).cloned().collect();
        keys.sort_unstable();
        keys.truncate(keys_max);
        keys
    }

    fn lock(&self) -> MutexGuard<'_, ByChain> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
