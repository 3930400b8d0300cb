//! Options of `zonelake spool`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::commands::push::ServerOptions;
use crate::error::long_help;

const EXAMPLES: &str = "Examples:
  zonelake spool list /var/lib/zonelake-gateway
  zonelake spool retry /var/lib/zonelake-gateway
  zonelake spool export /var/lib/zonelake-gateway --to ./refused

A batch that the server can never take is put aside in the folder refused of its spool, and all others go on. When what it was refused for is mended at the server, retry sends it, once. \
Else export writes it as a file, which is mended and pushed by hand. All three may run beside the program that has the spool.";

/// Look after the spools of zonelake forward and of gateways: what waits in them, and what was put aside
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum SpoolCommand {
    /// List what waits in the spools, and the batches that were put aside with the server's words
    #[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
    List(FolderOptions),
    /// Send the batches again that were put aside; those that the server takes are removed
    #[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
    Retry(RetryOptions),
    /// Write the batches that were put aside as files of line protocol or Arrow IPC
    #[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
    Export(ExportOptions),
}

/// Folder of spools.
#[derive(Debug, Args)]
pub(crate) struct FolderOptions {
    /// Folder of one spool, or of several
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Options of `spool retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryOptions {
    #[command(flatten)]
    pub spools: FolderOptions,

    #[command(flatten)]
    pub server: ServerOptions,
}

/// Options of `spool export`.
#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    #[command(flatten)]
    pub spools: FolderOptions,

    /// Folder to write to; no file there is replaced
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
}
