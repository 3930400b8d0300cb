//! What devices measure now, for clients that pull it often or have it pushed (decision 0052):
//!
//! - [`position`]: how far the shards of a table had come
//! - [`selection`]: the devices and fields that a client wants
//! - [`rights`]: the part of a table that a client sees
//! - [`shown_tag`]: whether what a client is shown has changed
//! - [`live_table`]: the last values of a table at one moment
//! - [`live_window`]: what places have measured in a window up to now
//! - [`live_tables`]: all tables, and what changes in them
//! - [`error`]: why it cannot be told

pub(crate) mod error;
pub(crate) mod live_table;
pub(crate) mod live_tables;
pub(crate) mod live_window;
pub(crate) mod position;
pub(crate) mod rights;
pub(crate) mod selection;
pub(crate) mod shown_tag;
