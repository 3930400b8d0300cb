#![doc = include_str!("../README.md")]
//!
//! In the order in which rows pass:
//!
//! - [`options`], [`file_ids`]: how files are laid out and named
//! - [`mod@write`]: live rows as sorted files, one for each date
//! - [`background`]: the low-priority threads that do the work
//! - [`sort`]: the order of rows in files
//! - [`gather`]: one column of a file, in that order
//! - [`file_encoder`]: the columns of a file encoded next to each other, then put together
//! - [`mod@column`]: the encodings that telemetry consists of
//! - [`stats`]: bounds and null counts of each column
//! - [`data_file`]: the file as a table lists it
//! - [`object_reader`]: a file of the object store, as the Parquet reader wants it
//! - [`verify`]: a file read in full and compared with what the table lists
//! - [`error`]: what can go wrong with a write

mod background;
mod column;
mod data_file;
mod error;
mod file_encoder;
mod file_ids;
mod gather;
mod object_reader;
mod options;
mod sort;
mod stats;
mod verify;
mod write;

pub use data_file::{ColumnStats, DataFile, StatValue, date_from_text, date_text, path_in_store};
pub use error::ParquetFileError;
pub use file_ids::{FileIds, RandomFileIds};
pub use object_reader::ObjectReader;
pub use options::ParquetOptions;
pub use sort::SortedRows;
pub use verify::{FileDamage, VerifiedFile, verify_file};
pub use write::{SortInput, delete_files, write_sorted};
