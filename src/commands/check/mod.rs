//! `zonelake check`: reads a whole data folder and says whether it is sound.
//!
//! - [`command`]: options, and the order in which a folder is read
//! - [`wal`]: the write-ahead log
//! - [`tables`]: the Delta logs and their files
//! - [`audit`]: the chain of the table of audit
//! - [`rules`]: deletions, and whether their rows are gone
//! - [`report`]: what was found, in words and as JSON

mod audit;
mod command;
mod report;
mod rules;
mod tables;
mod wal;

pub(crate) use command::{CheckOptions, problems_of_copy, run};
