//! Numbers and epochs that are not accepted, in the words that the sender gets.

use zonelake_schemas::Epoch;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_storage::{Entry, Outcome, SequenceCheck};

use crate::refusal::Refusal;

/// What a sender is told of what became of its batch.
pub(crate) fn refuse_by_verdict(outcome: Outcome, entry: &Entry) -> Result<Outcome, Refusal> {
    let Outcome::Refused(verdict) = outcome else { return Ok(outcome) };
    let number = entry.sequenced.map_or(0, |batch| batch.number.0);
    Err(match verdict {
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
        SequenceCheck::Fenced { epoch } => fenced(epoch),
        SequenceCheck::Next | SequenceCheck::Repeated => unreachable!("these are not refusals"),
    })
}

pub(crate) fn fenced(later: Epoch) -> Refusal {
    Refusal::new(
        RefusedCode::Fenced,
        format!("epoch {later} of this producer has begun; this one is fenced. Two producers must not share a name"),
    )
}

pub(crate) fn taken_over() -> Refusal {
    Refusal::new(
        RefusedCode::Fenced,
        "a later connection has taken this stream over. Two producers must not share a name",
    )
}
