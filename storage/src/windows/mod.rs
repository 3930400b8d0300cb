//! What all devices of a place measured in each second of the last hour, in memory (decision 0068):
//!
//! - [`moments`]: count, sums, extremes, first and last of some values
//! - [`bucket`]: those of all fields of one place
//! - [`layout`]: which fields have them, and by which columns rows are told apart
//! - [`groups`]: the places
//! - [`live_windows`]: all seconds of a table, as one immutable value of the table's view
//! - [`take`]: rows on their way into it
//! - [`fold`]: live rows, which are taken in beside the path of an acknowledgement
//! - [`keep`]: how a table's view gets them
//! - [`fill`]: the scan of the last hour's files after a start

pub(crate) mod bucket;
pub(crate) mod fill;
pub(crate) mod fold;
pub(crate) mod groups;
pub(crate) mod keep;
pub(crate) mod layout;
pub(crate) mod live_windows;
pub(crate) mod moments;
pub(crate) mod take;
