//! The PostgreSQL protocol, version 3, over the query engine. In the order in which a client meets it:
//!
//! - [`server`], [`metrics`]: the door, how many may come in, and what is counted
//! - `startup`, `scram`, `cancel`: encryption, who the client is, requests to cancel
//! - `wire`, `messages`: messages, and how they cross the connection
//! - `connection`, `simple`, `extended`, `transaction`, `variables`: what a client says, and what holds for its connection
//! - `commands`, `words`, `query`, `column_names`, `rewrite`, `patterns`, `templates`, `copy`: statements, and what they are to
//!   DataFusion
//! - `parameters`: values that clients bind
//! - `catalog`, `json`, `text_format`, `question`, `membership`, `correlation`, `emptiness`: `pg_catalog` and its functions, questions to it, and what there
//!   is not
//! - `answer`, `columns`, `lists`, `number`, `calendar`, `types`: rows as PostgreSQL writes them
//! - `failure`: what goes wrong, by its SQLSTATE

mod catalog;
mod error;
mod functions;
pub mod metrics;
mod protocol;
mod rows;
pub mod server;
mod session;
mod statement;
mod values;

pub use metrics::PostgresMetrics;
pub use server::{PostgresArgs, PostgresServer};
