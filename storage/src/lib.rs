//! Where readings are kept. Three parts have crates of their own, in folders below this one: `registry` (zones, sites,
//! devices, gateways, tables; SQLite), `wal` (the write-ahead log) and `tablelog` (Parquet files and the Delta Lake log).
//! This crate brings them together, in the order in which a reading passes:
//!
//! - [`streams`]: which batch a stream may send next
//! - [`keys`]: which requests without a number are stored already
//! - [`record`]: what a batch looks like in the log
//! - [`shard`]: the single writer of one log
//! - [`live`]: rows that are durable and not yet in a file
//! - [`view`]: files and live rows as the one value that a query sees
//! - [`table`]: one table, and how its view changes
//! - [`flush`]: from live rows to committed files
//! - [`layout`]: which set of shard logs is in force
//! - [`store`]: all of it, opened and recovered

pub mod flush;
pub mod keys;
pub mod layout;
pub mod live;
pub mod record;
pub mod shard;
pub mod store;
pub mod streams;
pub mod table;
pub mod view;

pub use flush::{FlushError, Flushed};
pub use keys::{KeyLimits, RequestKey};
pub use shard::{BATCH_LOG_BYTES_MAX, Entry, Outcome, Rows, Shard, ShardError};
pub use store::{OpenError, Recovered, Store, StoreArgs, StoreOptions, StoreParts, shard_for};
pub use streams::{Numbered, Verdict};
pub use table::Table;
pub use view::TableView;
