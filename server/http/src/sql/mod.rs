//! SQL over HTTP:
//!
//! - [`routes`]: the requests, and the order of their stages
//! - [`request`]: what a request asks for
//! - [`authentication`]: who sent it
//! - [`parameters`]: values of `$1`, `$2` and so on
//! - [`response`]: rows on their way to the client
//! - [`formats`], [`instants`], [`compression`]: the bytes of a response
//! - [`error`]: responses without rows

pub(crate) mod authentication;
mod compression;
pub(crate) mod error;
pub(crate) mod formats;
mod instants;
mod parameters;
mod request;
mod response;
mod routes;

pub use routes::sql_routes;
