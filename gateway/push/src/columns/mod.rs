//! Columns of a source into the columns of a table, in the order in which they are made:
//!
//! - [`binding`]: the columns of one source, bound by a mapping to the fields of a table
//! - [`count`]: times that are counts; [`instant`]: times of rows
//! - [`number`], [`units`]: numbers as sources write them, and their units
//! - [`cells`]: values of fields
//! - [`position`]: where a row stands, and what is wrong with it
//! - [`rows`]: all of it into a batch, without the rows that cannot be read

pub(crate) mod binding;
pub(crate) mod cells;
pub(crate) mod count;
pub(crate) mod instant;
pub(crate) mod number;
pub(crate) mod position;
pub(crate) mod rows;
pub(crate) mod units;
