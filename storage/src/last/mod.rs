//! The last row of each device, and the last value of each of its fields, in memory (decision 0052):
//!
//! - [`device`]: what is kept of one device
//! - [`last_rows`]: all devices of a table, as one immutable value of the table's view
//! - [`fields`]: fields of rows as plain values, and back as columns
//! - [`fold`]: rows on their way into it
//! - [`checkpoint`]: the file from which it is restored
//! - [`fill`]: the scan of the files of a folder that has no checkpoint

pub(crate) mod checkpoint;
pub(crate) mod device;
pub(crate) mod fields;
pub(crate) mod fill;
pub(crate) mod fold;
pub(crate) mod last_rows;
