#![doc = include_str!("../README.md")]
//!
//! In the order in which a reading passes:
//!
//! - [`open`]: the store opened and recovered
//! - [`options`]: how a store is kept
//! - [`store`]: the handle of an open store
//! - [`shard`]: the single writer of one WAL
//! - [`table`]: one table, its live rows, and its view
//! - [`flush`]: from live rows to committed files

mod flush;
mod open;
mod options;
mod shard;
mod store;
mod table;

pub use flush::error::FlushError;
pub use flush::flush::Flushed;
pub use open::error::OpenError;
pub use open::folder::lock_folder;
pub use open::open::Recovered;
pub use open::parts::{StoreArgs, StoreParts, TableLogs};
pub use open::wal_generation::{WalGeneration, WalGenerationError};
pub use options::StoreOptions;
pub use shard::entry::{BATCH_LOG_BYTES_MAX, Entry, Outcome, Rows};
pub use shard::error::ShardError;
pub use shard::record;
pub use shard::request_keys::{KeyLimits, RequestKey};
pub use shard::routing::{shard_for, shard_key_of_gateway};
pub use shard::sequence_check::{SequenceCheck, SequencedBatch, Streams};
pub use shard::shard::Shard;
pub use store::Store;
pub use table::chunks::{Chunk, ShardChunks};
pub use table::table::Table;
pub use table::view::TableView;
