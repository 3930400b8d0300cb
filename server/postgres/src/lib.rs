#![doc = include_str!("../README.md")]
//!
//! # Modules, in the order in which a client meets them
//!
//! - `server`, `counts`: the listener, its limits, and counts of connections and statements
//! - `session`: startup, the two query protocols, transactions and variables
//! - `protocol`: messages, SCRAM and requests to cancel, below sessions
//! - `statement`: SQL parsed, and rewritten as DataFusion SQL
//! - `catalog`: `pg_catalog`
//! - `rows`: results as messages; their values are written by `zonelake-postgres-values`
//! - `error`: errors by their SQLSTATE

mod catalog;
mod counts;
mod error;
mod protocol;
mod rows;
mod server;
mod session;
mod statement;

pub use counts::PostgresMetrics;
pub use server::{PostgresArgs, PostgresServer, serve_session};
