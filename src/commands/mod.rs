//! The commands, one file each:
//!
//! - [`serve`]: the server
//! - [`demo`]: the main job on embedded defaults
//! - [`push`]: files to a server, over QUIC
//! - [`sql`]: questions to a server, over HTTP
//! - [`gateway`]: credentials of gateways
//! - [`config`]: the documented settings file
//! - [`check`]: whether a data folder is sound

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod gateway;
pub(crate) mod push;
pub(crate) mod serve;
pub(crate) mod sql;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

/// The registry within a data folder.
pub(crate) const REGISTRY_FILE: &str = "registry.sqlite";

/// Does what the command line says.
///
/// # Errors
/// Whatever keeps it from that, with the exit code to end with.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(options) => serve::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Push(options) => push::run(&options),
        Command::Sql(options) => sql::run(&options),
        Command::Gateway(command) => gateway::run(&command),
        Command::Config(options) => config::run(&options),
        Command::Check(options) => check::run(&options),
    }
}
