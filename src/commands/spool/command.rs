//! `zonelake spool`: one subcommand after the other.

use super::options::SpoolCommand;
use super::{export, list, retry};
use crate::error::CliError;

/// Does what the command line says.
///
/// # Errors
/// Where a spool cannot be read, or the server refuses.
pub(crate) fn run(command: &SpoolCommand) -> Result<(), CliError> {
    match command {
        SpoolCommand::List(options) => list::run(options),
        SpoolCommand::Retry(options) => retry::run(options),
        SpoolCommand::Export(options) => export::run(options),
    }
}
