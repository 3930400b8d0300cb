//! Options of `zonelake watch`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::push::{LaneName, Precision, ServerOptions};
use crate::error::long_help;

const EXAMPLES: &str = "Examples:
  export ZONELAKE_TOKEN=$(zonelake gateway add formosa-1 --zone vung-ang)
  zonelake watch /srv/ftp --mapping air.toml
  zonelake watch /srv/ftp --mapping '*_KK_*.txt=circular_10_air.toml' --mapping 'logger/*.csv=logger.toml'
  zonelake watch /srv/ftp --mapping air.toml --once

A file is taken when it has not changed for --settle seconds; with --settle 0 as soon as it is there, for senders that rename what is complete. \
A file that is stored goes to done/DATE in the folder, one that could not be to failed, each with a report NAME.report.toml. What is to be tried again is moved back into the folder. \
A file is known by its rows, as with zonelake push: however often the command or the server is killed, and however often a file comes, its rows are stored once.";

/// Take the files of a folder as they are completed, as behind an FTP server, and store each once
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct WatchOptions {
    /// Folder, with the folders in it; one process at a time
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,

    #[command(flatten)]
    pub server: ServerOptions,

    /// Mapping of the files whose names fit a pattern (*, ? and letters; with a slash it is that of the path in the folder), or of all files; the first that fits holds.
    /// Files that none fits stay, except line protocol, which needs none
    #[arg(long, value_name = "[PATTERN=]FILE")]
    pub mapping: Vec<String>,

    /// Seconds for which a file must not have changed
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub settle: u64,

    /// End when no file is left that can be taken
    #[arg(long)]
    pub once: bool,

    /// Lane; as with zonelake push, a file that is stored on the other lane fails with the number of its rows there
    #[arg(long, value_enum, default_value_t = LaneName::Backfill)]
    pub lane: LaneName,

    /// Unit of the times of line protocol
    #[arg(long, value_enum, default_value_t = Precision::Ns)]
    pub precision: Precision,

    /// Leave out rows that cannot be read, as zonelake push does; without it, such a file goes to failed
    #[arg(long)]
    pub skip_bad_rows: bool,
}
