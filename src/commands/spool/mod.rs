//! `zonelake spool`: what waits in the spools of a gateway, and what was put aside there.
//!
//! - [`options`]: its options
//! - [`folder`]: the spools of a folder
//! - [`command`]: the subcommands
//! - [`list`]: what is in them
//! - [`retry`]: batches that were put aside, sent again
//! - [`export`]: the same as files that `zonelake push` takes

mod command;
mod export;
mod folder;
mod list;
mod options;
mod retry;

pub(crate) use command::run;
pub(crate) use options::SpoolCommand;
