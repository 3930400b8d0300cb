//! From a decoded batch to durable, visible rows:
//!
//! - [`gateway_quota`]: the part of the bytes in flight that one gateway may hold
//! - [`budget`]: bytes in flight
//! - [`disk_space`]: free space of the data folder
//! - [`command`]: what crosses a shard's queue, and what comes back
//! - [`pipeline`](mod@pipeline): the shards' queues and threads, as the rest of the server sees them
//! - [`shard_writer`]: what a shard's thread does
//! - [`flusher`]: the thread that writes rows to files

pub(crate) mod budget;
pub(crate) mod command;
pub(crate) mod disk_space;
pub(crate) mod flusher;
pub(crate) mod gateway_quota;
pub(crate) mod pipeline;
pub(crate) mod shard_writer;
