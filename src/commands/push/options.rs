//! Options of `zonelake push`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use zonelake_push::{Mapping, PushFormat, PushInput, TimeUnit};
use zonelake_schemas::Lane;

use crate::error::{CliError, long_help};

const EXAMPLES: &str = "Examples:
  export ZONELAKE_TOKEN=$(zonelake gateway add formosa-1 --zone vung-ang)
  zonelake push --suggest --table environment station.csv > air.toml
  zonelake push --dry-run --mapping air.toml station.csv
  zonelake push --mapping air.toml stations/*.csv
  zonelake push --table production --device pump-1 pump.parquet
  telegraf --once | zonelake push --format line --name telegraf-2026-01-01 -

A push that was broken off, by either side, is gone on with by the same command; pushed again, the same files add nothing: \
a file is known by its rows. A file that has grown, was mended, or comes under another name, in another encoding or form adds what is new. Nothing of a file is sent before all of it has been looked at. docs/push.md tells what a mapping can \
say, and gateway/mappings has examples.";

/// Send files of rows to a server, exactly once: text, Excel, Parquet, Arrow IPC or line protocol
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct PushOptions {
    /// Files; "-" is standard input, which needs --name and --format
    #[arg(required_unless_present = "history", value_name = "FILE")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub server: ServerOptions,

    /// Mapping of the columns; without it, columns are taken by their names, and "device" and "time" must be among them
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,

    /// Table, before that of the mapping; for lines, the one table that all must be of
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,

    /// Device that measured all rows, before that of the mapping
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,

    /// Format; without it, what the file's extension says
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// Name of standard input, for messages and for what takes the name of a file
    #[arg(long)]
    pub name: Option<String>,

    /// Rows of a batch, before the mapping's (8,192)
    #[arg(long, value_name = "ROWS")]
    pub batch_rows: Option<usize>,

    /// Lane: rows of earlier times should not stand in front of what is happening now. On the other lane the same file is
    /// another stream: its rows are asked about, and stored with --again
    #[arg(long, value_enum, default_value_t = LaneName::Backfill)]
    pub lane: LaneName,

    /// Unit of the times of line protocol
    #[arg(long, value_enum, default_value_t = Precision::Ns)]
    pub precision: Precision,

    /// Compression on the way
    #[arg(long, value_enum, default_value_t = CompressionName::Auto)]
    pub compression: CompressionName,

    /// Leave out rows that cannot be read, and count them. A cell that cannot be read goes to the table `rejected`, and the rest of its row is
    /// stored. Without it, nothing of such a file is sent
    #[arg(long)]
    pub skip_bad_rows: bool,

    /// Store all rows of the files, also such that the server has already
    #[arg(long)]
    pub again: bool,

    /// Print the latest pushes of the gateway, and send nothing
    #[arg(long, conflicts_with_all = ["dry_run", "suggest"])]
    pub history: bool,

    /// Print what would be stored and what would be rejected, and send nothing
    #[arg(long, conflicts_with = "suggest")]
    pub dry_run: bool,

    /// Print a draft of a mapping of the file to the table of --table, and send nothing
    #[arg(long, requires = "table")]
    pub suggest: bool,

    /// Folder with the operator's tables, for --dry-run and --suggest
    #[arg(long, value_name = "FOLDER")]
    pub tables: Option<PathBuf>,
}

/// Which server, and the credentials.
#[derive(Debug, Args)]
pub(crate) struct ServerOptions {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", env = "ZONELAKE_SERVER", default_value = "127.0.0.1:7420")]
    pub server: String,

    /// Token of the gateway, as `zonelake gateway add` printed it; better in the environment
    #[arg(long, env = "ZONELAKE_TOKEN", hide_env_values = true, required_unless_present_any = ["dry_run", "suggest"])]
    pub token: Option<String>,

    /// The server's certificate, or that of its authority, PEM [default: tls/cert.pem in the data folder]
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    pub ca: Option<PathBuf>,

    /// SHA-256 of the server's certificate instead, in hexadecimal digits
    #[arg(long, value_name = "SHA256")]
    pub fingerprint: Option<String>,

    /// Name that the certificate must have, where it is not that of the address
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,

    /// Data folder of a server on this machine, for its certificate
    #[arg(long, value_name = "FOLDER", env = "ZONELAKE_DATA", default_value = "./zonelake-data")]
    pub data: PathBuf,

    /// Seconds without a connection after which to give up; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub give_up: u64,
}

/// Form of a file.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// Text with columns: .csv, .tsv, .txt, .dat, also with .gz or .zst behind it
    Csv,
    /// Excel: .xlsx, .xlsm
    Excel,
    /// Apache Parquet: .parquet
    Parquet,
    /// Arrow IPC, file or stream: .arrow, .arrows, .ipc, .feather
    Arrow,
    /// InfluxDB line protocol: .lp, .line, .influx
    Line,
}

/// A lane by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LaneName {
    /// What is happening now
    Live,
    /// What was measured earlier
    Backfill,
}

/// A unit of time by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Precision {
    /// Seconds
    S,
    /// Milliseconds
    Ms,
    /// Microseconds
    Us,
    /// Nanoseconds
    Ns,
}

/// A compression by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum CompressionName {
    /// By the link: none on a fast one, Zstandard and small batches on a slow one
    Auto,
    /// None: the least work on both sides
    None,
    /// LZ4: about half the bytes at little cost
    Lz4,
    /// Zstandard: for links that are slow or paid by the byte
    Zstd,
}

impl PushOptions {
    /// The mapping, with what the flags say before it.
    pub(crate) fn mapping(&self) -> Result<Mapping, CliError> {
        let mut mapping = match &self.mapping {
            Some(file) => Mapping::from_file(file).map_err(CliError::input)?,
            None => Mapping::by_name(self.table.clone().unwrap_or_default()),
        };
        if let Some(table) = &self.table {
            mapping.table.clone_from(table);
        }
        if let Some(device) = &self.device {
            mapping.device = zonelake_push::DeviceMapping { constant: Some(device.clone()), ..Default::default() };
        }
        if self.batch_rows.is_some() {
            mapping.batch_rows = self.batch_rows;
        }
        Ok(mapping)
    }

    /// The sources.
    pub(crate) fn inputs(&self) -> Result<Vec<PushInput>, CliError> {
        let format = self.format.map(|format| match format {
            Format::Csv => PushFormat::Csv,
            Format::Excel => PushFormat::Excel,
            Format::Parquet => PushFormat::Parquet,
            Format::Arrow => PushFormat::Arrow,
            Format::Line => PushFormat::Line,
        });
        let input = |path: &PathBuf| {
            if path.as_os_str() != "-" {
                return Ok(PushInput::File { path: path.clone(), format });
            }
            match (&self.name, format) {
                (Some(name), Some(format)) => Ok(PushInput::Stdin { name: name.clone(), format }),
                _ => Err(CliError::input(
                    "standard input has no name and no extension: give it a --name, and say its --format",
                )),
            }
        };
        self.files.iter().map(input).collect()
    }
}

impl LaneName {
    /// The lane.
    pub(crate) fn lane(self) -> Lane {
        match self {
            Self::Live => Lane::Live,
            Self::Backfill => Lane::Backfill,
        }
    }
}

impl Precision {
    /// The unit.
    pub(crate) fn unit(self) -> TimeUnit {
        match self {
            Self::S => TimeUnit::S,
            Self::Ms => TimeUnit::Ms,
            Self::Us => TimeUnit::Us,
            Self::Ns => TimeUnit::Ns,
        }
    }
}
