//! One table in memory:
//!
//! - [`chunks`]: rows that are durable and not yet in a file
//! - [`view`]: files and live rows as the one value that a query sees
//! - [`table`]: the table, and how its view changes

pub(crate) mod chunks;
pub(crate) mod table;
pub(crate) mod view;
