//! The ground of all others: the calendar, zones, and times in text and in columns.
//!
//! - [`calendar`]: days, months and years of local times
//! - [`zone`]: time zones
//! - [`text`]: times and intervals in text
//! - [`columns`]: columns of times in microseconds
//! - [`bucket`]: divisions of time

pub(crate) mod bucket;
pub(crate) mod calendar;
pub(crate) mod columns;
pub(crate) mod text;
pub(crate) mod zone;
