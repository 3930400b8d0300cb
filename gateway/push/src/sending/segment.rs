//! A segment of a push: noted in the ledger of the server, sent, and noted as durable. What the ledger is asked is here too.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use zonelake_gateway::{StreamError, ask_pushes};
use zonelake_schemas::wire::MINOR_VERSION;
use zonelake_schemas::wire::control::{Encoding, Push, Pushed, Pushes, RefusedCode};
use zonelake_schemas::{BatchNumber, Epoch};

use crate::error::PushError;
use crate::ledger::digest::sent;
use crate::ledger::known::Known;
use crate::ledger::plan::Segment;
use crate::look::Look;
use crate::sending::pace;
use crate::sending::pieces::{LinePieces, PieceRows, Pieces, RowPieces};
use crate::sending::run::{FilePush, off_thread};
use crate::source::lines::Lines;
use crate::source::open::OpenSource;

/// What the rows of a segment are read from.
#[derive(Debug, Clone)]
pub(crate) enum SegmentRows {
    /// Rows whose columns a mapping binds to those of a table.
    Rows { wire: SchemaRef, look: Arc<Look> },
    /// The lines of a table.
    Lines { table: String },
}

impl FilePush<'_> {
    /// Notes a segment, sends it, and notes that it is durable.
    pub(crate) async fn send_segment(
        &mut self,
        source: &Arc<OpenSource>,
        of: &SegmentRows,
        segment: Segment,
    ) -> Result<(), PushError> {
        let rows = segment.rows();
        let Segment { push, selection, is_noted } = segment;
        let (table, encoding) = match of {
            SegmentRows::Rows { .. } => (self.mapping.table.clone(), Encoding::Arrow),
            SegmentRows::Lines { table } => (table.clone(), Encoding::Line),
        };
        // Before the first batch: what is sent and not noted would be sent again under another name.
        let push = if is_noted { push } else { self.note_new(&table, push).await? };
        let is_new = !is_noted && push.begun_us == 0;
        self.report.producer.clone_from(&push.producer);
        let opened = self.open_stream(&table, encoding, Epoch(push.epoch.max(1))).await;
        let durable = match opened {
            // Its producer was lent to another push since, which happens when all of it is durable and noted as done.
            Err(PushError::Stream { error: StreamError::Refused { code: RefusedCode::Fenced, .. }, .. })
                if push.is_done =>
            {
                u64::MAX
            }
            opened => {
                opened?;
                self.streams.values().next().map_or(0, |table| table.stream.first_number().0 - 1)
            }
        };
        if is_new && durable > 0 {
            // Its rows would be taken for those that are there: the registry is older than what is stored.
            let error = StreamError::NotOurs { server: BatchNumber(durable), sent: BatchNumber(0) };
            return Err(PushError::from_stream(&self.report.file, error));
        }
        let batches = rows.div_ceil(push.batch_rows.max(1));
        if push.is_done && durable >= batches {
            self.report.batches_before += batches;
            self.report.rows_before += rows;
            self.streams.clear();
            return Ok(());
        }
        let batch_rows = usize::try_from(push.batch_rows).ok().filter(|rows| *rows > 0);
        let pieces = self.pieces(source, of, PieceRows { selection, batch_rows }).await?;
        self.send_pieces(pieces).await?;
        // The hash of a file that has changed meanwhile names other rows.
        source.check_unchanged()?;
        self.ask(&table, Pushes { note: Some(Push { is_done: true, ..push }), ..Pushes::default() }).await?;
        Ok(())
    }

    /// Notes a push, for which the server lends a producer; one that is older than that takes the name that its digests give.
    async fn note_new(&mut self, table: &str, push: Push) -> Result<Push, PushError> {
        let unnamed = Push { producer: String::new(), ..push.clone() };
        let asked = self.ask(table, Pushes { note: Some(unnamed), ..Pushes::default() }).await?;
        if let Some(noted) = asked.and_then(|asked| asked.noted) {
            return Ok(noted);
        }
        self.ask(table, Pushes { note: Some(push.clone()), ..Pushes::default() }).await?;
        // Its numbers go on where they are, whoever sent them.
        Ok(Push { begun_us: self.options.connection.clock().wall_us(), ..push })
    }

    /// The wanted rows of a source, in batches.
    pub(crate) async fn pieces(
        &self,
        source: &Arc<OpenSource>,
        of: &SegmentRows,
        wanted: PieceRows,
    ) -> Result<Box<dyn Pieces>, PushError> {
        match of {
            SegmentRows::Rows { wire, look } => {
                let compression = match self.options.compression {
                    Some(compression) => compression,
                    None => pace::compression(self.options.connection.bytes_per_second().await),
                };
                let (source, mapping) = (source.clone(), self.mapping.clone());
                let (wire, look) = (wire.clone(), look.clone());
                let open = move || RowPieces::open(&source, mapping, &wire, compression, &look, wanted);
                Ok(Box::new(off_thread(&self.report.file, open).await?))
            }
            SegmentRows::Lines { table } => {
                let (precision, only) = (self.options.line_precision, self.options.line_table.clone());
                let lines = Lines::new(&source.name, source.reader()?, precision, only);
                Ok(Box::new(LinePieces::new(lines.wanting(table, wanted.selection), source.bytes_read.clone())))
            }
        }
    }

    /// Pushes with the same rows in another order, where no other one is known.
    pub(crate) async fn same_set(&mut self, table: &str, known: &Known) -> Result<Vec<Push>, PushError> {
        if self.options.again || known.totals.rows == 0 || !known.matched().is_empty() {
            return Ok(Vec::new());
        }
        let asked = self.ask(table, Pushes { rows_set: sent(known.totals.set), ..Pushes::default() }).await?;
        Ok(asked.map(|pushed| pushed.pushes).unwrap_or_default())
    }

    /// Asks the ledger about a table; `None` where the server has none.
    pub(crate) async fn ask(&mut self, table: &str, pushes: Pushes) -> Result<Option<Pushed>, PushError> {
        let pushes = Pushes {
            minor_version: MINOR_VERSION,
            token: self.options.token.clone(),
            table: table.to_owned(),
            lane: self.options.lane as u32,
            ..pushes
        };
        let asking = ask_pushes(&self.options.connection, self.options.backoff, &pushes);
        let asked = self.progress.while_waiting(&mut self.streams, &self.report, asking).await;
        asked.map_err(|error| PushError::from_stream(&self.report.file, error))
    }

    /// A new push as it is noted, without its rows. `read_as` says how its content becomes rows.
    pub(crate) fn note(&self, content: Bytes, batch_rows: u64, read_as: &str) -> Push {
        // The latest part of a long name says most.
        let file: String = self.report.file.chars().rev().take(FILE_CHARS_MAX).collect();
        Push {
            batch_rows,
            file: file.chars().rev().collect(),
            content,
            mapping: Bytes::copy_from_slice(&Sha256::digest(read_as)[..16]),
            ..Push::default()
        }
    }
}

/// Characters of a file's name that are noted; each takes up to four bytes.
const FILE_CHARS_MAX: usize = 200;
