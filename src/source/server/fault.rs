//! What went wrong at a database server.

use crate::secret::SecretError;
use crate::source::{SourceError, Stopped};

/// A statement or a connection that failed, by what the operator must do.
#[derive(Debug)]
pub(in crate::source) struct Fault {
    kind: FaultKind,
    /// Server and cause, then the remedy. Never a password.
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FaultKind {
    Config,
    Stale,
    Denied,
    Failed,
    Lost,
}

impl Fault {
    /// The configuration does not fit what is there.
    pub(in crate::source) fn config(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Config, message: message.into() }
    }

    /// A name that the catalogue had is gone: the same where it was just looked up.
    pub(in crate::source) fn stale(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Stale, message: message.into() }
    }

    /// The server refuses us.
    pub(in crate::source) fn denied(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Denied, message: message.into() }
    }

    /// A statement failed; the connection can be used on.
    pub(in crate::source) fn failed(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Failed, message: message.into() }
    }

    /// There is no connection, or none any more.
    pub(in crate::source) fn lost(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Lost, message: message.into() }
    }

    /// Whether a new connection, or a new look at the catalogue, may mend it.
    pub(super) fn may_be_stale(&self) -> bool {
        matches!(self.kind, FaultKind::Stale | FaultKind::Lost)
    }
}

impl From<SecretError> for Fault {
    fn from(error: SecretError) -> Self {
        Self::config(error.to_string())
    }
}

impl From<Fault> for SourceError {
    fn from(Fault { kind, message }: Fault) -> Self {
        match kind {
            FaultKind::Config | FaultKind::Stale => Self::Config(message),
            FaultKind::Denied => Self::Denied(message),
            FaultKind::Failed | FaultKind::Lost => Self::Unavailable(message),
        }
    }
}

/// Why reading came to an end before its time.
#[derive(Debug)]
pub(in crate::source) enum Halt {
    /// The server's side.
    Fault(Fault),
    /// Ours.
    Source(SourceError),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        Self::Source(stopped.into())
    }
}

impl From<Halt> for SourceError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Fault(fault) => fault.into(),
            Halt::Source(error) => error,
        }
    }
}
