#![doc = include_str!("../README.md")]
//!
//! In the order in which a reading passes:
//!
//! - [`open`]: the store opened and recovered
//! - [`options`]: how a store is kept
//! - [`store`]: the handle of an open store
//! - [`shard`]: the single writer of one WAL
//! - [`table`]: one table, its live rows, and its view
//! - [`last`]: the last row of each device
//! - [`windows`]: what places measured in each second of the last hour
//! - [`flush`]: from live rows to committed files
//! - [`compact`]: from small files to large ones
//! - [`mod@correct`]: values that are corrected
//! - [`rules`]: rows that are to go, by retention and by deletion
//! - [`health`]: what an operator wants to know of it
//! - [`audit`]: who has done what, as a chain of entries
//! - [`backup`]: what a back-up copies of a store that goes on working

mod audit;
mod backup;
mod compact;
mod correct;
mod flush;
mod health;
mod last;
mod open;
mod options;
mod rules;
mod shard;
mod store;
mod table;
mod windows;

pub use audit::chain::{ChainEnd, EntryHash, NoHash};
pub use audit::check::ChainCheck;
pub use audit::pending::{FolderTrail, PendingOrder, PendingOrders};
pub use audit::row::AuditRow;
pub use backup::hold::BackupHold;
pub use backup::point::{BackupPoint, SegmentPoint, WalPoint};
pub use compact::compact::{Compacted, MergeControl};
pub use compact::error::CompactionError;
pub use compact::options::CompactionOptions;
pub use correct::order::{CORRECTED_VALUES_MAX, Corrected, CorrectedValue, CorrectionOrder};
pub use flush::error::FlushError;
pub use flush::flush::Flushed;
pub use health::log_sizes::LogSizes;
pub use health::merges::{MergeEntry, MergeOutcome};
pub use health::table_state::TableState;
pub use last::device::{DeviceLast, LastField, LastHead, LastValue, RowOrder};
pub use last::fields::column_of;
pub use last::fill::FillError;
pub use last::last_rows::{LAST_ROWS_BYTES_MAX, LastRows, LastRowsState};
pub use open::error::OpenError;
pub use open::folder::lock_folder;
pub use open::folder_format::{FOLDER_VERSION, FolderFormat, FolderFormatError};
pub use open::open::{OpenedStore, Recovered};
pub use open::parts::{StoreArgs, StoreParts, TableLogs};
pub use open::wal_generation::{WalGeneration, WalGenerationError};
pub use options::StoreOptions;
pub use rules::erase::Erased;
pub use rules::error::RuleError;
pub use rules::file_times::times_us;
pub use rules::hidden::{Floors, Hidden, HiddenRows};
pub use rules::ledger::{Deletion, Ledger, LegalHold, Retention};
pub use rules::orders::{Concerned, DeletionOrder};
pub use rules::selection::Selection;
pub use shard::entry::{BATCH_LOG_BYTES_MAX, Entry, Outcome, Rows};
pub use shard::error::ShardError;
pub use shard::record;
pub use shard::request_keys::{KeyLimits, RequestKey};
pub use shard::routing::{shard_for, shard_key_of};
pub use shard::sequence_check::{SequenceCheck, SequencedBatch, Streams};
pub use shard::shard::{GroupOutcomes, Shard};
pub use store::Store;
pub use table::chunks::{Chunk, ShardChunks};
pub use table::overlaps::may_share_keys;
pub use table::table::Table;
pub use table::view::TableView;
pub use windows::bucket::{Bucket, Cell, Numbers, RowCounts};
pub use windows::groups::WindowKey;
pub use windows::layout::{NumberKind, WindowLayout};
pub use windows::live_windows::{LiveWindows, WINDOWS_BYTES_MAX, WindowsState};
pub use windows::moments::{DoubleSum, Moments, Sample};
pub use windows::take::{NumberColumn, WindowRows};
