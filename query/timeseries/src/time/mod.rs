//! Ground of all other folders: the calendar, zones, and times in text and in columns.
//!
//! - [`calendar`]: days, months and years of local times
//! - [`zone`], [`zone_setting`]: time zones, and the setting that names one
//! - [`text`], [`interval_text`]: times and intervals in text
//! - [`rounding`]: floating-point numbers as whole ones
//! - [`columns`]: columns of times in microseconds
//! - [`bucket`]: divisions of time

pub(crate) mod bucket;
pub(crate) mod calendar;
pub(crate) mod columns;
pub(crate) mod interval_text;
pub(crate) mod rounding;
pub(crate) mod text;
pub(crate) mod zone;
pub(crate) mod zone_setting;
