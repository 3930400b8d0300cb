#![doc = include_str!("../README.md")]
//!
//! # Modules
//! - [`report`]: a report of a place and a period, in each of its formats
//! - [`schedule`]: reports that are due at times, and their files
//! - `answers`: who answers the statements of a report
//! - `error`: what can go wrong

mod answers;
mod error;
pub mod report;
pub mod schedule;

pub use answers::Answers;
pub use error::ReportError;
