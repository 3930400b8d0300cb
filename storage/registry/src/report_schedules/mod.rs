//! Reports that the server makes when they are due:
//!
//! - [`schedules`]: what is to be made, and when the next one is due
//! - [`runs`]: what was made, with the digests of its files

pub(crate) mod runs;
pub(crate) mod schedules;
