//! The store as a whole, on a real disk: what survives, what queries see, what is repeated. One program with a file for each
//! subject, hence more than fifteen.
#![expect(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect, and its numbers are small"
)]

mod asides;
mod checkpoints;
mod compaction;
mod corrections;
mod formats;
mod full_disk;
mod handover;
mod identities;
mod last_rows;
mod made;
mod recovery;
mod repeats;
mod replaced;
mod requests;
mod rules;
mod schema_changes;
mod shards;
mod windows;
