//! The shards as the rest of the server sees them: a bounded queue and a thread each. What the thread does is in
//! [`shard_writer`](crate::shard_writer).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc, oneshot};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{BatchNumber, Epoch, ProducerId, StreamKey};
use zonelake_storage::shard_key_of_gateway;
use zonelake_storage::{BATCH_LOG_BYTES_MAX, Entry, Outcome, RequestKey, Shard, Store, Table, shard_for};

use crate::budget::Budget;
use crate::health::Health;
use crate::metrics::IngestMetrics;
use crate::refusal::Refusal;
use crate::shard_writer::ShardWriter;
use crate::space::SpaceGuard;

/// Limits of what is in flight between the network and the logs.
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// Bytes in flight: half of them for frames as they cross the network, until they are decoded, and half for decoded
    /// batches, until they are acknowledged.
    pub buffered_bytes_max: u64,
    /// Bytes that one group commit takes at most, where it has more than one batch.
    pub group_bytes_max: u64,
}

/// The write side of the server.
#[derive(Debug)]
pub struct Pipeline {
    store: Arc<Store>,
    shards: Vec<mpsc::Sender<Command>>,
    frames: Budget,
    batches: Budget,
    decoders: Semaphore,
    next_session: AtomicU64,
    metrics: Arc<IngestMetrics>,
    space: SpaceGuard,
    health: Arc<Health>,
    threads: std::sync::Mutex<Vec<std::thread::JoinHandle<()>>>,
}

/// One attempt of a gateway to send on a stream. A later one takes the stream over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub u64);

/// A batch on its way, with whoever waits for it.
#[derive(Debug)]
pub struct Pending {
    /// The batch.
    pub entry: Entry,
    /// Session that sent it; absent where batches are not numbered.
    pub session: Option<SessionId>,
    /// Its shares of the budgets, given back with the answer.
    pub permits: Option<Vec<OwnedSemaphorePermit>>,
    /// Where the answer goes.
    pub reply: Reply,
}

/// Where the answer to a batch goes.
#[derive(Debug)]
pub enum Reply {
    /// To the writer of a stream's acknowledgements, with what they are to say. The channel is one that takes no memory while
    /// it is empty, which is how those of thousands of streams are.
    Stream(UnboundedSender<StreamEvent>, Box<BatchSummary>),
    /// To one waiting task.
    Once(oneshot::Sender<Result<Outcome, Refusal>>),
}

/// What a stream's writer learns.
#[derive(Debug)]
pub enum StreamEvent {
    /// A batch is done with.
    Done(Box<BatchSummary>, Result<Outcome, Refusal>),
    /// The reader refuses to go on, after so many submitted batches.
    Refused {
        /// Why.
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

/// What an acknowledgement says of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchSummary {
    /// Its number.
    pub number: BatchNumber,
    /// Monotonic time at which it had arrived.
    pub arrived: Duration,
    /// Rows for the table.
    pub rows: u64,
    /// Readings in them.
    pub readings: u64,
    /// Rows rejected.
    pub rejected_rows: u64,
    /// Single readings rejected.
    pub rejected_readings: u64,
    /// Why.
    pub rejections: Vec<zonelake_schemas::wire::control::Rejection>,
}

/// A request without numbers, stored as a whole or not at all, and once under its key.
#[derive(Debug)]
pub struct PendingRequest {
    /// What its gateway calls it.
    pub request: RequestKey,
    /// Its batches; they are one group of the log, hence [`REQUEST_BYTES_MAX`].
    pub entries: Vec<Entry>,
    /// Its shares of the budgets, given back with the answer.
    pub permits: Vec<OwnedSemaphorePermit>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Outcome, Refusal>>,
}

/// What a shard's thread is told.
pub(crate) enum Command {
    Append(Box<Pending>),
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
    Stop,
}

impl Pipeline {
    /// Starts a thread for each shard.
    pub fn start(
        store: Arc<Store>,
        shards: Vec<Shard>,
        options: &PipelineOptions,
        metrics: Arc<IngestMetrics>,
    ) -> std::io::Result<Self> {
        let decoders = std::thread::available_parallelism().map_or(1, usize::from).max(2);
        let health = Arc::new(Health::default());
        let mut senders = Vec::new();
        let mut threads = Vec::new();
        for shard in shards {
            let (sender, receiver) = mpsc::channel(QUEUE_MAX);
            let mut writer = ShardWriter::new(Arc::clone(&store), shard, options.group_bytes_max, Arc::clone(&metrics));
            writer.health = Arc::clone(&health);
            let name = format!("shard-{}", writer.shard().id());
            threads.push(std::thread::Builder::new().name(name).spawn(move || writer.run(receiver))?);
            senders.push(sender);
        }
        Ok(Self {
            shards: senders,
            frames: Budget::new(options.buffered_bytes_max / 2),
            batches: Budget::new(options.buffered_bytes_max / 2),
            decoders: Semaphore::new(decoders),
            next_session: AtomicU64::new(1),
            space: SpaceGuard::new(Arc::clone(&store)),
            metrics,
            health,
            threads: std::sync::Mutex::new(threads),
            store,
        })
    }

    /// The store below.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Counters.
    pub fn metrics(&self) -> &Arc<IngestMetrics> {
        &self.metrics
    }

    /// Whether the disk has room: to be asked before a batch is decoded, which may register devices.
    pub fn space(&self) -> &SpaceGuard {
        &self.space
    }

    /// Bytes of the budget of the frames in flight.
    pub fn budget_bytes(&self) -> u64 {
        self.frames.bytes()
    }

