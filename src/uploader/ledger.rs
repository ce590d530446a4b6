//! The ledger: which rows of the lookback window are stored. A cache of what the sink can prove.

use livecosmos_state::{ChainName, SiteId};

use super::adopt::Recent;
use super::change::Sent;
use super::{LiveUploader, SiteError};
use crate::rows::Batch;

/// What the ledger wants of a batch.
pub(super) struct Noting;

impl Noting {
    /// The rows of `batch` for the ledger.
    pub(super) fn rows(&self, _batch: &Batch) -> Sent {
        Sent::from([])
    }
}

impl LiveUploader {
    pub(super) fn ledger_of(&self, _batch: &Batch, _chain: &ChainName) -> Noting {
        Noting
    }

    /// Which objects hold rows of the site's lookback window.
    pub(super) fn recent(&self, site: &SiteId) -> Option<Recent> {
        let seconds = self.settings.lookback?.seconds;
        let watermark = self.journal.read(|state| state.sites.get(site).and_then(|site| site.last_data));
        Some(Recent { seconds, watermark })
    }

    pub(super) async fn rows_of(&self, _keys: &[String]) -> Result<Sent, SiteError> {
        Ok(Sent::from([]))
    }
}
