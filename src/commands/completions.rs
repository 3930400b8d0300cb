//! `zonelake completions`: completions for a shell.

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

use crate::error::{CliError, long_help};

const EXAMPLES: &str = "Examples:
  zonelake completions bash > /etc/bash_completion.d/zonelake
  zonelake completions zsh > \"${fpath[1]}/_zonelake\"";

/// Print completions of commands and options for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct CompletionsOptions {
    /// Shell to complete in
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the completions.
///
/// # Errors
/// Where standard output is closed.
pub(crate) fn run(options: &CompletionsOptions, command: &mut clap::Command) -> Result<(), CliError> {
    // Written to memory first: the generator panics on an output that is closed.
    let mut script = Vec::new();
    clap_complete::generate(options.shell, command, "zonelake", &mut script);
    std::io::stdout().write_all(&script).map_err(CliError::failed)
}
