//! `zonelake push`: files of rows to a server, over QUIC.
//!
//! - [`options`]: its options
//! - [`command`]: the push
//! - [`look`]: what it would do, and a draft of a mapping
//! - [`report`]: progress while it runs, and what is said at its end

mod command;
mod look;
mod options;
mod report;

pub(crate) use command::{connection, patience, run};
pub(crate) use options::{LaneName, Precision, PushOptions, ServerOptions};
