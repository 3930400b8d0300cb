//! `zonelake device`: devices, what is said of them, and their states, in a running server or in the folder of a stopped one.
//!
//! - [`options`]: what the command line takes
//! - [`command`]: what each command does
//! - [`mod@file`]: devices as rows of CSV or JSON

mod command;
mod file;
mod options;

pub(crate) use command::run;
pub(crate) use options::DeviceCommand;
