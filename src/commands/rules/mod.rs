//! `zonelake retention` and `zonelake delete`: rows that are to go.
//!
//! - [`retention`]: how long rows are kept, and legal holds
//! - [`delete`]: rows deleted by zone, device and time
//! - [`rows`]: rows as the command line names them, and what is told of them

mod delete;
mod retention;
mod rows;

pub(crate) use delete::{DeleteOptions, run as run_delete};
pub(crate) use retention::{RetentionCommand, run as run_retention};
pub(crate) use rows::{instant, time};
