//! The table log as a Delta Lake table, over deltalake-core.
//!
//! deltalake-core gives the log store, the actions, the replay of files and the checkpoints. Commits go past its commit
//! builder: that one replays all files after each commit, resolves conflicts that one committer cannot have, cleans up
//! the Delta log, and can fail after its commit has landed. Here a commit is one entry that must be new, at the version
//! behind the one it builds upon; its cost does not grow with the table. Checkpoints are written beside the commits; where
//! one fails, the server log has a warning and the Delta log stays as good as it is.
//!
//! The protocol is reader 1, writer 2, which every Delta program can read. Entries that a checkpoint covers go after 30 days. A `txn` action
//! holds the last LSN of each shard that has contributed.
//!
//! In the order in which a commit passes:
//!
//! - [`log`]: opening, commits
//! - [`checkpoint`]: when a checkpoint is due, its writing, and what goes then
//! - [`schema`]: the declaration as Delta metadata
//! - [`stats_json`]: statistics as the Delta log has them
//! - [`replay`]: files and transactions of a version
//! - [`mod@format`]: names, tags and versions of the format
//! - [`error`]: the table's name in errors

mod checkpoint;
mod error;
mod format;
mod log;
mod replay;
mod schema;
mod stats_json;
#[cfg(test)]
mod tests;

pub use log::{DeltaLog, delta_table};
