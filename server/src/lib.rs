//! - `options`: options of the parts, from the settings
//! - `certificates`: those of the settings, and the one that is made
//! - [`server`]: all parts made and connected
//! - `alarms`: bounds of the store that may come near
//! - `stored_times`: which of the rows of a push are stored, by the engine
//! - `gauges`: metrics that are read when they are asked for; `process`: those of the process; `device_figures`: those of devices
//! - [`error`]: a server that cannot start

#![doc = include_str!("../README.md")]

mod alarms;
mod certificates;
mod device_figures;
mod error;
mod gauges;
mod options;
mod process;
mod server;
mod stored_times;

pub use certificates::check_certificates;
pub use error::{FailureKind, ServerError};
pub use server::{Server, Started};
pub use zonelake_query::STACK_BYTES;
