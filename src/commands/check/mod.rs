//! `zonelake check`: reads a whole data folder and says whether it is sound.
//!
//! - [`command`]: options, and the order in which a folder is read
//! - [`wal`]: the write-ahead log
//! - [`tables`]: the Delta logs and their files
//! - [`report`]: what was found, in words and as JSON

mod command;
mod report;
mod tables;
mod wal;

pub(crate) use command::{CheckOptions, run};
