//! `zonelake man`: manual pages.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use clap_mangen::Man;

use crate::error::{CliError, long_help};

const EXAMPLES: &str = "Examples:
  zonelake man | man -l -
  zonelake man --folder /usr/local/share/man/man1";

/// Print the manual page, or write one page a command
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct ManOptions {
    /// Folder for the pages of all commands; without it, the page of zonelake goes to standard output
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// Prints or writes the pages.
///
/// # Errors
/// Where the folder or standard output cannot be written.
pub(crate) fn run(options: &ManOptions, mut command: clap::Command) -> Result<(), CliError> {
    command.build();
    match &options.folder {
        Some(folder) => write_pages(folder, &command),
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page).map_err(CliError::failed)?;
            std::io::stdout().write_all(&page).map_err(CliError::failed)
        }
    }
}

fn write_pages(folder: &Path, command: &clap::Command) -> Result<(), CliError> {
    let path = folder.join(format!("{}.1", command.get_display_name().unwrap_or(command.get_name())));
    let cannot = |error: std::io::Error| CliError::failed(format!("cannot write {}: {error}", path.display()));
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).map_err(cannot)?;
    std::fs::write(&path, page).map_err(cannot)?;
    command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .try_for_each(|command| write_pages(folder, command))
}
