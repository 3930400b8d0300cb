//! Opening a store, in the order of work:
//!
//! - [`folder`]: the data folder, made and locked
//! - [`parts`]: what a store stands on
//! - [`folder_format`]: which releases can read the folder, and which node it is of
//! - [`wal_generation`]: which set of WALs is in force
//! - [`open`]: tables and shards opened, WALs replayed
//! - [`error`]: what can go wrong

pub(crate) mod error;
pub(crate) mod folder;
pub(crate) mod folder_format;
pub(crate) mod open;
pub(crate) mod parts;
pub(crate) mod wal_generation;
