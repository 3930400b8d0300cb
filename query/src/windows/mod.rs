//! Count, sums, extremes, first and last of what places have measured up to now (decision 0068):
//!
//! - [`columns`]: what is known of places, as columns of rows
//! - [`source`]: the windows in memory, as a role may see them
//! - [`raw_windows`]: the same from the rows of the table, where memory does not have them
//! - [`window_table`]: either of them, as a table
//! - [`relations`]: `live_windows(table, window)` in a statement

pub(crate) mod columns;
pub(crate) mod raw_windows;
pub(crate) mod relations;
pub(crate) mod source;
pub(crate) mod window_table;
