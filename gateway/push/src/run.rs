//! One source of a push: a thread reads it, and its batches go out on one stream per table.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::ipc::convert::try_schema_from_ipc_buffer;
use tokio::sync::mpsc;
use zonelake_gateway::{BatchStream, StreamError, StreamOptions};
use zonelake_schemas::wire::control::Encoding;
use zonelake_schemas::{BatchNumber, Epoch};

use crate::error::PushError;
use crate::mapping::Mapping;
use crate::options::PushOptions;
use crate::pieces::{LinePieces, Piece, Pieces, RowPieces};
use crate::progress::ProgressReporter;
use crate::report::FileReport;
use crate::source::lines::Lines;
use crate::source::open::{OpenSource, PushFormat};
use crate::table_stream::{TableStream, totals};

/// One source that is being pushed.
pub(crate) struct FilePush<'a> {
    pub(crate) options: &'a PushOptions,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) report: FileReport,
    pub(crate) streams: BTreeMap<String, TableStream>,
    pub(crate) progress: ProgressReporter<'a>,
}

impl FilePush<'_> {
    /// Pushes the source and waits until all of it is durable.
    pub(crate) async fn run(&mut self, source: OpenSource) -> Result<(), PushError> {
        let source = Arc::new(source);
        if source.format != PushFormat::Line {
            self.open_stream(&self.mapping.table.clone(), Encoding::Arrow).await?;
        }
        let pieces = self.pieces(source.clone()).await?;
        let sent = self.send_all(pieces).await;
        // A bad row stops the push; what was sent before it is waited for all the same.
        let finished = self.finish().await;
        sent.and(finished)?;
        source.check_unchanged()
    }

    /// Starts the thread that reads the source.
    async fn pieces(&self, source: Arc<OpenSource>) -> Result<mpsc::Receiver<Result<Piece, PushError>>, PushError> {
        let mut pieces: Box<dyn Pieces> = if source.format == PushFormat::Line {
            let (precision, only) = (self.options.line_precision, self.options.line_table.clone());
            let lines = Lines::new(&source.name, source.reader()?, precision, only);
            Box::new(LinePieces::new(lines, source.bytes_read.clone()))
        } else {
            let (mapping, compression, skip) =
                (self.mapping.clone(), self.options.compression, self.options.skip_bad_rows);
            let served = self.streams.values().next().expect("the stream of rows is open by now");
            let wire = try_schema_from_ipc_buffer(&served.stream.serving().schema).map_err(|error| {
                let error = StreamError::Protocol(format!("its schema cannot be read: {error}"));
                PushError::from_stream(&source.name, error)
            })?;
            let file = source.name.clone();
            let opened = move || RowPieces::open(&source, mapping, &wire, compression, skip);
            Box::new(off_thread(&file, opened).await?)
        };
        let (give, take) = mpsc::channel(PIECES_READY_MAX);
        tokio::task::spawn_blocking(move || {
            loop {
                let piece = pieces.next_piece().transpose();
                let Some(piece) = piece else { break };
                let failed = piece.is_err();
                // A closed channel: the push has ended.
                if give.blocking_send(piece).is_err() || failed {
                    break;
                }
            }
        });
        Ok(take)
    }

    async fn send_all(&mut self, mut pieces: mpsc::Receiver<Result<Piece, PushError>>) -> Result<(), PushError> {
        while let Some(piece) = self.progress.while_waiting(&mut self.streams, &self.report, pieces.recv()).await {
            self.send(piece?).await?;
        }
        Ok(())
    }

    async fn send(&mut self, piece: Piece) -> Result<(), PushError> {
        self.report.bad_rows += piece.bad.len() as u64;
        let room = FIRST_BAD_MAX.saturating_sub(self.report.first_bad.len());
        self.report.first_bad.extend(piece.bad.into_iter().take(room));
        let Some(batch) = piece.batch else { return Ok(()) };
        if !self.streams.contains_key(&piece.table) {
            self.open_stream(&piece.table, Encoding::Line).await?;
        }
        let table = self.streams.get_mut(&piece.table).expect("it was opened just now or before");
        table.given += 1;
        self.report.rows += batch.rows;
        let number = BatchNumber(table.given);
        // The server has this batch from an earlier push. It is read again only so that the numbers stay those of the cut.
        if number < table.stream.first_number() {
            self.report.batches_before += 1;
            self.report.rows_before += batch.rows;
            table.sent.push_back((number, piece.bytes_read));
            return Ok(());
        }
        let sender = table.stream.sender();
        let sent = self.progress.while_waiting(&mut self.streams, &self.report, sender.send(batch)).await;
        let sent = sent.map_err(|error| PushError::from_stream(&self.report.file, error))?;
        if sent != number {
            let error = StreamError::NotOurs { server: sent, sent: number };
            return Err(PushError::from_stream(&self.report.file, error));
        }
        if let Some(table) = self.streams.get_mut(&piece.table) {
            table.sent.push_back((number, piece.bytes_read));
        }
        Ok(())
    }

    async fn open_stream(&mut self, table: &str, encoding: Encoding) -> Result<(), PushError> {
        let options = StreamOptions {
            epoch: Epoch(1),
            lane: self.options.lane,
            encoding,
            backoff: self.options.backoff,
            software: self.options.software.clone(),
            observer: Some(self.progress.watch.clone()),
            ..StreamOptions::new(&self.options.token, &self.report.producer, table)
        };
        let opening = BatchStream::open(&self.options.connection, options);
        let stream = self.progress.while_waiting(&mut self.streams, &self.report, opening).await;
        let stream = stream.map_err(|error| PushError::from_stream(&self.report.file, error))?;
        self.streams.insert(table.to_owned(), TableStream { stream, given: 0, sent: VecDeque::new() });
        Ok(())
    }

    /// Waits until all streams are durable, and closes them.
    async fn finish(&mut self) -> Result<(), PushError> {
        let mut result = Ok(());
        for table in self.streams.values() {
            let durable = table.stream.first_number().0 - 1;
            if table.given < durable {
                let file = self.report.file.clone();
                result = Err(PushError::OtherCut { file, durable, read: table.given });
            }
        }
        let senders: Vec<_> = self.streams.values().map(|table| table.stream.sender()).collect();
        for sender in senders {
            let finished = self.progress.while_waiting(&mut self.streams, &self.report, sender.finished()).await;
            result = result.and(finished.map_err(|error| PushError::from_stream(&self.report.file, error)));
        }
        self.progress.report(&mut self.streams, &self.report, result.is_ok());
        self.report.totals = totals(&self.streams);
        result
    }
}

/// Batches that wait to be sent, in addition to those in flight.
const PIECES_READY_MAX: usize = 2;
/// Bad rows that a report names.
const FIRST_BAD_MAX: usize = 8;

/// Runs work that blocks, reading files above all, on a thread where it holds up no stream.
pub(crate) async fn off_thread<T: Send + 'static>(
    file: &str,
    work: impl FnOnce() -> Result<T, PushError> + Send + 'static,
) -> Result<T, PushError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(PushError::Reader { file: file.to_owned(), reason: error.to_string() }))
}
