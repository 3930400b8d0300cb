//! Batches on disk until they are acknowledged: one queue for each lane, in segment files that are only appended to and
//! removed whole. In the order in which a batch passes:
//!
//! - [`mod@format`]: the form of a segment and of a batch in it
//! - [`queue`]: one lane: append, sync, release; [`segment`]: the files of its segments
//! - [`cursor`]: reading a lane from a number on
//! - [`reading`]: all batches of a lane at once, for tools
//! - [`identity`]: whose spool a folder is, and that one process has it
//! - [`refused`]: batches that were put aside; [`summary`]: what is in a spool
//! - [`error`]: what can go wrong
//!
//! A batch that was appended survives the end of the process and a power loss, as far as the disk keeps what it has
//! confirmed to `fsync`; it has its number from then on, and is sent under it as the same bytes, however often.

pub(crate) mod cursor;
pub(crate) mod error;
pub(crate) mod format;
pub(crate) mod identity;
pub(crate) mod queue;
mod reading;
pub(crate) mod refused;
mod segment;
pub(crate) mod summary;

pub use error::SpoolError;
pub use reading::read_spool;
pub use refused::RefusedBatch;
pub use summary::{LaneSummary, SpoolSummary};
