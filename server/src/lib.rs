//! - `options`: options of the parts, from the settings
//! - [`server`]: all parts made and connected
//! - `gauges`: metrics that are read when they are asked for
//! - [`error`]: a server that cannot start

#![doc = include_str!("../README.md")]

mod error;
mod gauges;
mod options;
mod server;

pub use error::{FailureKind, ServerError};
pub use server::{Server, Started};
