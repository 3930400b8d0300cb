//! Rows that are to go: by retention, unless a legal hold keeps them, and by deletion.
//!
//! - [`file_times`]: bounds of the time of a file's rows
//! - [`selection`]: rows by zone, device and time
//! - [`ledger`]: the rules and orders of a data folder, as they are kept
//! - [`hidden`]: which rows of a table statements do not see
//! - [`clean_files`]: files that have none of these rows, as they are kept
//! - [`orders`]: rules changed, and deletions ordered
//! - [`erase`]: from hidden rows to rows that are on no disk
//! - [`error`]: why an order was refused

pub(crate) mod clean_files;
pub(crate) mod erase;
pub(crate) mod error;
pub(crate) mod file_times;
pub(crate) mod hidden;
pub(crate) mod ledger;
pub(crate) mod orders;
pub(crate) mod selection;
