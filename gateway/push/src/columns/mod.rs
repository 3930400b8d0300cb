//! Columns of a source into the columns of a table, in the order in which they are made:
//!
//! - [`binding`]: the columns of one source, bound by a mapping to the fields of a table
//! - [`instant`]: times of rows
//! - [`cells`]: values of fields
//! - [`rows`]: all of it into a batch, without the rows that cannot be read

pub(crate) mod binding;
pub(crate) mod cells;
pub(crate) mod instant;
pub(crate) mod rows;
