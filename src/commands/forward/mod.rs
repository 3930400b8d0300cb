//! `zonelake forward`: line protocol of any program into a spool, and from there to a server.
//!
//! - [`command`]: options, start and end
//! - [`inputs`]: standard input and sockets, line by line
//! - [`spools`]: lines into batches, one spool a table

pub(crate) mod command;
mod inputs;
mod spools;

pub(crate) use command::{ForwardOptions, run};
