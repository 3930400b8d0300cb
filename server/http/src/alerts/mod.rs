//! Alert rules, as JSON under `/api/v1/alert-rules`:
//!
//! - [`routes`]: the routes
//! - [`author`]: who writes a rule, and with whose rights it looks
//! - [`hooks`]: whom alerts are sent to, under `/api/v1/alert-hooks`
//! - `json`: what a client sends and is told

mod author;
pub(crate) mod hooks;
mod json;
mod routes;

pub(crate) use author::Sender;
pub use author::for_roles;
pub use hooks::{AddAlertHook, AddedAlertHook, AlertHookItem, AlertHookList, DeadLetterItem};
pub use json::{AlertRuleItem, AlertRuleList, SetAlertRule, TestAlertRule, TestedAlertRule, TestedTransition};
pub use routes::alert_rule_routes;
