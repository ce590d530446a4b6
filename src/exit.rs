//! Exit codes: what a script or service manager may rely on.

use std::process::ExitCode;

use livecosmos_state::OpenError;

use crate::quarantine::QuarantineError;
use crate::sink::SinkError;
use crate::source::SourceError;

/// How the process ends. The numbers are those of `sysexits.h` where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well; also when there was nothing to do.
    Done = 0,
    /// Something that nobody foresaw.
    Unexpected = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// What could be done is done: some sites failed or are not done, or something was found that is wrong.
    SitesFailed = 3,
    /// State and backup are both unreadable.
    StateCorrupt = 65,
    /// The source or the sink could not be reached in a one-shot run.
    Unreachable = 69,
    /// The state cannot be written.
    StateUnwritable = 74,
    /// Another livecosmos follows this table.
    Locked = 75,
    /// Credentials are missing or refused.
    Denied = 77,
    /// The configuration does not fit: itself, or what it points to.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&SourceError> for Exit {
    fn from(error: &SourceError) -> Self {
        match error {
            SourceError::Config(_) => Self::Config,
            SourceError::Unavailable(_) => Self::Unreachable,
            SourceError::Denied(_) => Self::Denied,
            SourceError::Stopped(_) => Self::Done,
        }
    }
}

impl From<&SinkError> for Exit {
    fn from(error: &SinkError) -> Self {
        match error {
            SinkError::Retry(_) | SinkError::Away(_) | SinkError::Busy { .. } | SinkError::Later { .. } => {
                Self::Unreachable
            }
            SinkError::Refused(_) => Self::SitesFailed,
            SinkError::Denied(_) => Self::Denied,
            SinkError::Fatal(_) => Self::Config,
        }
    }
}

impl From<&QuarantineError> for Exit {
    fn from(error: &QuarantineError) -> Self {
        match error {
            QuarantineError::NoFile { .. } => Self::Config,
            QuarantineError::Full { .. } => Self::SitesFailed,
            QuarantineError::Unreadable { .. }
            | QuarantineError::Io { .. }
            | QuarantineError::Broken { .. } => Self::StateUnwritable,
        }
    }
}

impl From<&OpenError> for Exit {
    fn from(error: &OpenError) -> Self {
        match error {
            OpenError::Corrupt { .. } => Self::StateCorrupt,
            OpenError::Newer { .. } | OpenError::WrongTable { .. } | OpenError::Refused { .. } => {
                Self::Config
            }
            OpenError::Locked { .. } => Self::Locked,
            OpenError::Unreadable { .. } | OpenError::Unwritable { .. } => Self::StateUnwritable,
            _ => Self::Unexpected,
        }
    }
}
