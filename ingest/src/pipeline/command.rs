//! Everything that crosses a shard's queue, in both directions.

use std::time::Duration;

use arrow::array::RecordBatch;
use futures::channel::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use zonelake_schemas::wire::control::Rejection;
use zonelake_schemas::{BatchNumber, Epoch, ProducerId, StreamKey};
use zonelake_storage::{Entry, Outcome, RequestKey, Rows, WalPoint};

use crate::batch::DecodedBatch;
use crate::refusal::Refusal;

/// One attempt of a gateway to send on a stream. A later one takes the stream over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub u64);

/// A batch in flight, with the task that waits for it.
#[derive(Debug)]
pub struct PendingBatch {
    /// The batch.
    pub entry: Entry,
    /// Session that sent it; absent where batches are unsequenced.
    pub session: Option<SessionId>,
    /// True where the number is not the next of its stream: it is compared with what is stored, and never stored itself,
    /// so it comes without rows.
    pub check_only: bool,
    /// Permit of the memory that it takes, given back once it is stored.
    pub memory: Option<OwnedSemaphorePermit>,
    /// Receiver of the outcome.
    pub reply: Reply,
}

/// Permits that a sender holds until the acknowledgement of its batch is written. So a sender that does not read its
/// acknowledgements has no more of them waiting than it may have batches.
pub type SenderPermits = Vec<OwnedSemaphorePermit>;

/// Receiver of the outcome of a batch.
#[derive(Debug)]
pub enum Reply {
    /// The writer of a stream's acknowledgements, with the content of the acknowledgement. An empty channel of this
    /// kind takes no memory, and those of thousands of idle streams are empty.
    Stream(UnboundedSender<StreamEvent>, Box<BatchSummary>, SenderPermits),
    /// One waiting task.
    Once(oneshot::Sender<Result<Outcome, Refusal>>),
}

/// Events that a stream's writer of acknowledgements receives.
#[derive(Debug)]
pub enum StreamEvent {
    /// A batch was stored, repeated or refused. Its permits end when its acknowledgement is written.
    Done(Box<BatchSummary>, Result<Outcome, Refusal>, SenderPermits),
    /// The reader refuses to go on, after so many submitted batches.
    Refused {
        /// Cause.
        refusal: Refusal,
        /// Batch at fault; 0 where none is.
        number: BatchNumber,
        /// Batches that the reader had submitted.
        submitted: u64,
    },
    /// The gateway has ended its side, after so many submitted batches.
    Finished {
        /// Batches that the reader had submitted.
        submitted: u64,
    },
}

/// Content of a batch, as its acknowledgement states it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchSummary {
    /// Sequence number of the batch.
    pub number: BatchNumber,
    /// Monotonic time at which the batch had arrived.
    pub arrived: Duration,
    /// Bytes of its frame.
    pub frame_bytes: u64,
    /// Rows for the table.
    pub rows: u64,
    /// Readings in these rows.
    pub readings: u64,
    /// Rows rejected.
    pub rejected_rows: u64,
    /// Single readings rejected.
    pub rejected_readings: u64,
    /// Rejections by reason.
    pub rejections: Vec<Rejection>,
}

/// An unsequenced request, stored as a whole or not at all, and once under its key.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    /// Key of the request, by its principal.
    pub(crate) request: RequestKey,
    /// Batches of the request. They are one group of the WAL, which bounds their bytes.
    pub(crate) entries: Vec<Entry>,
    /// Permits of the budgets, given back with the reply.
    pub(crate) permits: Vec<OwnedSemaphorePermit>,
    /// Receiver of the outcome.
    pub(crate) reply: oneshot::Sender<Result<Outcome, Refusal>>,
}

impl PendingRequest {
    /// Bytes that it takes in the WAL, within some hundred.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.entries.iter().map(Entry::log_bytes).sum()
    }
}

/// Commands to a shard's thread.
#[derive(Debug)]
pub(crate) enum Command {
    Append(Box<PendingBatch>),
    Request(Box<PendingRequest>),
    Open {
        producer: ProducerId,
        epoch: Epoch,
        stream: StreamKey,
        session: SessionId,
        reply: oneshot::Sender<Result<BatchNumber, Refusal>>,
    },
    Close {
        producer: ProducerId,
        stream: StreamKey,
        session: SessionId,
    },
    Committed,
    /// Tells where the WAL is and ends.
    WalPoint(oneshot::Sender<WalPoint>),
    Stop,
}

/// Splits a decoded batch into the content of its acknowledgement and the rows for the WAL: those of its table, and
/// those of the table `rejected`.
///
/// # Errors
/// `Internal` where the rows are not what storage takes: a fault of our own.
pub fn split_decoded(
    number: BatchNumber,
    decoded: DecodedBatch,
) -> Result<(BatchSummary, Option<Rows>, Option<Rows>), Refusal> {
    let rows = |rows: Option<RecordBatch>| rows.map(Rows::new).transpose().map_err(|error| Refusal::internal(&error));
    let mut rejections = decoded.rejections;
    rejections.iter_mut().for_each(|rejection| rejection.number = number.0);
    let summary = BatchSummary {
        number,
        arrived: Duration::ZERO,
        frame_bytes: 0,
        rows: decoded.rows,
        readings: decoded.readings,
        rejected_rows: decoded.rejected_rows,
        rejected_readings: decoded.rejected_readings,
        rejections,
    };
    Ok((summary, rows(decoded.stored)?, rows(decoded.rejected)?))
}
