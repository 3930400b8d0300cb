#![doc = include_str!("../README.md")]
//!
//! In the order in which a row passes:
//!
//! - `sight`: what the author of a rule may see
//! - `active_rule`: a rule that is looked at, over the fields of its table
//! - `values`: fields of rows as numbers
//! - `watched`: the devices of a table, and their machines
//! - `followed`: a table whose live rows are followed
//! - `statements`, `history`: rows and transitions that are read by SQL
//! - `found`: transitions on their way into the table `alerts`
//! - `figures`: what an operator wants to know of it
//! - `keeper`: the thread that looks
//! - `event`, `behind`, `delivery`: alerts as they are sent, those behind a place, and the thread that sends them
//! - `test_run`: a rule over history

mod active_rule;
mod behind;
mod delivery;
mod event;
mod figures;
mod followed;
mod found;
mod history;
mod keeper;
mod sight;
mod statements;
mod test_run;
mod values;
mod watched;

pub use active_rule::{NotActive, check_rule};
pub use delivery::AlertDelivery;
pub use figures::{AlertFigure, AlertFigures};
pub use history::HistoryError;
pub use keeper::AlertKeeper;
pub use sight::LOCAL_AUTHOR;
pub use test_run::{Fired, TestError, test_rule};
