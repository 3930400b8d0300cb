//! Why a batch or a stream is refused, in the words that the sender gets.

use zonelake_schemas::wire::control::RefusedCode;

/// A refusal: nothing of the batch that it speaks of is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind.
    pub code: RefusedCode,
    /// What was wrong, where, and what to do.
    pub message: String,
}

impl Refusal {
    /// A refusal with its words.
    pub fn new(code: RefusedCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
