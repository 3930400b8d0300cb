#![doc = include_str!("../README.md")]
//!
//! In the order in which a commit passes:
//!
//! - [`table_log`]: the interface, snapshots and commits
//! - [`delta`]: the Delta log
//! - [`memory`]: its twin for simulation; both pass the suite in `tests/conformance.rs`
//! - [`error`]: what can go wrong

mod delta;
mod error;
mod memory;
mod table_log;

pub use delta::{DeltaLog, delta_table};
pub use error::TableLogError;
pub use memory::{CommitFault, MemoryLog};
pub use table_log::{AppId, LogCommit, LogSnapshot, TableLog};
