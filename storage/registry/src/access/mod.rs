//! Who may do what.
//!
//! - `gateways`: gateways that write, and their tokens
//! - `roles`: roles that read over SQL, their passwords and limits

mod gateways;
mod roles;

pub use gateways::NewGateway;
