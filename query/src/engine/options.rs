//! Limits of statements.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::memory::process::safe_bytes;

/// Limits of statements.
#[derive(Debug, Clone)]
pub struct QueryOptions {
    /// Threads that compute, at least 1. Default: the machine's cores.
    pub threads: usize,
    /// Memory that all statements together may take for sorts, joins and aggregates; each has an equal share by
    /// `running_max`, beyond which it uses the disk or fails. Default: 1 GiB.
    pub memory_bytes_max: usize,
    /// Statements that execute at the same time, at least 1. More give each a smaller share of memory. Default: 8.
    pub running_max: usize,
    /// Statements that may wait for a permit; one more is refused. Default: 64.
    pub waiting_max: usize,
    /// Time from the arrival of a statement to its last row. Default: 60 s.
    pub time_limit: Duration,
    /// Folder for intermediate results that do not fit into memory. Its content is worthless after a stop.
    pub spill_dir: PathBuf,
    /// Disk space that they may take. Default: 10 GiB.
    pub spill_bytes_max: u64,
    /// Memory for the metadata of Parquet files that were read before. Default: 128 MiB.
    pub metadata_cache_bytes_max: usize,
    /// Memory of the whole process beyond which the largest statement is ended. Default: four fifths of what the machine
    /// or its container has.
    pub process_bytes_max: usize,
    /// Bytes of a statement's text. Default: 1 MiB.
    pub sql_bytes_max: usize,
}

impl QueryOptions {
    /// Defaults, with the folder for intermediate results.
    pub fn new(spill_dir: PathBuf) -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            memory_bytes_max: 1 << 30,
            running_max: 8,
            waiting_max: 64,
            time_limit: Duration::from_secs(60),
            spill_dir,
            spill_bytes_max: 10 << 30,
            metadata_cache_bytes_max: 128 << 20,
            process_bytes_max: safe_bytes(),
            sql_bytes_max: 1 << 20,
        }
    }

    /// Memory that one statement may take.
    pub fn statement_bytes_max(&self) -> usize {
        self.memory_bytes_max / self.running_max.max(1)
    }
}
