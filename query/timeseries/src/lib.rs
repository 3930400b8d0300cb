#![doc = include_str!("../README.md")]
//!
//! # Modules, in the order in which a statement meets them
//!
//! - `register`: adds all of it to a session
//! - `planning`: SQL's own words, and types, operators and casts of times while a statement is planned
//! - `relations`: relations made of other relations
//! - `gapfill`: rows for buckets of which there are none
//! - `functions`: scalar functions
//! - `aggregates`: aggregates that know the time of each value
//! - `time`: the calendar, zones, text and columns that all others rest on

mod aggregates;
mod functions;
mod gapfill;
mod planning;
mod register;
mod relations;
mod time;

pub use functions::intervals::divide_interval;
pub use planning::planner::TimeTypes;
pub use planning::syntax::prepare;
pub use planning::visit::{
    SyntaxVisitor, SyntaxVisitorMut, visit_expr, visit_expr_mut, visit_expressions, visit_expressions_mut,
    visit_own_expressions_mut, visit_query, visit_query_mut, visit_statement, visit_statement_mut,
};
pub use register::register;
pub use relations::latest::{LastFunction, last_relation};
pub use relations::live_windows::{WindowSpan, window_relation};
pub use time::calendar::{DAY_US, Day};
pub use time::interval_text::{interval_text, parse_interval};
pub use time::text::{day_text, instant_text, local_text, parse_day, parse_instant, parse_local};
pub use time::zone::Zone;
