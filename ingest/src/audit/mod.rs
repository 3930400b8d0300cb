//! The table of audit: who has done what.
//!
//! - [`log`]: entries on their way into the WAL, one chain for the server
//! - [`summary`]: entries that nobody waits for, of which the same is written once with a count
//! - [`detail`]: the JSON object of an entry

pub(crate) mod detail;
pub(crate) mod log;
pub(crate) mod summary;
