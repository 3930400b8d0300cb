#![doc = include_str!("../README.md")]
//!
//! In the order in which rows pass:
//!
//! - [`options`], [`file_ids`]: how files are laid out and named
//! - [`mod@write`]: live rows as sorted files, one for each date
//! - [`background`]: the low-priority threads that do the work
//! - [`origins`]: the record that each row comes from
//! - [`sort`]: the order of rows in files
//! - [`repeats`]: rows of one device and time, and which of them count
//! - [`parts`]: dates whose text is too large for one file
//! - [`gather`]: one column of a file, in that order
//! - [`file_encoder`]: the columns of a file encoded next to each other, then put together
//! - [`mod@column`]: the encodings that telemetry consists of
//! - [`mod@merge`]: several files into one
//! - [`stats`]: bounds and null counts of each column
//! - [`data_file`]: the file as a table lists it
//! - [`mod@read`]: files and what is read from them
//! - [`error`]: what can go wrong with a write

mod background;
mod column;
mod data_file;
mod error;
mod file_encoder;
mod file_ids;
mod gather;
mod merge;
mod options;
mod origins;
mod parts;
mod read;
mod repeats;
mod sort;
mod stats;
mod write;

pub use data_file::{ColumnStats, DataFile, StatValue, date_from_text, date_text, path_in_store};
pub use error::ParquetFileError;
pub use file_ids::{FileIds, RandomFileIds};
pub use merge::{MergeInput, merge_files};
pub use options::ParquetOptions;
pub use origins::ChunkOrigins;
pub use read::arrow_types::with_arrow_types;
pub use read::change::RowChange;
pub use read::object_reader::ObjectReader;
pub use read::rows::FileRows;
pub use read::select::{RowTest, count_rows};
pub use read::verify::{FileDamage, VerifiedFile, verify_file};
pub use repeats::{RepeatColumns, counting_rows};
pub use sort::SortedRows;
pub use write::{SortInput, delete_files, write_sorted};
