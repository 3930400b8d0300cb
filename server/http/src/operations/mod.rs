//! How the server is: for load balancers, for monitoring, and for people.
//!
//! - `routes`: `/health`, `/ready` and `/metrics`
//! - `exposition`: metrics in the format that a scraper asks for

mod exposition;
mod routes;

pub(crate) use routes::refused;
pub use routes::{OperationsState, operations_routes};
