//! Why a table cannot be followed, and with which code the process ends for it.

use livecosmos_state::OpenError;

use crate::exit::Exit;
use crate::sink::SinkError;
use crate::source::SourceError;
use crate::uploader::PassError;

/// Why a table cannot be followed: what to tell the operator, and how to end.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl From<&PassError> for Exit {
    fn from(error: &PassError) -> Self {
        match error {
            PassError::Source(error) => error.into(),
            PassError::Sink(error) => error.into(),
            PassError::Quarantine(error) => error.into(),
            PassError::State(_) => Self::StateUnwritable,
            PassError::Reader(_) => Self::Unexpected,
        }
    }
}

impl From<PassError> for Failure {
    fn from(error: PassError) -> Self {
        Self::new(Exit::from(&error), error)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::new(Exit::from(&error), error)
    }
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Self::new(Exit::from(&error), error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(Exit::from(&error), error)
    }
}
