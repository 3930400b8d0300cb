//! Which column of a source becomes which field:
//!
//! - [`declaration`]: the mapping as it is declared
//! - [`parts`]: columns, devices and long forms
//! - [`time`]: the columns of the time

pub(crate) mod declaration;
pub(crate) mod parts;
pub(crate) mod time;
