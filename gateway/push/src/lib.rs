//! Recorded rows into a server, exactly once: from CSV with a mapping of its columns, Parquet, Arrow IPC or line protocol.
//!
//! In the order in which rows travel:
//! - [`source`]: a file or standard input, opened
//! - [`identity`]: the producer's name, from content and mapping
//! - [`source`]: rows as the source has them, in chunks of a fixed number
//! - [`mapping`], [`binding`]: which column becomes what; [`instant`]: times; [`cells`]: values; [`rows`]: all of it into a batch
//! - [`pieces`]: batches, encoded, on a thread of their own
//! - [`run`]: the streams that they are sent on, and the report
//!
//! Each file is a producer of its own, named by the hash of its content and mapping, in epoch 1. Its batches are cut by
//! the number of rows alone, so that the same files always give the same batches; the server's last number then says
//! how many of them it has, and those are read again but not sent. Hence a push that was interrupted on either side
//! goes on where it was, and a push of the same files adds nothing. Two equal rows in a file are two rows. The lane is
//! part of a stream: the same file pushed on the other lane is stored again.

mod binding;
mod cells;
mod identity;
mod instant;
mod mapping;
mod pieces;
#[cfg(test)]
mod recordings;
mod rows;
mod run;
mod source;

use std::sync::Arc;

use zonelake_schemas::Lane;
use zonelake_schemas::error::ErrorKind;

use zonelake_gateway::BackoffPolicy;
use zonelake_gateway::Connection;
use zonelake_gateway::Compression;
use zonelake_gateway::StreamError;
use zonelake_gateway::StreamTotals;

pub use mapping::{ColumnMapping, DeviceMapping, Epoch as TimeUnit, Mapping, MappingError, TimeMapping};
pub use rows::{BadRow, Position};
pub use run::push;
pub use source::open::{PushFormat, PushInput};

/// What to push, and where to.
#[derive(Clone)]
pub struct PushOptions {
    /// Connection to the server.
    pub connection: Arc<Connection>,
    /// Secret of the gateway.
    pub token: String,
    /// Lane; default back-fill.
    pub lane: Lane,
    /// Sources, pushed one after another.
    pub inputs: Vec<PushInput>,
    /// How the columns of CSV, Parquet and Arrow become those of a table.
    pub mapping: Mapping,
    /// What the times of line protocol count; default nanoseconds.
    pub line_precision: TimeUnit,
    /// Table that all lines of line protocol must be of; `None`: whatever their measurement names.
    pub line_table: Option<String>,
    /// Whether to leave out rows that cannot be read, and count them; else the first one stops the push.
    pub skip_bad_rows: bool,
    /// Compression of Arrow payloads.
    pub compression: Compression,
    /// When to try again after the link broke, and when to give up.
    pub backoff: BackoffPolicy,
    /// Software that pushes, for the server's log.
    pub software: String,
}

