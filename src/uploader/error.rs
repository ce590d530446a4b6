//! Why a site waits.

use std::time::Duration;

use livecosmos_state::{CommitError, SiteId};

use crate::sink::SinkError;

/// Why a site could not go on in this pass.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SiteError {
    /// The sink did not take the object.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The sink does not take one object, and takes others.
    #[error("{0}")]
    NotTaken(String),
    /// What the sink holds contradicts itself.
    #[error("{0}")]
    Inconsistent(String),
    /// The batch could not be spelled.
    #[error("cannot encode a batch of site {site}: {reason}")]
    Encode {
        /// Whose batch.
        site: SiteId,
        /// The library's words.
        reason: String,
    },
    /// A row of the site can be neither sent nor kept.
    #[error("{0}")]
    Quarantine(String),
    /// The state cannot be written.
    #[error(transparent)]
    State(#[from] CommitError),
    /// The daemon is stopping.
    #[error(transparent)]
    Stopped(#[from] crate::source::Stopped),
}

impl SiteError {
    /// How long it would be useless to try the site again, where the sink is away for all.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Sink(SinkError::Later { wait, .. }) => *wait,
            _ => None,
        }
    }
}
