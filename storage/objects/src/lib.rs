#![doc = include_str!("../README.md")]
//!
//! In the order in which bytes pass:
//!
//! - [`synced_store`]: the store as the rest of the program calls it
//! - [`staged_file`]: a file on its way to a name, and the folders that hold the names
//! - [`leftovers`]: what a process that was killed has left
//! - [`error`]: the one failure that a caller must tell from the others

mod error;
mod leftovers;
mod staged_file;
mod synced_store;

pub use error::NotSynced;
pub use leftovers::remove_staged;
pub use synced_store::SyncedStore;