impl PushOptions {
    /// The defaults.
    pub fn new(
        connection: Arc<Connection>,
        token: impl Into<String>,
        mapping: Mapping,
        inputs: Vec<PushInput>,
    ) -> Self {
        Self {
            connection,
            token: token.into(),
            lane: Lane::Backfill,
            inputs,
            mapping,
            line_precision: TimeUnit::Ns,
            line_table: None,
            skip_bad_rows: false,
            compression: Compression::None,
            backoff: BackoffPolicy::default(),
            software: concat!("zonelake push ", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

impl std::fmt::Debug for PushOptions {
    /// Leaves the token out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushOptions")
            .field("lane", &self.lane)
            .field("inputs", &self.inputs)
            .field("mapping", &self.mapping)
            .finish_non_exhaustive()
    }
}

/// Hears how a push goes on, ten times a second.
pub trait ProgressSink: Send + Sync {
    /// How far it is.
    fn handle_progress(&self, progress: &PushProgress<'_>);
}

/// A sink that hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn handle_progress(&self, _progress: &PushProgress<'_>) {}
}

/// How far a push is.
#[derive(Debug, Clone)]
pub struct PushProgress<'a> {
    /// The source at work.
    pub file: &'a str,
    /// Its position among the inputs, from 0.
    pub file_index: usize,
    /// How many inputs there are.
    pub files: usize,
    /// Bytes of the source; `None` for standard input.
    pub bytes_total: Option<u64>,
    /// Bytes of the source whose rows are durable.
    pub bytes_durable: u64,
    /// Rows that were durable before this push.
    pub rows_before: u64,
    /// What has become durable by this push, of this source.
    pub totals: &'a StreamTotals,
    /// Why the link is broken, where it is.
    pub broken: Option<String>,
    /// Whether the source is done.
    pub done: bool,
}

/// What became of all sources.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PushReport {
    /// Each source, in their order.
    pub files: Vec<FileReport>,
}

/// What became of one source.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileReport {
    /// The source.
    pub file: String,
    /// Name of its producer.
    pub producer: String,
    /// Rows that could be read.
    pub rows: u64,
    /// Batches that were durable before this push, and were not sent.
    pub batches_before: u64,
    /// Rows in them.
    pub rows_before: u64,
    /// Rows that could not be read and were left out.
    pub bad_rows: u64,
    /// The first of them; at most 8.
    pub first_bad: Vec<BadRow>,
    /// What has become durable by this push.
    pub totals: StreamTotals,
}

/// Why a push stops. What was acknowledged before stays; the same push again goes on behind it.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The mapping does not fit itself, the source or the table.
    #[error("{file}: {error}")]
    Mapping {
        /// The source.
        file: String,
        /// What is wrong.
        error: MappingError,
    },
    /// The format cannot be told.
    #[error("{file}: its extension names no known format; state one: csv, parquet, arrow or line")]
    Format {
        /// The source.
        file: String,
    },
    /// The source cannot be read.
    #[error("cannot read {file}: {reason}")]
    Source {
        /// The source.
        file: String,
        /// Why not.
        reason: String,
    },
    /// A row cannot be read. Nothing from its batch on was sent.
    #[error("{file}, {}{}: {:?}: {}", .bad.position, in_column(&.bad.column), .bad.value, .bad.reason)]
    BadRow {
        /// The source.
        file: String,
        /// The row.
        bad: BadRow,
    },
    /// The file was changed while it was pushed.
    #[error("{file} was changed while it was pushed: its rows may be stored under the name of its old content")]
    Changed {
        /// The source.
        file: String,
    },
    /// The server has more batches of this source than it gives.
    #[error(
        "{file}: the server has {durable} batches of it, and it gives {read}: they were cut in another way, or standard input was named alike twice"
    )]
    OtherCut {
        /// The source.
        file: String,
        /// Batches at the server.
        durable: u64,
        /// Batches that the source gives.
        read: u64,
    },
    /// The stream to the server ended.
    #[error("{file}: {error}")]
    Stream {
        /// The source.
        file: String,
        /// Why.
        error: StreamError,
    },
    /// The thread that reads the source ended.
    #[error("{file}: the reader stopped: {reason}")]
    Reader {
        /// The source.
        file: String,
        /// Why.
        reason: String,
    },
}

impl PushError {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Stream { error, .. } => error.kind(),
            Self::Reader { .. } => ErrorKind::Bug,
            _ => ErrorKind::Input,
        }
    }

    fn source(file: &str, error: &dyn std::error::Error) -> Self {
        Self::Source { file: file.to_owned(), reason: error.to_string() }
    }

    fn mapping(file: &str, error: MappingError) -> Self {
        Self::Mapping { file: file.to_owned(), error }
    }

    fn stream(file: &str, error: StreamError) -> Self {
        Self::Stream { file: file.to_owned(), error }
    }
}

fn in_column(column: &str) -> String {
    if column.is_empty() { String::new() } else { format!(", column {column:?}") }
}

/// Rows of a source, in chunks.
trait RowSource: Send {
    /// Names of its columns.
    fn columns(&self) -> &[String];

    /// The next `rows_max` rows, or fewer at the end; of the columns at the positions `used` at least.
    fn next_rows(&mut self, used: &[usize], rows_max: usize) -> Result<Option<rows::RawRows>, PushError>;
}