    /// What keeps it from its work.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Waits until a table has room for more rows. To be called first, with nothing in hand, so that the senders of a
    /// table whose flush falls behind hold nothing that others wait for.
    pub async fn table_has_room(&self, table: &Table) {
        table.wait_for_capacity(self.store.options().live_bytes_max).await;
    }

    /// Reserves room for a frame before it is read. It is given back once the frame is decoded and its batch has room
    /// by [`reserve_batch`](Self::reserve_batch).
    pub async fn reserve_frame(&self, bytes: usize) -> OwnedSemaphorePermit {
        self.frames.take(bytes as u64).await
    }

    /// A place among the decoders, of which there is one for each core: a batch may be far larger than its frame, and
    /// how large is known only when it is decoded.
    pub async fn decoder(&self) -> SemaphorePermit<'_> {
        self.decoders.acquire().await.expect("it is never closed")
    }

    /// Reserves room for a decoded batch, until it is acknowledged. Whoever has it waits for nothing but the shard.
    ///
    /// # Errors
    /// Refuses a batch that is too large for the log.
    pub async fn reserve_batch(&self, entry: &Entry) -> Result<OwnedSemaphorePermit, Refusal> {
        check_size(entry)?;
        Ok(self.batches.take(entry.memory_bytes()).await)
    }

    /// Bytes of frames and batches in flight.
    pub fn bytes_in_flight(&self) -> u64 {
        self.frames.taken_bytes() + self.batches.taken_bytes()
    }

    /// Opens a stream: the answer is its last durable number. Batches of earlier sessions of this stream are refused
    /// from now on.
    pub async fn open_stream(
        &self,
        producer: ProducerId,
        epoch: Epoch,
        stream: StreamKey,
    ) -> Result<(SessionId, BatchNumber), Refusal> {
        let session = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        let command = Command::Open { producer, epoch, stream, session, reply };
        self.sender(producer).send(command).await.map_err(|_| shutting_down())?;
        let last = answer.await.map_err(|_| shutting_down())??;
        Ok((session, last))
    }

    /// Forgets a session that submits nothing more. Its batches under way are stored all the same.
    pub async fn close_stream(&self, producer: ProducerId, stream: StreamKey, session: SessionId) {
        // A shard that has ended has forgotten it already.
        let _ = self.sender(producer).send(Command::Close { producer, stream, session }).await;
    }

    /// Submits a batch: to the shard of its producer, or of its gateway where it is not numbered. Waits while the shard's
    /// queue is full.
    pub async fn submit(&self, pending: Pending) -> Result<(), Refusal> {
        let home = pending.entry.sequenced.map_or(shard_key_of_gateway(pending.entry.gateway), |batch| batch.producer);
        self.sender(home).send(Command::Append(Box::new(pending))).await.map_err(|_| shutting_down())
    }

    /// Reserves room for the decoded batches of a request with a key, until it is answered, as [`reserve_batch`](Self::reserve_batch).
    ///
    /// # Errors
    /// Refuses a request that is too large for one step.
    pub async fn reserve_request(&self, entries: &[Entry]) -> Result<OwnedSemaphorePermit, Refusal> {
        let bytes: u64 = entries.iter().map(Entry::log_bytes).sum();
        if bytes > REQUEST_BYTES_MAX {
            return Err(Refusal::new(
                RefusedCode::TooLarge,
                format!(
                    "the request takes {bytes} bytes in the log; a request with a key is stored in one step and may take {REQUEST_BYTES_MAX}: send smaller ones"
                ),
            ));
        }
        Ok(self.batches.take(entries.iter().map(Entry::memory_bytes).sum()).await)
    }

    /// Submits a request with a key, to the shard of its gateway. Waits while the shard's queue is full.
    pub async fn submit_request(&self, pending: PendingRequest) -> Result<(), Refusal> {
        let home = shard_key_of_gateway(pending.request.gateway);
        self.sender(home).send(Command::Request(Box::new(pending))).await.map_err(|_| shutting_down())
    }

    /// Tells the shards that rows have gone into files, so that they let go of their logs.
    pub async fn committed(&self) {
        for shard in &self.shards {
            // A shard that has stopped has nothing to let go of.
            let _ = shard.send(Command::Committed).await;
        }
    }

    /// Waits until everything submitted is done with and the threads have ended. Nothing can be submitted afterwards.
    pub async fn stop(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().expect("nothing panics while it holds this lock"));
        for shard in &self.shards {
            // A shard that has stopped already needs no telling.
            let _ = shard.send(Command::Stop).await;
        }
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a shard's thread has panicked; what it had acknowledged is in its log");
                }
            }
        });
        joined.await.expect("joining threads does not panic");
    }

    fn sender(&self, producer: ProducerId) -> &mpsc::Sender<Command> {
        let shards = u16::try_from(self.shards.len()).expect("the number of shards is a u16");
        &self.shards[usize::from(shard_for(producer, shards).0)]
    }
}

fn check_size(entry: &Entry) -> Result<(), Refusal> {
    let bytes = entry.log_bytes();
    if bytes <= BATCH_LOG_BYTES_MAX {
        return Ok(());
    }
    Err(Refusal::new(
        RefusedCode::TooLarge,
        format!("a batch of {bytes} bytes as it is kept; the limit is {BATCH_LOG_BYTES_MAX}. Send fewer rows in one"),
    ))
}

fn shutting_down() -> Refusal {
    Refusal::new(RefusedCode::ShuttingDown, "the server is stopping; what was not acknowledged is to be sent again")
}

/// Bytes that a request with a key may take in the log, where it is one block.
pub const REQUEST_BYTES_MAX: u64 = 64 << 20;
/// Batches in the queue of one shard; senders wait beyond that.
const QUEUE_MAX: usize = 4_096;
