//! Tables in which rows of one province, zone, device and time are one row (`on_repeat`, decision 0061):
//!
//! - [`overlaps`]: the files that may have rows of one key, alone or with live rows; all others are scanned as ever
//! - [`choice`]: the row of each key, out of sorted rows
//! - [`exec`]: that as a node of plans

pub(crate) mod choice;
pub(crate) mod exec;
pub(crate) mod overlaps;
