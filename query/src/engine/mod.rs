//! Execution of statements:
//!
//! - [`cancellation`]: the state that ends a statement
//! - [`options`], [`environment`]: limits, and what all statements share
//! - [`session`]: what a statement is executed under besides its text
//! - [`admission`]: permits and queues
//! - [`memory`]: the memory of one statement
//! - [`query_engine`]: the engine
//! - [`prepared`], [`execution`]: parameters and plan, and the task that produces the rows
//! - [`result`]: the response, as it becomes known
//! - [`query_log`]: statements that are executing, and those that have ended

pub(crate) mod admission;
pub(crate) mod cancellation;
pub(crate) mod environment;
pub(crate) mod execution;
pub(crate) mod memory;
pub(crate) mod options;
pub(crate) mod prepared;
pub(crate) mod query_engine;
pub(crate) mod query_log;
pub(crate) mod result;
pub(crate) mod session;
