//! Encoded batches of one source, in their order. It works without a server, on a thread that may block.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::Schema;

use crate::columns::rows::{BadRow, RowReader};
use crate::error::PushError;
use crate::mapping::Mapping;
use crate::source::arrow::ArrowRows;
use crate::source::csv::CsvRows;
use crate::source::lines::Lines;
use crate::source::open::{OpenSource, PushFormat};
use crate::source::rows::RowSource;
use zonelake_gateway::EncodedBatch;
use zonelake_gateway::{ArrowEncoder, Compression, line_block};

/// One encoded batch of a source.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Table that it goes to.
    pub(crate) table: String,
    /// The batch; `None` where all rows of a chunk were bad.
    pub(crate) batch: Option<EncodedBatch>,
    /// Bytes of the source that were read by then.
    pub(crate) bytes_read: u64,
    /// Rows that were left out.
    pub(crate) bad: Vec<BadRow>,
}

/// Gives the pieces of a source.
pub(crate) trait Pieces: Send {
    /// The next one; `None` at the end.
    fn next_piece(&mut self) -> Result<Option<Piece>, PushError>;
}

/// Pieces of CSV, Parquet or Arrow IPC.
pub(crate) struct RowPieces {
    file: String,
    rows: Box<dyn RowSource>,
    reader: RowReader,
    encoder: ArrowEncoder,
    used: Vec<usize>,
    mapping: Arc<Mapping>,
    skip_bad_rows: bool,
    bytes_read: Arc<AtomicU64>,
}

impl RowPieces {
    /// Opens the content of a source and binds its columns to the table's wire schema.
    pub(crate) fn open(
        source: &OpenSource,
        mapping: Arc<Mapping>,
        wire: &Schema,
        compression: Compression,
        skip_bad_rows: bool,
    ) -> Result<Self, PushError> {
        let rows: Box<dyn RowSource> = match source.format {
            PushFormat::Csv => Box::new(CsvRows::open(&source.name, source.reader()?, &mapping)?),
            _ => Box::new(ArrowRows::open(source)?),
        };
        let reader = RowReader::new(mapping.clone(), rows.columns(), wire, &source.stem)
            .map_err(|error| PushError::from_mapping(&source.name, error))?;
        let encoder = ArrowEncoder::new(reader.schema(), compression)
            .map_err(|error| PushError::from_source(&source.name, &error))?;
        Ok(Self {
            file: source.name.clone(),
            used: reader.used_columns(),
            rows,
            reader,
            encoder,
            mapping,
            skip_bad_rows,
            bytes_read: source.bytes_read.clone(),
        })
    }
}

impl Pieces for RowPieces {
    fn next_piece(&mut self) -> Result<Option<Piece>, PushError> {
        let Some(raw) = self.rows.next_rows(&self.used, self.mapping.rows_per_batch())? else { return Ok(None) };
        let read = self.reader.read(&raw).map_err(|error| PushError::from_source(&self.file, &error))?;
        if let (false, Some(bad)) = (self.skip_bad_rows, read.bad.first()) {
            return Err(PushError::BadRow { file: self.file.clone(), bad: bad.clone() });
        }
        let batch = match read.batch.num_rows() {
            0 => None,
            _ => Some(self.encoder.encode(&read.batch).map_err(|error| PushError::from_source(&self.file, &error))?),
        };
        Ok(Some(Piece {
            table: self.mapping.table.clone(),
            batch,
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            bad: read.bad,
        }))
    }
}

/// Pieces of line protocol.
pub(crate) struct LinePieces {
    lines: Lines,
    bytes_read: Arc<AtomicU64>,
}

impl LinePieces {
    /// Pieces of these lines, of a source that counts its bytes.
    pub(crate) fn new(lines: Lines, bytes_read: Arc<AtomicU64>) -> Self {
        Self { lines, bytes_read }
    }
}

impl Pieces for LinePieces {
    fn next_piece(&mut self) -> Result<Option<Piece>, PushError> {
        let block = self.lines.next_block()?;
        Ok(block.map(|block| Piece {
            table: block.table,
            batch: Some(line_block(block.lines, block.rows)),
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            bad: Vec::new(),
        }))
    }
}
