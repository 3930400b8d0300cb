//! The store as a whole, on a real disk: what survives, what queries see, what is repeated.
#![expect(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect, and its numbers are small"
)]

mod full_disk;
mod handover;
mod made;
mod recovery;
mod requests;
mod schema_changes;
mod shards;
