//! A push at work: sources one after another, each read on a thread, its batches sent on a stream for each table.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::ipc::convert::try_schema_from_ipc_buffer;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};
use zonelake_schemas::wire::control::Encoding;
use zonelake_schemas::{BatchNumber, Epoch};

use crate::identity::producer_name;
use crate::source::lines::Lines;
use crate::mapping::Mapping;
use crate::pieces::{LinePieces, Piece, Pieces, RowPieces};
use crate::source::open::{OpenSource, PushFormat, PushInput};
use crate::{FileReport, ProgressSink, PushError, PushOptions, PushProgress, PushReport};
use zonelake_gateway::StreamError;
use zonelake_gateway::{BatchStream, LinkEvent, StreamObserver, StreamOptions, StreamTotals};

/// Pushes all sources, one after another, and waits until everything is durable.
///
/// # Errors
/// The first [`PushError`]; what was acknowledged before it stays stored.
pub async fn push(options: PushOptions, progress: &dyn ProgressSink) -> Result<PushReport, PushError> {
    let mut report = PushReport::default();
    let mapping = Arc::new(options.mapping.clone());
    for (file_index, input) in options.inputs.iter().enumerate() {
        let (source, producer) = prepare(input.clone(), mapping.clone(), &options).await?;
        let mut file = FilePush {
            teller: Teller::new(progress, &source, file_index, options.inputs.len()),
            options: &options,
            mapping: mapping.clone(),
            report: FileReport { file: source.name.clone(), producer, ..FileReport::default() },
            streams: BTreeMap::new(),
        };
        file.run(source).await?;
        report.files.push(file.report);
    }
    Ok(report)
}

/// One source at work.
struct FilePush<'a> {
    options: &'a PushOptions,
    mapping: Arc<Mapping>,
    report: FileReport,
    streams: BTreeMap<String, TableStream>,
    teller: Teller<'a>,
}

/// The stream of one table of a source.
struct TableStream {
    stream: BatchStream,
    /// Batches that the source has given for it.
    given: u64,
    /// Numbers sent, with the bytes of the source that were read by then, until they are durable.
    sent: VecDeque<(BatchNumber, u64)>,
}

impl FilePush<'_> {
    async fn run(&mut self, source: OpenSource) -> Result<(), PushError> {
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
                PushError::stream(&source.name, error)
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
        while let Some(piece) = self.teller.while_waiting(&mut self.streams, &self.report, pieces.recv()).await {
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
        if number < table.stream.first_number() {
            self.report.batches_before += 1;
            self.report.rows_before += batch.rows;
            table.sent.push_back((number, piece.bytes_read));
            return Ok(());
        }
        let sender = table.stream.sender();
        let sent = self.teller.while_waiting(&mut self.streams, &self.report, sender.send(batch)).await;
        let sent = sent.map_err(|error| PushError::stream(&self.report.file, error))?;
        if sent != number {
            let error = StreamError::NotOurs { server: sent, sent: number };
            return Err(PushError::stream(&self.report.file, error));
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
            observer: Some(self.teller.watch.clone()),
            ..StreamOptions::new(&self.options.token, &self.report.producer, table)
        };
        let opening = BatchStream::open(&self.options.connection, options);
        let stream = self.teller.while_waiting(&mut self.streams, &self.report, opening).await;
        let stream = stream.map_err(|error| PushError::stream(&self.report.file, error))?;
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
            let finished = self.teller.while_waiting(&mut self.streams, &self.report, sender.finished()).await;
            result = result.and(finished.map_err(|error| PushError::stream(&self.report.file, error)));
        }
        self.teller.tell(&mut self.streams, &self.report, result.is_ok());
        self.report.totals = totals(&self.streams);
        result
    }
}

/// Batches that wait to be sent, beside those on their way.
const PIECES_READY_MAX: usize = 2;
/// Bad rows that a report names.
const FIRST_BAD_MAX: usize = 8;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Opens a source and finds its producer's name.
async fn prepare(
    input: PushInput,
    mapping: Arc<Mapping>,
    options: &PushOptions,
) -> Result<(OpenSource, String), PushError> {
    let precision = options.line_precision;
    let file = match &input {
        PushInput::File { path, .. } => path.display().to_string(),
        PushInput::Stdin { name, .. } => name.clone(),
    };
    off_thread(&file.clone(), move || {
        let mut source = OpenSource::open(&input)?;
        if source.format != PushFormat::Line {
            mapping.check().map_err(|error| PushError::mapping(&file, error))?;
        }
        let producer = producer_name(&mut source, &mapping, precision)?;
        Ok((source, producer))
    })
    .await
}

async fn off_thread<T: Send + 'static>(
    file: &str,
    work: impl FnOnce() -> Result<T, PushError> + Send + 'static,
) -> Result<T, PushError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(PushError::Reader { file: file.to_owned(), reason: error.to_string() }))
}

fn totals(streams: &BTreeMap<String, TableStream>) -> StreamTotals {
    let mut sum = StreamTotals::default();
    for table in streams.values() {
        sum.merge(table.stream.totals());
    }
    sum
}

/// Tells the progress while something else is waited for.
struct Teller<'a> {
    progress: &'a dyn ProgressSink,
    tick: Interval,
    watch: Arc<LinkWatch>,
    file_index: usize,
    files: usize,
    bytes_total: Option<u64>,
    bytes_durable: u64,
}

impl<'a> Teller<'a> {
    fn new(progress: &'a dyn ProgressSink, source: &OpenSource, file_index: usize, files: usize) -> Self {
        let mut tick = interval(TELL_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let bytes_total = source.bytes_total;
        Self { progress, tick, watch: Arc::default(), file_index, files, bytes_total, bytes_durable: 0 }
    }

    async fn while_waiting<T>(
        &mut self,
        streams: &mut BTreeMap<String, TableStream>,
        report: &FileReport,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = self.tick.tick() => self.tell(streams, report, false),
            }
        }
    }

    fn tell(&mut self, streams: &mut BTreeMap<String, TableStream>, report: &FileReport, done: bool) {
        for table in streams.values_mut() {
            let durable = table.stream.durable();
            while let Some((number, bytes)) = table.sent.front().copied()
                && number <= durable
            {
                table.sent.pop_front();
                self.bytes_durable = self.bytes_durable.max(bytes);
            }
        }
        if let (true, Some(total)) = (done, self.bytes_total) {
            self.bytes_durable = total;
        }
        self.progress.handle_progress(&PushProgress {
            file: &report.file,
            file_index: self.file_index,
            files: self.files,
            bytes_total: self.bytes_total,
            bytes_durable: self.bytes_durable,
            rows_before: report.rows_before,
            totals: &totals(streams),
            broken: self.watch.broken(),
            done,
        });
    }
}

/// Keeps why a link is broken, for the progress.
#[derive(Debug, Default)]
struct LinkWatch {
    broken: Mutex<Option<String>>,
}

impl LinkWatch {
    fn broken(&self) -> Option<String> {
        self.broken.lock().expect("no holder of this lock panics").clone()
    }
}

impl StreamObserver for LinkWatch {
    fn handle_link(&self, event: &LinkEvent) {
        let broken = match event {
            LinkEvent::Opened { .. } => None,
            LinkEvent::Broken { error, .. } => Some(error.to_string()),
        };
        *self.broken.lock().expect("no holder of this lock panics") = broken;
    }
}
