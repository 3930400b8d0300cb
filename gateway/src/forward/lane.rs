//! One lane: from its queue on disk to the server.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::wire::control::{Encoding, RefusedCode};
use zonelake_schemas::{BatchNumber, Lane};

use super::state::{ForwardState, blocking};
use crate::batch::EncodedBatch;
use crate::encode::{ArrowEncoder, Compression, line_block};
use crate::error::StreamError;
use crate::spool::cursor::{Cursor, Next};
use crate::spool::error::SpoolError;
use crate::spool::format::block_bytes_max;
use crate::spool::refused::RefusedFolder;
use crate::stream::batch_stream::BatchStream;
use crate::stream::options::StreamOptions;

/// Sends a lane for as long as the forwarder lives, and releases acknowledged segments.
pub(super) async fn run(shared: Arc<ForwardState>, lane: Lane) {
    tokio::join!(release(&shared, lane), forward(&shared, lane));
}

/// Opens one stream after another and sends what is next.
async fn forward(shared: &Arc<ForwardState>, lane: Lane) {
    // Numbers whose batches the server can never take, each with its words. What was put aside before stays so: it may have been sent again since.
    let folder = RefusedFolder::of(&shared.options.folder);
    let mut refused = loop {
        let own = folder.clone();
        match blocking(move || own.adopt_names().and_then(|()| own.numbers(lane))).await {
            Ok(refused) => break refused,
            Err(error) => {
                shared.lane(lane).note(&error);
                tokio::time::sleep(shared.options.retry_refused_after).await;
            }
        }
    };
    loop {
        let Err(error) = Sender::open(shared, lane, &mut refused).await;
        let state = shared.lane(lane);
        state.progress.is_open.store(false, Ordering::Relaxed);
        state.note(&error);
        match error {
            SendError::Batch(number, reason) => drop(refused.insert(number.0, reason)),
            SendError::Stream(error) if is_final(&error) => {
                tracing::error!(?lane, "nothing more is sent from this spool: {error}");
                shared.counts().stopped.get_or_insert(error);
                state.progress.changed.notify_waiters();
                return;
            }
            SendError::Stream(error) if waits_for_operator(&error) => {
                tracing::error!(?lane, "the spool waits for an operator, and takes batches until it is full: {error}");
                state.wait_for(error.to_string());
                tokio::time::sleep(shared.options.retry_refused_after).await;
            }
            SendError::Stream(_) | SendError::Spool(_) => {
                tracing::warn!(?lane, "cannot send at the moment: {error}");
                tokio::time::sleep(shared.options.retry_refused_after).await;
            }
        }
    }
}

/// Releases segments as they are acknowledged.
async fn release(shared: &ForwardState, lane: Lane) {
    loop {
        let state = shared.lane(lane);
        let changed = state.progress.changed.notified();
        tokio::pin!(changed);
        // Registered before `done` is read, so that no acknowledgement in between is missed.
        changed.as_mut().enable();
        let (queue, done) = (Arc::clone(&state.queue), state.done());
        let released = blocking(move || queue.lock().unwrap_or_else(PoisonError::into_inner).release(done)).await;
        if let Err(error) = released {
            tracing::warn!(?lane, "acknowledged batches stay on the disk for now: {error}");
            state.note(&error);
        }
        changed.await;
    }
}

/// Error that ends an opened stream.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("batch {0} is refused for what is in it: {1}")]
    Batch(BatchNumber, String),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// One opened stream of a lane.
struct Sender<'a> {
    shared: &'a Arc<ForwardState>,
    lane: Lane,
    stream: BatchStream,
    cursor: Cursor,
    refused: &'a mut BTreeMap<u64, String>,
}

impl<'a> Sender<'a> {
    async fn open(
        shared: &'a Arc<ForwardState>,
        lane: Lane,
        refused: &'a mut BTreeMap<u64, String>,
    ) -> Result<std::convert::Infallible, SendError> {
        let state = shared.lane(lane);
        let own = &shared.options;
        let options = StreamOptions {
            epoch: shared.epoch,
            lane,
            unacked_bytes_max: match lane {
                Lane::Live => usize::try_from(own.live_bytes_max).unwrap_or(usize::MAX),
                Lane::Backfill => own.backfill_bytes_in_flight,
            },
            observer: Some(Arc::clone(&state.progress) as _),
            ..own.stream.clone()
        };
        // Read before the stream opens: opening it takes the server's number as acknowledged.
        let known = state.done();
        let stream = BatchStream::open(&shared.connection, options).await?;
        let last = BatchNumber(stream.first_number().0 - 1);
        let taken = state.lock().last_number();
        if last > taken {
            return Err(StreamError::NotOurs { server: last, sent: taken }.into());
        }
        if last < known {
            return Err(StreamError::ServerForgot { server: last, acknowledged: known }.into());
        }
        let folder = RefusedFolder::of(&own.folder);
        blocking(move || folder.forget_stored(lane, last)).await?;
        Sender { shared, lane, stream, cursor: Cursor::at(BatchNumber(last.0 + 1)), refused }.send_all().await
    }

