//! Server that cannot start or cannot end as it should.

use std::fmt::Display;

use zonelake_schemas::error::ErrorKind;
use zonelake_settings::SettingsError;

/// Kind of a failure by what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Read the message; a retry alone does not help.
    Failed,
    /// Fix the command line, the settings or the input.
    Input,
    /// Stored data is damaged, or a check has found a difference.
    Unsound,
    /// Use other credentials.
    NoPermission,
    /// Try again later.
    TryAgain,
    /// It was done, and none of what was sent was acceptable.
    NothingAcceptable,
}

impl From<ErrorKind> for FailureKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Retry => Self::TryAgain,
            ErrorKind::Input => Self::Input,
            ErrorKind::Permission => Self::NoPermission,
            ErrorKind::Corrupt => Self::Unsound,
            ErrorKind::Bug => Self::Failed,
        }
    }
}

/// Failure of a server, with its whole message.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ServerError {
    /// Kind of the failure.
    pub kind: FailureKind,
    /// Message for the person who runs the server.
    pub message: String,
}

impl ServerError {
    pub(crate) fn new(kind: impl Into<FailureKind>, message: impl Display) -> Self {
        Self { kind: kind.into(), message: message.to_string() }
    }

    pub(crate) fn failed(message: impl Display) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    pub(crate) fn input(message: impl Display) -> Self {
        Self::new(FailureKind::Input, message)
    }
}

impl From<SettingsError> for ServerError {
    fn from(error: SettingsError) -> Self {
        Self::input(error)
    }
}
