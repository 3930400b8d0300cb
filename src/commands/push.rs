//! `zonelake push`: files of rows to a server, over QUIC.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use zonelake_gateway::{Compression, Connection, ConnectionOptions, Trust};
use zonelake_push::{
    FileReport, Mapping, ProgressSink, PushError, PushFormat, PushInput, PushProgress, TimeUnit, push,
};
use zonelake_schemas::Lane;

use crate::error::{CliError, long_help};

const EXAMPLES: &str = "Examples:
  export ZONELAKE_TOKEN=$(zonelake gateway add formosa-1 --zone vung-ang)
  zonelake push --mapping air.toml stations/*.csv
  zonelake push --table production --device pump-1 pump.parquet
  telegraf --once | zonelake push --format line --name telegraf-2026-01-01 -

A push that was broken off, by either side, is gone on with by the same command; pushed again, the same files add nothing: \
a file is known by its content and mapping, and standard input by its --name. gateway/mappings has examples of mappings.";

/// Send files of rows to a server, exactly once: CSV, Parquet, Arrow IPC or line protocol
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct PushOptions {
    /// Files; "-" is standard input, which needs --name and --format
    #[arg(required = true, value_name = "FILE")]
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

    /// Name of standard input: the same name means the same content
    #[arg(long)]
    pub name: Option<String>,

    /// Rows of a batch, before the mapping's (8,192). With another number the same file is another one, and stored again
    #[arg(long, value_name = "ROWS")]
    pub batch_rows: Option<usize>,

    /// Lane: rows of earlier times should not stand in front of what is happening now. On the other lane the same file is
    /// another stream, and stored again
    #[arg(long, value_enum, default_value_t = LaneName::Backfill)]
    pub lane: LaneName,

    /// Unit of the times of line protocol
    #[arg(long, value_enum, default_value_t = Precision::Ns)]
    pub precision: Precision,

    /// Compression on the way
    #[arg(long, value_enum, default_value_t = CompressionName::None)]
    pub compression: CompressionName,

    /// Leave out rows that cannot be read, and count them; without it, the first one stops the push
    #[arg(long)]
    pub skip_bad_rows: bool,
}

/// Which server, and the credentials.
#[derive(Debug, Args)]
pub(crate) struct ServerOptions {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", env = "ZONELAKE_SERVER", default_value = "127.0.0.1:7420")]
    pub server: String,

    /// Token of the gateway, as `zonelake gateway add` printed it; better in the environment
    #[arg(long, env = "ZONELAKE_TOKEN", hide_env_values = true)]
    pub token: String,

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
    /// Text with columns: .csv, .tsv, .txt
    Csv,
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
    /// None: the least work on both sides
    None,
    /// LZ4: about half the bytes at little cost
    Lz4,
    /// Zstandard: for links that are slow or paid by the byte
    Zstd,
}

/// Pushes everything and reports each file.
///
/// # Errors
/// Where a file cannot be read, the server refuses, or cannot be reached for too long.
pub(crate) fn run(options: &PushOptions) -> Result<(), CliError> {
    let order = zonelake_push::PushOptions {
        lane: match options.lane {
            LaneName::Live => Lane::Live,
            LaneName::Backfill => Lane::Backfill,
        },
        line_precision: match options.precision {
            Precision::S => TimeUnit::S,
            Precision::Ms => TimeUnit::Ms,
            Precision::Us => TimeUnit::Us,
            Precision::Ns => TimeUnit::Ns,
        },
        line_table: options.table.clone(),
        skip_bad_rows: options.skip_bad_rows,
        compression: match options.compression {
            CompressionName::None => Compression::None,
            CompressionName::Lz4 => Compression::Lz4,
            CompressionName::Zstd => Compression::Zstd,
        },
        ..zonelake_push::PushOptions::new(
            connection(&options.server)?,
            &options.server.token,
            mapping(options)?,
            inputs(options)?,
        )
    };
    let order = with_patience(order, options.server.give_up);
    let bar = Bar::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::failed)?;
    let report = runtime.block_on(async {
        let connection = Arc::clone(&order.connection);
        let report = push(order, &bar).await;
        connection.close().await;
        report
    });
    bar.bar.finish_and_clear();
    let report = report.map_err(|error: PushError| CliError::from_kind(error.kind(), error))?;
    report.files.iter().for_each(tell);
    Ok(())
}

fn with_patience(mut order: zonelake_push::PushOptions, seconds: u64) -> zonelake_push::PushOptions {
    order.backoff.give_up_after = (seconds > 0).then(|| Duration::from_secs(seconds));
    order
}

fn connection(options: &ServerOptions) -> Result<Arc<Connection>, CliError> {
    let trust = match (&options.fingerprint, &options.ca) {
        (Some(fingerprint), _) => Trust::from_fingerprint(fingerprint).map_err(CliError::input)?,
        (None, Some(file)) => Trust::CertificateFile(file.clone()),
        (None, None) => Trust::CertificateFile(options.data.join("tls").join("cert.pem")),
    };
    let mut connection = ConnectionOptions::new(&options.server, trust);
    connection.server_name.clone_from(&options.server_name);
    Connection::new(connection).map_err(|error| CliError::from_kind(error.kind(), error))
}

fn mapping(options: &PushOptions) -> Result<Mapping, CliError> {
    let mut mapping = match &options.mapping {
        Some(file) => Mapping::from_file(file).map_err(CliError::input)?,
        None => Mapping::by_name(options.table.clone().unwrap_or_default()),
    };
    if let Some(table) = &options.table {
        mapping.table.clone_from(table);
    }
    if let Some(device) = &options.device {
        mapping.device = zonelake_push::DeviceMapping { constant: Some(device.clone()), ..Default::default() };
    }
    if options.batch_rows.is_some() {
        mapping.batch_rows = options.batch_rows;
    }
    Ok(mapping)
}

fn inputs(options: &PushOptions) -> Result<Vec<PushInput>, CliError> {
    let format = options.format.map(|format| match format {
        Format::Csv => PushFormat::Csv,
        Format::Parquet => PushFormat::Parquet,
        Format::Arrow => PushFormat::Arrow,
        Format::Line => PushFormat::Line,
    });
    let input = |path: &PathBuf| {
        if path.as_os_str() != "-" {
            return Ok(PushInput::File { path: path.clone(), format });
        }
        match (&options.name, format) {
            (Some(name), Some(format)) => Ok(PushInput::Stdin { name: name.clone(), format }),
            _ => Err(CliError::input("standard input cannot be read twice: give it a --name, and say its --format")),
        }
    };
    options.files.iter().map(input).collect()
}

/// Says what became of a file: what is stored on standard output, what is not on standard error.
fn tell(file: &FileReport) {
    let totals = &file.totals;
    println!(
        "{}: {} rows, {} readings stored; {} rows were there before",
        file.file, totals.rows, totals.readings, file.rows_before
    );
    if file.bad_rows > 0 {
        eprintln!("{}: {} rows could not be read and are left out", file.file, file.bad_rows);
        for bad in &file.first_bad {
            eprintln!("  {}, column {:?}: {:?}: {}", bad.position, bad.column, bad.value, bad.reason);
        }
    }
    if totals.rejected_rows + totals.rejected_readings > 0 {
        eprintln!(
            "{}: the server rejected {} rows and {} single readings; the table rejected has them",
            file.file, totals.rejected_rows, totals.rejected_readings
        );
        for rejection in &totals.rejections {
            eprintln!("  {}: {} times, first: {}", rejection.reason, rejection.count, rejection.first);
        }
    }
}

/// The progress bar: bytes that are durable. It is drawn on a terminal only.
struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template(
            "{prefix} [{wide_bar}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} {msg}",
        );
        bar.set_style(style.expect("the template is valid"));
        Self { bar }
    }
}

impl ProgressSink for Bar {
    fn handle_progress(&self, progress: &PushProgress<'_>) {
        if let Some(total) = progress.bytes_total {
            self.bar.set_length(total);
        }
        self.bar.set_prefix(format!("{}/{} {}", progress.file_index + 1, progress.files, progress.file));
        let rows = progress.rows_before + progress.totals.rows;
        self.bar.set_message(match &progress.broken {
            Some(reason) => format!("{rows} rows; trying again: {reason}"),
            None => format!("{rows} rows"),
        });
        self.bar.set_position(progress.bytes_durable);
    }
}
