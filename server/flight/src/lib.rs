#![doc = include_str!("../README.md")]
//!
//! # Modules, in the order in which a call meets them
//!
//! - `route`: the route of the service, which admits calls
//! - `authentication`: principals, by the header `authorization`
//! - `message_body`: places of the messages of a call
//! - `state`: state that all calls share
//! - `service`: the calls
//! - `prepared`: open prepared statements
//! - `metadata`: catalogs, schemas, tables, and capabilities of the server
//! - `ingest`: rows that a client appends to a table
//! - `rows`: results as Flight messages
//! - `status`: errors as gRPC statuses

mod authentication;
mod ingest;
mod message_body;
mod metadata;
mod prepared;
mod route;
mod rows;
mod service;
mod state;
mod status;

pub use route::flight_route;
