//! Refusals of batches and streams, in the words that the sender gets.

use std::fmt::Display;

use arrow::error::ArrowError;
use zonelake_registry::RegistryError;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{BatchNumber, Epoch, ErrorKind};
use zonelake_storage::{Entry, Outcome, SequenceCheck, Table};

/// A refusal: nothing of the batch that it speaks of is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Kind of refusal.
    pub code: RefusedCode,
    /// The fault, its position, and the remedy.
    pub message: String,
}

impl Refusal {
    /// A refusal with its message.
    pub fn new(code: RefusedCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A refusal of everything that comes while the server stops.
    pub fn shutting_down() -> Self {
        Self::new(RefusedCode::ShuttingDown, "the server is stopping; what was not acknowledged is to be sent again")
    }

    /// A fault of our own. The cause goes to the server log only: it may name files and addresses of the server.
    pub fn internal(error: &dyn Display) -> Self {
        tracing::error!("a fault in the server: {error}");
        Self::new(RefusedCode::Internal, "a fault in the server; its log says more")
    }

    /// A refusal of names that the registry did not take.
    ///
    /// `unknown_gateway` is the code for a gateway that the registry no longer has. While a stream opens that is
    /// `Token`: the token was checked a moment ago and has been revoked since, and the gateway needs another one. While
    /// a batch is decoded it is `Internal`: the gateway was looked up for this very batch.
    pub fn not_registered(what: impl Display, error: &RegistryError, unknown_gateway: RefusedCode) -> Self {
        let code = match (error, error.kind()) {
            (RegistryError::Limit { .. }, _) => RefusedCode::Limit,
            (RegistryError::Unknown { .. }, _) => unknown_gateway,
            (_, ErrorKind::Retry) => RefusedCode::Unavailable,
            _ => RefusedCode::Internal,
        };
        Self::new(code, format!("{what} cannot be registered: {error}"))
    }

    /// A batch whose columns were checked and do not fit their schema all the same: a fault of our own.
    pub(crate) fn schema_mismatch(error: &ArrowError) -> Self {
        Self::new(RefusedCode::Internal, format!("a checked batch does not fit its schema: {error}"))
    }

    /// A batch for a table that cannot be flushed, of which as much is set aside as may be.
    pub(crate) fn table_full(table: &Table) -> Self {
        Self::new(
            RefusedCode::Unavailable,
            format!(
                "table {} cannot be written to files, and no more of it may wait for that; nothing of this batch is stored. The server log says why; sending resumes automatically",
                table.name()
            ),
        )
    }

    /// A stream whose producer has begun a later epoch.
    pub(crate) fn fenced(later: Epoch) -> Self {
        Self::new(
            RefusedCode::Fenced,
            format!(
                "epoch {later} of this producer has begun; this one is fenced. Two producers must not share a name"
            ),
        )
    }

    /// A stream that a later connection has opened.
    pub(crate) fn taken_over() -> Self {
        Self::new(
            RefusedCode::Fenced,
            "a later connection has taken this stream over. Two producers must not share a name",
        )
    }
}

/// The outcome of a batch, with a refused sequence number or epoch in the words for the sender.
pub(crate) fn accepted(outcome: Outcome, entry: &Entry) -> Result<Outcome, Refusal> {
    let Outcome::Refused(check) = outcome else { return Ok(outcome) };
    Err(refused_number(check, entry.sequenced.map_or(BatchNumber(0), |batch| batch.number)))
}

/// The refusal of a batch by its number or its epoch.
pub(crate) fn refused_number(check: SequenceCheck, number: BatchNumber) -> Refusal {
    match check {
        SequenceCheck::Gap { expected } => Refusal::new(
            RefusedCode::Gap,
            format!("batch {number} came where {expected} is next; send the batches from {expected} on again"),
        ),
        SequenceCheck::OtherContent => Refusal::new(
            RefusedCode::OtherContent,
            format!(
                "batch {number} was stored before with other content; a batch must be sent again as the same bytes. A producer that has lost its state begins a later epoch"
            ),
        ),
        SequenceCheck::Forgotten { expected } => Refusal::new(
            RefusedCode::OtherContent,
            format!(
                "batch {number} was stored so long ago that its content is not known any more, and {expected} is next. A producer that has lost its state begins a later epoch"
            ),
        ),
        SequenceCheck::Fenced { epoch } => Refusal::fenced(epoch),
        SequenceCheck::Next | SequenceCheck::Repeated => unreachable!("these are not refusals"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_producers_are_a_limit_and_a_busy_registry_is_a_reason_to_come_again() {
        let code = |error: &RegistryError| Refusal::not_registered("the producer", error, RefusedCode::Token).code;
        let limit = RegistryError::Limit { what: "producers", name: "g".into(), limit: 7 };
        let refusal = Refusal::not_registered("the producer", &limit, RefusedCode::Token);
        assert_eq!(refusal.code, RefusedCode::Limit);
        assert!(refusal.message.contains("limit of 7"), "{refusal}");
        let busy = RegistryError::Open { path: "r".into(), source: std::io::Error::other("busy") };
        assert_eq!(code(&busy), RefusedCode::Unavailable);
        let damaged = RegistryError::Damaged { path: "r".into(), what: "a table".into() };
        assert_eq!(code(&damaged), RefusedCode::Internal);
    }
}
