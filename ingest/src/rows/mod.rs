//! The checks of rows and readings, and the fate of those that fail them. From the ground up:
//!
//! - [`faults`]: rejected rows and readings of a batch, by position
//! - [`instant`]: instants in microseconds
//! - [`zones`]: zones of rows, and what may be written there
//! - [`devices`]: device names to registry keys, once per name
//! - [`dictionary`]: dictionaries of a stream, and text columns of every wire type
//! - [`checked_rows`]: a batch whose columns have been read
//! - [`rejected`]: rows of the table `rejected`
//! - [`validate`]: the rules of times, qualities and locations; the batch split into what is stored and what is rejected

pub(crate) mod checked_rows;
pub(crate) mod devices;
pub(crate) mod dictionary;
pub(crate) mod faults;
pub(crate) mod instant;
pub(crate) mod rejected;
pub(crate) mod validate;
pub(crate) mod zones;
