//! One shard: the single writer of one WAL. In the order in which a batch passes:
//!
//! - [`routing`]: which shard takes a producer's batches
//! - [`entry`]: a batch on its way into the WAL, and what became of it
//! - [`sequence_check`]: which batch a stream may send next
//! - [`request_keys`]: which requests without a batch sequence number are stored already
//! - [`record`]: what a batch looks like in the WAL
//! - [`shard`]: the writer
//! - [`release`]: its checkpoint, and the segments that are no longer needed
//! - [`set_aside`]: records that are kept in files of their own, so that their segments can go; [`asides`]: which ones
//! - [`stamped_rows`]: rows in the form that queries read
//! - [`replay`]: the way back from the WAL after a restart
//! - [`error`]: what can go wrong

mod asides;
pub(crate) mod entry;
pub(crate) mod error;
pub mod record;
mod release;
mod replay;
pub(crate) mod request_keys;
pub(crate) mod routing;
pub(crate) mod sequence_check;
mod set_aside;
pub(crate) mod shard;
mod stamped_rows;
