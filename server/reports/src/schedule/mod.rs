//! Reports that are due at times. The way of one: it is due (`cron`), is made under the rights of its author (`keeper`, `answers`), its
//! files are durable (`files`), and then the registry has the run with their digests and the time of the next one, in one step.
//!
//! - [`cron`]: times of a schedule
//! - [`definition`]: what is made, and of which days
//! - `answers`: the engine as whoever answers a report
//! - [`files`]: the folder of files: writing, and comparing them with their digests
//! - `turns`: whose report is made next, and when one that has failed is tried again
//! - `keeper`: the thread that makes what is due
//! - `figures`: what an operator wants to know

mod answers;
pub mod cron;
pub mod definition;
pub mod figures;
pub mod files;
mod keeper;
mod turns;

pub use cron::Cron;
pub use definition::{RelativePeriod, ScheduleDef, check_schedule_name, due_behind, dues_behind, instant_of};
pub use figures::{ReportFigure, ReportFigures};
pub use files::{FileState, ReportFolder};
pub use keeper::{ReportKeeper, ReportKeeperArgs};
