//! Options of a store.

use std::path::PathBuf;
use std::time::Duration;

use zonelake_parquet::ParquetOptions;

/// Options of a store. The settings file explains each.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Data folder.
    pub folder: PathBuf,
    /// Name of this node, in the application ids of Delta transactions.
    pub node: String,
    /// Shards; 1 or more.
    pub shards: u16,
    /// Size of a WAL segment.
    pub segment_bytes: u64,
    /// Live rows of a table that bring about a flush, bytes.
    pub flush_bytes_max: usize,
    /// Age of the oldest live row that brings about a flush.
    pub flush_age_max: Duration,
    /// Live rows of a table at which its senders wait, bytes.
    pub live_bytes_max: usize,
    /// WAL of a shard at which the tables that hold it are flushed, bytes.
    pub log_bytes_max: u64,
    /// Free space below which nothing more is taken in, bytes.
    pub free_bytes_min: u64,
    /// Options of the Parquet files.
    pub parquet: ParquetOptions,
}
