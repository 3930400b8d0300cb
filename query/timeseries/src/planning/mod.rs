//! The meaning of times in a statement, before and while it is planned.
//!
//! - [`visit`]: the one walk over syntax trees
//! - [`syntax`]: special syntax becomes functions before planning
//! - [`planner`]: types and expressions while SQL becomes a plan, and the rule over the plan
//! - [`operators`]: operators and casts of times as PostgreSQL defines them

pub(crate) mod operators;
pub(crate) mod planner;
pub(crate) mod syntax;
pub(crate) mod visit;
