//! Options of the files that are written.

use std::sync::Arc;

use crate::file_ids::{FileIds, RandomFileIds};

/// Layout of files, and how they are written.
#[derive(Debug, Clone)]
pub struct ParquetOptions {
    /// Rows of a row group at most; at least 1. More compress better, fewer take less memory to write. Default 262,144.
    pub row_group_rows_max: usize,
    /// Rows of a data page at most; at least 1. Fewer prune better, more compress better. Default 8,192.
    pub page_rows_max: usize,
    /// ZSTD level, 1 to 22. Default 1.
    pub zstd_level: i32,
    /// Files that are encoded and written at the same time; at least 1. It hides the waits for fsync where back-fill
    /// touches many dates. Default 4.
    pub files_in_work_max: usize,
    /// Threads that encode the columns of one file; at least 1. Default: one for each core.
    pub encode_threads: usize,
    /// Source of the ids in file names.
    pub file_ids: Arc<dyn FileIds>,
}

impl Default for ParquetOptions {
    fn default() -> Self {
        Self {
            row_group_rows_max: 256 * 1024,
            page_rows_max: 8 * 1024,
            zstd_level: 1,
            files_in_work_max: 4,
            encode_threads: std::thread::available_parallelism().map_or(1, usize::from),
            file_ids: Arc::new(RandomFileIds),
        }
    }
}
