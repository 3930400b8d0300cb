//! One source of a push: a thread reads it, and its batches go out on one stream per table.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use zonelake_gateway::{BatchStream, StreamError, StreamOptions};
use zonelake_schemas::wire::control::Encoding;
use zonelake_schemas::{BatchNumber, Epoch};

use crate::error::PushError;
use crate::look::Look;
use crate::mapping::declaration::Mapping;
use crate::options::PushOptions;
use crate::progress::ProgressReporter;
use crate::report::FileReport;
use crate::sending::pieces::{Piece, Pieces};
use crate::sending::table_stream::{TableStream, totals};
use crate::source::open::{OpenSource, PushFormat};

/// One source that is being pushed.
pub(crate) struct FilePush<'a> {
    pub(crate) options: &'a PushOptions,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) report: FileReport,
    /// Digest of the content.
    pub(crate) content: Vec<u8>,
    pub(crate) streams: BTreeMap<String, TableStream>,
    pub(crate) progress: ProgressReporter<'a>,
}

impl FilePush<'_> {
    /// Looks at the whole source, pushes what the server has not, and waits until all of it is durable.
    pub(crate) async fn run(&mut self, source: OpenSource) -> Result<(), PushError> {
        let source = Arc::new(source);
        if source.format == PushFormat::Line {
            self.push_lines(&source).await?;
        } else {
            self.push_rows(&source).await?;
        }
        self.progress.report(&mut self.streams, &self.report, true);
        source.check_unchanged()
    }

    /// Sends all pieces and waits until they are durable.
    pub(crate) async fn send_pieces(&mut self, pieces: Box<dyn Pieces>) -> Result<(), PushError> {
        let sent = self.send_all(read_ahead(pieces)).await;
        // What was sent before a fault is waited for all the same.
        let finished = self.finish().await;
        sent.and(finished)
    }

    /// Takes what a look has found into the report; an error where that stops the push.
    pub(crate) fn take_look(&mut self, look: &Look) -> Result<(), PushError> {
        look.check(&self.report.file, self.options.skip_bad_rows)?;
        self.report.rows = look.rows;
        self.report.bad_rows = look.bad_rows;
        self.report.bad_cells = look.bad_cells;
        self.report.first_bad.clone_from(&look.first_bad);
        self.report.notes.clone_from(&look.notes);
        Ok(())
    }

    async fn send_all(&mut self, mut pieces: mpsc::Receiver<Result<Piece, PushError>>) -> Result<(), PushError> {
        while let Some(piece) = self.progress.while_waiting(&mut self.streams, &self.report, pieces.recv()).await {
            self.send(piece?).await?;
        }
        Ok(())
    }

    async fn send(&mut self, piece: Piece) -> Result<(), PushError> {
        let batch = piece.batch;
        if !self.streams.contains_key(&piece.table) {
            self.open_stream(&piece.table, Encoding::Line, Epoch(1)).await?;
        }
        let table = self.streams.get_mut(&piece.table).expect("it was opened just now or before");
        table.given += 1;
        let number = BatchNumber(table.given);
        // The server has this batch from an earlier push. It is read again only so that the numbers stay those of the cut.
        if number < table.stream.first_number() {
            self.report.batches_before += 1;
            self.report.rows_before += batch.rows;
            table.sent.push_back((number, piece.bytes_read));
            return Ok(());
        }
        table.positions.insert(number, piece.positions);
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

    pub(crate) async fn open_stream(&mut self, table: &str, encoding: Encoding, epoch: Epoch) -> Result<(), PushError> {
        let options = StreamOptions {
            epoch,
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
        self.streams.insert(table.to_owned(), TableStream::new(stream));
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
        self.progress.report(&mut self.streams, &self.report, false);
        let sent = totals(&std::mem::take(&mut self.streams));
        self.report.totals.merge(sent);
        result
    }
}

/// Batches that wait to be sent, in addition to those in flight.
const PIECES_READY_MAX: usize = 2;

/// Starts a thread that gives the pieces of a source.
fn read_ahead(mut pieces: Box<dyn Pieces>) -> mpsc::Receiver<Result<Piece, PushError>> {
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
    take
}

/// Runs work that blocks, reading files above all, on a thread where it holds up no stream.
pub(crate) async fn off_thread<T: Send + 'static>(
    file: &str,
    work: impl FnOnce() -> Result<T, PushError> + Send + 'static,
) -> Result<T, PushError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(PushError::Reader { file: file.to_owned(), reason: error.to_string() }))
}
