//! The store as a whole, on a real disk: what survives, what queries see, what is repeated.

mod full_disk;
mod handover;
mod made;
mod recovery;
mod schema_changes;
mod shards;
