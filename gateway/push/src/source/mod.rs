//! Rows as their source has them, in chunks of a fixed number; in the order in which rows travel:
//!
//! - [`open`]: a file or standard input, opened
//! - [`rows`]: the trait of a source of rows
//! - [`csv`], [`arrow`], [`lines`]: its content as rows or lines

pub(crate) mod arrow;
pub(crate) mod csv;
pub(crate) mod lines;
pub(crate) mod open;
pub(crate) mod rows;
