//! Formats of answers.

use clap::ValueEnum;

/// Format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables with frames, nulls as NULL
    Table,
    /// Comma-separated values with a header, nulls empty
    Csv,
    /// One JSON object: the columns with their types, and the rows as arrays
    Json,
    /// A JSON object a row, by column name
    Ndjson,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file
    Parquet,
}

impl Format {
    /// Media type that a server is asked for.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Table | Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Csv => "text/csv",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}
