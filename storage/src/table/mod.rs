//! One table in memory:
//!
//! - [`chunks`]: rows that are durable and not yet in a file
//! - [`view`]: files and live rows as the one value that a query sees
//! - [`overlaps`]: files that may have rows of one device and time in common
//! - [`doubt`]: commits whose outcome is not known
//! - [`moments`]: several tables at one moment
//! - [`table`]: the table, and how its view changes

pub(crate) mod chunks;
pub(crate) mod doubt;
pub(crate) mod moments;
pub(crate) mod overlaps;
pub(crate) mod table;
pub(crate) mod view;
