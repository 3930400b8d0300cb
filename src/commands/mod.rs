//! The commands, one file each:
//!
//! - [`serve`]: the server
//! - [`demo`]: the main job on embedded defaults
//! - [`push`]: files to a server, over QUIC
//! - [`sql`]: questions to a server, over HTTP
//! - [`gateway`]: credentials of gateways
//! - [`role`]: who reads, and what their statements may take
//! - [`config`]: the documented settings file
//! - [`check`]: whether a data folder is sound

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod gateway;
pub(crate) mod push;
pub(crate) mod role;
pub(crate) mod serve;
pub(crate) mod sql;

use std::sync::Arc;

use zonelake_registry::{Registry, RegistryError};
use zonelake_schemas::clock::SystemClock;

use crate::cli::{Cli, Command, SettingsOptions};
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
        Command::Role(command) => role::run(&command),
        Command::Config(options) => config::run(&options),
        Command::Check(options) => check::run(&options),
    }
}

/// Opens the registry of a data folder. A folder without one is refused: it is mistyped, as a rule.
pub(crate) fn open_registry(options: &SettingsOptions) -> Result<Registry, Failure> {
    let path = options.load()?.data.join(REGISTRY_FILE);
    if !path.exists() {
        return Err(Failure::input(format!(
            "there is no {}: name the data folder with --data; the first `zonelake serve` makes it",
            path.display()
        )));
    }
    Registry::open(&path, Arc::new(SystemClock::default())).map_err(registry_failure)
}

/// This failure of the registry, with its exit code.
pub(crate) fn registry_failure(error: RegistryError) -> Failure {
    Failure::of_kind(error.kind(), error)
}
