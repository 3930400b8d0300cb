//! The last rows of devices, answered from memory (decision 0052):
//!
//! - [`last_table`]: last rows and last values of one table, as a table
//! - [`columns`]: what is kept of devices, as columns of rows
//! - [`values_of_rows`]: last values where memory does not know them
//! - [`relations`]: `latest(table)` and `last_values(table)` in a statement
//! - [`newest_row`]: `ORDER BY time DESC LIMIT 1`

pub(crate) mod columns;
pub(crate) mod last_table;
pub(crate) mod newest_row;
pub(crate) mod relations;
pub(crate) mod values_of_rows;
