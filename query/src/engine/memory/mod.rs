//! Memory and its bounds:
//!
//! - [`statement`]: the memory of one statement
//! - [`prepared`]: the memory of prepared statements
//! - [`process`], [`watch`]: the memory of the process, and the watch over it

pub(crate) mod prepared;
pub(crate) mod process;
pub(crate) mod statement;
pub(crate) mod watch;
