//! Files and what is read from them:
//!
//! - [`arrow_types`]: the Arrow types of a file's columns
//! - [`object_reader`]: a file of the object store, as the Parquet reader wants it
//! - [`select`]: rows by zone, device and time
//! - [`rows`]: all rows of a file
//! - [`change`]: rows with other values in their fields
//! - [`verify`]: a file read in full and compared with what the table lists

pub(crate) mod arrow_types;
pub(crate) mod change;
pub(crate) mod object_reader;
pub(crate) mod rows;
pub(crate) mod select;
pub(crate) mod verify;
