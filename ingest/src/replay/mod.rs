//! Rejected rows that have become acceptable: stored once, as back-fill.
//!
//! - [`content`]: what was sent, from the table `rejected` to a line
//! - [`replay`]: the lines of one gateway and table to durable rows, with what became of each rejected row in the same step

pub(crate) mod content;
pub(crate) mod replay;
