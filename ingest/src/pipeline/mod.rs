//! From a decoded batch to durable, visible rows:
//!
//! - [`gateway_quota`]: the part of the bytes in flight that one gateway may hold
//! - [`budget`]: bytes in flight
//! - [`disk_space`]: free space of the data folder
//! - [`command`]: what crosses a shard's queue, and what comes back
//! - [`pipeline`](mod@pipeline): the shards' queues and threads, as the rest of the server sees them
//! - [`shard_writer`]: what a shard's thread does
//! - [`worker`]: a thread with a stop, as the three that follow are and others above this crate
//! - [`flusher`]: the thread that writes rows to files
//! - [`compactor`]: the thread that merges small files
//! - [`backup`]: the moment that a back-up copies
//! - [`last_keeper`]: the thread that keeps the last rows of devices

pub(crate) mod backup;
pub(crate) mod budget;
pub(crate) mod command;
pub(crate) mod compactor;
pub(crate) mod disk_space;
pub(crate) mod flusher;
pub(crate) mod gateway_quota;
pub(crate) mod last_keeper;
pub(crate) mod pipeline;
pub(crate) mod shard_writer;
pub(crate) mod worker;
