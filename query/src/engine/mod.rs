//! Execution of statements:
//!
//! - [`cancellation`]: the state that ends a statement
//! - [`options`], [`environment`]: limits, and what all statements share
//! - [`session`], [`session_settings`]: what a statement is executed under besides its text
//! - [`admission`]: permits and queues
//! - [`memory`]: the memory of a statement, of prepared ones, and of the process
//! - [`watch_thread`]: the thread of a watch
//! - [`planning_budget`]: the work that planning may do
//! - [`query_engine`]: the engine
//! - [`prepared`], [`execution`]: parameters and plan, and the task that produces the rows
//! - [`result`]: the response, as it becomes known
//! - [`statement_audit`]: statements in the table of audit
//! - [`query_log`]: statements that are executing, and those that have ended

pub(crate) mod admission;
pub(crate) mod cancellation;
pub(crate) mod environment;
pub(crate) mod execution;
pub(crate) mod memory;
pub(crate) mod options;
pub(crate) mod planning_budget;
pub(crate) mod prepared;
pub(crate) mod query_engine;
pub(crate) mod query_log;
pub(crate) mod result;
pub(crate) mod session;
pub(crate) mod session_settings;
pub(crate) mod statement_audit;
pub(crate) mod watch_thread;