    async fn send_all(mut self) -> Result<std::convert::Infallible, SendError> {
        loop {
            let next = self.next().await?;
            let (number, batch) = match next {
                Next::Batch(number, batch) => match self.refused.get(&number.0).cloned() {
                    Some(reason) => (number, self.quarantine(number, batch, reason).await?),
                    None => (number, batch),
                },
                // The number is sent all the same, without rows: the server takes numbers without gaps only.
                Next::Gone(number) => (number, self.empty()),
                Next::End => {
                    tokio::select! {
                        () = self.shared.lane(self.lane).appended.notified() => continue,
                        error = self.stream.failed() => return Err(self.classify(error)),
                    }
                }
            };
            let sent = match self.stream.send(batch.clone()).await {
                // The server's limits are known only now; this batch is not for it.
                Err(error @ (StreamError::FrameTooLong { .. } | StreamError::TooManyRows { .. })) => {
                    let empty = self.quarantine(number, batch, error.to_string()).await?;
                    self.stream.send(empty).await
                }
                sent => sent,
            };
            let sent = sent.map_err(|error| self.classify(error))?;
            assert!(sent == number, "numbers on disk and on the stream go together: {number} and {sent}");
        }
    }

    async fn next(&mut self) -> Result<Next, SendError> {
        let queue = Arc::clone(&self.shared.lane(self.lane).queue);
        let mut cursor = std::mem::replace(&mut self.cursor, Cursor::at(BatchNumber(0)));
        let (cursor, next, lost) = blocking(move || {
            let mut lost = 0;
            let next = cursor.read(&queue, &mut lost);
            (cursor, next, lost)
        })
        .await;
        self.cursor = cursor;
        self.shared.counts().lost_batches += lost;
        Ok(next?)
    }

    /// Classifies an error: it concerns one batch, which is then sent without rows, or the stream.
    fn classify(&self, error: StreamError) -> SendError {
        let StreamError::Refused { code, number, last_number, message, .. } = &error else { return error.into() };
        // A refused schema or dictionary names no batch: it came in front of the first that is not stored.
        let at_fault = if number.0 > 0 { *number } else { BatchNumber(last_number.0 + 1) };
        if is_of_content(*code) && !self.refused.contains_key(&at_fault.0) {
            SendError::Batch(at_fault, message.clone())
        } else {
            error.into()
        }
    }

    /// Writes a refused batch to the folder `refused` for an operator, and gives back the empty batch that is sent instead.
    async fn quarantine(
        &self,
        number: BatchNumber,
        batch: EncodedBatch,
        reason: String,
    ) -> Result<EncodedBatch, SendError> {
        let (folder, lane) = (RefusedFolder::of(&self.shared.options.folder), self.lane);
        let bytes_max = self.shared.options.bytes_max / REFUSED_PART;
        let put = move || {
            let bytes = folder.bytes()?;
            // With the first one there is room: a spool whose bound is small must not stand still.
            if bytes > 0 && bytes + block_bytes_max(&batch) as u64 > bytes_max {
                return Err(SpoolError::RefusedFull { bytes, bytes_max });
            }
            folder.put(lane, number, &batch, &reason)
        };
        let is_new = blocking(put).await.inspect_err(|error| self.shared.lane(lane).wait_for(error.to_string()))?;
        if is_new {
            tracing::error!(lane = ?self.lane, %number, "the server can never take a batch; it is put aside in the folder refused, and zonelake spool looks after it");
            self.shared.counts().refused_batches += 1;
        }
        Ok(self.empty())
    }

    /// A batch without rows, the same at each call.
    fn empty(&self) -> EncodedBatch {
        if self.shared.options.stream.encoding == Encoding::Line {
            return line_block("", 0);
        }
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let fields = vec![Field::new("time", time, false), Field::new("device", DataType::Utf8, false)];
        let rows = RecordBatch::new_empty(Arc::new(Schema::new(fields)));
        let encoded =
            ArrowEncoder::new(&rows.schema(), Compression::None).and_then(|mut encoder| encoder.encode(&rows));
        encoded.expect("two columns without rows can be encoded")
    }
}

/// Refusals of what is in a batch, which nothing mends but another batch.
pub(super) fn is_of_content(code: RefusedCode) -> bool {
    matches!(code, RefusedCode::BadPayload | RefusedCode::TooLarge)
}

/// Refusals of what is in a batch that a declaration of a table mends: the batch waits for it with all behind it, and nothing is lost.
pub(super) fn is_mended_by_declaration(code: RefusedCode) -> bool {
    matches!(code, RefusedCode::UnknownColumn | RefusedCode::WrongType)
}

/// True where an operator has to mend something before anything can be sent.
fn waits_for_operator(error: &StreamError) -> bool {
    matches!(error.kind(), ErrorKind::Permission | ErrorKind::Input)
}

/// True where a retry may do harm or cannot help: a client that comes back when fenced would fence the other in turn.
fn is_final(error: &StreamError) -> bool {
    matches!(
        error,
        StreamError::NotOurs { .. }
            | StreamError::ServerForgot { .. }
            | StreamError::Refused { code: RefusedCode::Fenced | RefusedCode::OtherContent, .. }
    )
}

/// Part of a spool's bound that refused batches may take. Beyond it the lane waits, so that they never fill a disk.
const REFUSED_PART: u64 = 4;
