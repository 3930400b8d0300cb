//! Arrow Flight SQL on the port of HTTP: statements that read through the query engine, and bulk ingest through the same
//! pipeline as all other rows.
//!
//! - [`route`]: the route under which the calls are served
//! - `service`: the calls
//! - `caller`: who calls, from the header `authorization`
//! - `prepared`: prepared statements that are open
//! - `answer`: rows as Flight sends them
//! - `listing`: catalogs, schemas, tables, and what the server can do
//! - `ingest`: rows that a client appends to a table
//! - `failure`: errors as gRPC statuses

mod authentication;
mod ingest;
mod metadata;
mod prepared;
pub mod route;
mod rows;
mod service;
mod status;

pub use route::{FlightSql, flight_route};
