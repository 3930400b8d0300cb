//! `zonelake report`: figures of the views in a form that is handed in. How a report is made is in `server/reports`.
//!
//! - [`command`]: options, and a report on demand
//! - [`schedule`]: reports that the server makes when they are due
//! - [`verify`]: whether what was handed in is what was made
//! - [`prune`]: old files go

mod command;
mod prune;
mod schedule;
mod verify;

pub(crate) use command::{ReportOptions, run};
