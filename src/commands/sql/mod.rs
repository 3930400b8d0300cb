//! `zonelake sql`: queries to a server.
//!
//! - [`command`]: options, and which text is asked
//! - [`input`]: several queries in one text
//! - [`prompt`]: the interactive prompt
//! - [`client`]: one query over HTTP
//! - [`mod@format`]: formats of answers

pub(crate) mod client;
mod command;
mod format;
mod input;
mod prompt;

pub(crate) use command::{SqlOptions, run};
