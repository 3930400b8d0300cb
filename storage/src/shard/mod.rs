//! One shard: the single writer of one WAL. In the order in which a batch passes:
//!
//! - [`routing`]: which shard takes a producer's batches
//! - [`entry`]: a batch on its way into the WAL, and what became of it
//! - [`sequence`]: which batch a stream may send next
//! - [`idempotency`]: which requests without a batch sequence number are stored already
//! - [`record`]: what a batch looks like in the WAL
//! - [`shard`]: the writer
//! - [`live_rows`]: rows in the form that queries read
//! - [`replay`]: the way back from the WAL after a restart
//! - [`error`]: what can go wrong

pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod idempotency;
mod live_rows;
pub mod record;
mod replay;
pub(crate) mod routing;
pub(crate) mod sequence;
pub(crate) mod shard;
