//! Alert rules:
//!
//! - [`rules`]: rules with their versions and authors
//! - [`hooks`]: whom alerts are sent to, and what could not be delivered

pub(crate) mod hooks;
pub(crate) mod rules;
