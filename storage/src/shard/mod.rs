//! One shard: the single writer of one WAL. In the order in which a batch passes:
//!
//! - [`routing`]: which shard takes a producer's batches
//! - [`entry`]: a batch on its way into the WAL, and what became of it
//! - [`sequence_check`]: which batch a stream may send next
//! - [`request_keys`]: which requests without a batch sequence number are stored already
//! - [`record`]: what a batch looks like in the WAL
//! - [`shard`]: the writer
//! - [`stamped_rows`]: rows in the form that queries read
//! - [`replay`]: the way back from the WAL after a restart
//! - [`error`]: what can go wrong

pub(crate) mod entry;
pub(crate) mod error;
pub mod record;
mod replay;
pub(crate) mod request_keys;
pub(crate) mod routing;
pub(crate) mod sequence_check;
pub(crate) mod shard;
mod stamped_rows;
