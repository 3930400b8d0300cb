//! Columns written as what they are, in the order in which a page is made:
//!
//! - [`text`]: few values in long runs
//! - [`integer`]: instants, decimals and bigints, which follow each other closely
//! - [`runs`]: integers that mostly repeat from row to row
//! - [`delta_binary_packed`]: the encoding of integers
//! - [`boolean`]: one bit a value
//! - [`chunk`]: pages put together to a column chunk

pub(crate) mod boolean;
pub(crate) mod chunk;
pub(crate) mod delta_binary_packed;
pub(crate) mod integer;
pub(crate) mod runs;
pub(crate) mod text;
