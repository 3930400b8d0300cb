//! Arrow Flight SQL on the port of HTTP: statements that read through the query engine, and bulk ingest through the same
//! pipeline as all other rows.
//!
//! - [`service`]: the calls, and the route under which they are served
//! - `caller`: who calls, from the header `authorization`
//! - `prepared`: prepared statements that are open
//! - `answer`: rows as Flight sends them
//! - `listing`: catalogs, schemas, tables, and what the server can do
//! - `ingest`: rows that a client appends to a table
//! - `failure`: errors as gRPC statuses

mod answer;
mod caller;
mod failure;
mod ingest;
mod listing;
mod prepared;
pub mod service;

pub use service::{FlightSql, flight_route};
