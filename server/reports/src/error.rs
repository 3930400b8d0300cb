//! A report that cannot be made.

use std::fmt::Display;

use zonelake_schemas::error::ErrorKind;

/// Reason for which a report cannot be made, with its whole message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReportError {
    /// What to do about it.
    pub kind: ErrorKind,
    /// Message for people.
    pub message: String,
}

impl ReportError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, message: impl Display) -> Self {
        Self { kind, message: message.to_string() }
    }

    /// A failure that is nobody's input.
    pub fn failed(message: impl Display) -> Self {
        Self::new(ErrorKind::Bug, message)
    }

    /// What was asked for cannot be.
    pub fn input(message: impl Display) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// The same error with words before its message.
    #[must_use]
    pub fn prefixed(self, words: &str) -> Self {
        Self { message: format!("{words}{}", self.message), ..self }
    }
}
