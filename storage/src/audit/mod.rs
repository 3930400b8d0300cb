//! The table of audit: its rows, the chain of hashes over them, and orders that are not in it yet.
//!
//! - [`row`]: an entry as it is stored
//! - [`chain`]: the hash over an entry and the one before it
//! - [`check`]: a chain that is read back
//! - [`end`]: its end, behind which a start goes on
//! - [`pending`]: orders that were begun, or carried out where the table could not be written

pub(crate) mod chain;
pub(crate) mod check;
mod end;
pub(crate) mod pending;
pub(crate) mod row;
