//! `zonelake retention`, `zonelake delete` and `zonelake correct`: rows that are to go, and values that are to be others.
//!
//! - [`retention`]: how long rows are kept, and legal holds
//! - [`delete`]: rows deleted by zone, device and time
//! - [`correct`]: values corrected from a file
//! - [`rows`]: rows as the command line names them, and what is told of them

mod correct;
mod delete;
mod retention;
mod rows;

pub(crate) use correct::{CorrectOptions, run as run_correct};
pub(crate) use delete::{DeleteOptions, run as run_delete};
pub(crate) use retention::{RetentionCommand, run as run_retention};
pub(crate) use rows::{instant, time};
