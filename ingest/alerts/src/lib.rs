#![doc = include_str!("../README.md")]
//!
//! - `span`: lengths of time as rules write them
//! - `rule`: a rule as it is declared
//! - `compiled`: a rule over the fields of its table, ready to be asked
//! - `window`: what a condition remembers of the last minutes
//! - `condition`: whether one condition holds
//! - `state`: states and transitions
//! - `machine`: one rule over one device

mod compiled;
mod condition;
mod machine;
mod rule;
mod span;
mod state;
mod window;

pub use compiled::{CompiledCondition, CompiledRule};
pub use condition::ConditionState;
pub use machine::{Machine, Sample, Seed};
pub use rule::{ConditionDef, Measure, RuleDef, RuleFault, Scope, Severity, Texts};
pub use span::Span;
pub use state::{Cause, State, Transition};
pub use window::Window;
