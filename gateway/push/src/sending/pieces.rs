//! Encoded batches of one source, in their order. It works without a server, on a thread that may block.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;

use crate::columns::position::{BatchPositions, Position};
use crate::columns::rows::RowReader;
use crate::error::PushError;
use crate::ledger::selection::Selection;
use crate::look::{Look, open_rows};
use crate::mapping::declaration::Mapping;
use crate::source::lines::Lines;
use crate::source::open::OpenSource;
use crate::source::rows::RowSource;
use zonelake_gateway::EncodedBatch;
use zonelake_gateway::{ArrowEncoder, Compression, line_block};

/// One encoded batch of a source.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Table that it goes to.
    pub(crate) table: String,
    /// The batch.
    pub(crate) batch: EncodedBatch,
    /// Bytes of the source that were read by then.
    pub(crate) bytes_read: u64,
    /// Where its rows stand in the source.
    pub(crate) positions: BatchPositions,
}

/// Gives the pieces of a source.
pub(crate) trait Pieces: Send {
    /// The next one; `None` at the end.
    fn next_piece(&mut self) -> Result<Option<Piece>, PushError>;
}

/// Pieces of text, Excel, Parquet or Arrow IPC.
pub(crate) struct RowPieces {
    file: String,
    rows: Box<dyn RowSource>,
    reader: RowReader,
    encoder: ArrowEncoder,
    used: Vec<usize>,
    table: String,
    chunk_rows: usize,
    wanted: PieceRows,
    /// Rows that wait for a full batch.
    held: Vec<RecordBatch>,
    held_rows: usize,
    /// Positions of the rows that wait.
    held_positions: VecDeque<Position>,
    bytes_read: Arc<AtomicU64>,
}

/// Which rows of a source are cut into batches.
#[derive(Debug, Clone, Default)]
pub(crate) struct PieceRows {
    pub(crate) selection: Selection,
    /// Rows of a batch; `None`: as the mapping says.
    pub(crate) batch_rows: Option<usize>,
}

impl RowPieces {
    /// Opens the content of a source that was looked at before and binds its columns to the table's wire schema.
    pub(crate) fn open(
        source: &OpenSource,
        mapping: Arc<Mapping>,
        wire: &Schema,
        compression: Compression,
        look: &Look,
        wanted: PieceRows,
    ) -> Result<Self, PushError> {
        let (rows, mut reader) = open_rows(source, &mapping, wire)?;
        reader.send_as_text(look.as_text.clone());
        let encoder = ArrowEncoder::new(reader.schema(), compression)
            .map_err(|error| PushError::from_source(&source.name, &error))?;
        Ok(Self {
            file: source.name.clone(),
            used: reader.used_columns(),
            rows,
            reader,
            encoder,
            table: mapping.table.clone(),
            chunk_rows: mapping.rows_per_batch(),
            wanted,
            held: Vec::new(),
            held_rows: 0,
            held_positions: VecDeque::new(),
            bytes_read: source.bytes_read.clone(),
        })
    }

    /// Reads until a batch is full, or to the end.
    fn fill(&mut self, batch_rows: usize) -> Result<(), PushError> {
        let wrong = |error: ArrowError| PushError::from_source(&self.file, &error);
        while self.held_rows < batch_rows {
            let Some(raw) = self.rows.next_rows(&self.used, self.chunk_rows)? else { break };
            let read = self.reader.read(&raw).map_err(wrong)?;
            let wanted = self.wanted.selection.next(raw.batch.num_rows(), &read.left_out);
            let rows = (0..raw.batch.num_rows()).filter(|row| read.left_out.binary_search(row).is_err());
            let taken = rows.zip(&wanted).filter(|(_, wanted)| **wanted);
            self.held_positions.extend(taken.map(|(row, _)| raw.positions.of(row)));
            let batch = match wanted.iter().all(|wanted| *wanted) {
                true => read.batch,
                false => filter_record_batch(&read.batch, &BooleanArray::from(wanted)).map_err(wrong)?,
            };
            self.held_rows += batch.num_rows();
            self.held.extend((batch.num_rows() > 0).then_some(batch));
        }
        Ok(())
    }
}

impl Pieces for RowPieces {
    fn next_piece(&mut self) -> Result<Option<Piece>, PushError> {
        let batch_rows = self.wanted.batch_rows.unwrap_or(self.chunk_rows);
        self.fill(batch_rows)?;
        if self.held_rows == 0 {
            return Ok(None);
        }
        let wrong = |error: ArrowError| PushError::from_source(&self.file, &error);
        let held = concat_batches(self.reader.schema(), &self.held).map_err(wrong)?;
        let rows = held.num_rows().min(batch_rows);
        let rest = held.slice(rows, held.num_rows() - rows);
        self.held_rows = rest.num_rows();
        self.held = if self.held_rows > 0 { vec![rest] } else { Vec::new() };
        let batch = self.encoder.encode(&held.slice(0, rows));
        let batch = batch.map_err(|error| PushError::from_source(&self.file, &error))?;
        Ok(Some(Piece {
            table: self.table.clone(),
            batch,
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            positions: BatchPositions::of(self.held_positions.drain(..rows)),
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
            positions: BatchPositions::of(block.positions),
            batch: line_block(block.lines, block.rows),
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
        }))
    }
}
