//! What an operator wants to know of a store:
//!
//! - [`merges`]: recent merges and what became of them
//! - [`log_sizes`]: length of each WAL
//! - [`table_state`]: counts of one table

pub(crate) mod log_sizes;
pub(crate) mod merges;
pub(crate) mod table_state;
