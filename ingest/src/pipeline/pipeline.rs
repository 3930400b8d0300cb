//! The shards as the rest of the server sees them: a bounded queue and a thread each. `shard_writer` is what the thread
//! runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{BatchNumber, Epoch, GatewayId, ProducerId, StreamKey};
use zonelake_storage::shard_key_of;
use zonelake_storage::{BATCH_LOG_BYTES_MAX, Entry, Shard, Store, Table, WalPoint, shard_for};

use super::budget::Budget;
use super::command::{Command, PendingBatch, PendingRequest, SessionId};
use super::disk_space::DiskSpaceGuard;
use super::gateway_quota::GatewayQuota;
use super::shard_writer::ShardWriter;
use crate::clock_watch::ClockWatch;
use crate::decode_pool::pool::DecodePool;
use crate::health::Health;
use crate::metrics::IngestMetrics;
use crate::refusal::Refusal;

/// Limits of the bytes in flight between the network and the WAL.
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
    /// The part of the decoded bytes that one gateway may hold.
    decoded_quota: GatewayQuota,
    decoders: Arc<DecodePool>,
    next_session: AtomicU64,
    metrics: Arc<IngestMetrics>,
    disk_space: DiskSpaceGuard,
    health: Arc<Health>,
    threads: std::sync::Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Pipeline {
    /// Starts a thread for each shard, and those that decode.
    ///
    /// # Errors
    /// Passes on the error of the system, where it grants no thread.
    pub fn start(
        store: Arc<Store>,
        shards: Vec<Shard>,
        options: &PipelineOptions,
        metrics: Arc<IngestMetrics>,
    ) -> std::io::Result<Self> {
        let decoders = Arc::new(DecodePool::start(Arc::clone(store.clock()), Arc::clone(&metrics))?);
        let batches = Budget::new(options.buffered_bytes_max / 2);
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
            decoded_quota: GatewayQuota::new(batches.bytes(), 0),
            batches,
            decoders,
            next_session: AtomicU64::new(1),
            disk_space: DiskSpaceGuard::new(Arc::clone(&store)),
            metrics,
            health,
            threads: std::sync::Mutex::new(threads),
            store,
        })
    }

    /// Store of the rows.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Counters of the write side.
    pub fn metrics(&self) -> &Arc<IngestMetrics> {
        &self.metrics
    }

    /// Watches the wall clock: nothing is taken in while it is so far behind that rows from now, which may lead it by
    /// `future_us_max`, would be rejected as rows from the future.
    pub fn watch_clock(&self, future_us_max: i64) {
        self.health.watch_clock(ClockWatch::new(Arc::clone(&self.store), future_us_max));
    }

    /// Checks the free disk space and the clock. To be called before a batch is decoded, since decoding may register
    /// devices.
    ///
    /// # Errors
    /// `Unavailable` while fewer bytes are free than must stay so, and while the clock is behind.
    pub fn check_disk_space(&self) -> Result<(), Refusal> {
        self.health.check_clock()?;
        self.disk_space.check()
    }

    /// Bytes of the budget of the frames in flight.
    pub fn budget_bytes(&self) -> u64 {
        self.frames.bytes()
    }

    /// Degraded components of the write side.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Waits until a table has capacity for more rows. To be called first, with nothing in hand, so that the senders of
    /// a table whose flush falls behind hold nothing that others wait for.
    pub async fn wait_for_capacity(&self, table: &Table) {
        table.wait_for_capacity(self.store.options().live_bytes_max).await;
    }

    /// Reserves the bytes of a frame before it is read. The permit ends once the frame is decoded and its batch
    /// reserved by [`reserve_batch`](Self::reserve_batch).
    pub async fn reserve_frame(&self, bytes: usize) -> OwnedSemaphorePermit {
        self.frames.acquire(bytes as u64).await
    }

    /// Reserves what a batch decodes to in the part of its gateway, before it is decoded and until it is acknowledged:
    /// one gateway holds half of the memory for decoded batches at most. More than that half waits until it is alone.
    pub async fn reserve_decoded(&self, gateway: GatewayId, bytes: u64) -> OwnedSemaphorePermit {
        // In memory it is there twice: as rows, and as they are encoded for the WAL.
        let bytes = usize::try_from(2 * bytes).unwrap_or(usize::MAX);
        self.decoded_quota.reserve(gateway, bytes).await
    }

    /// Threads that decode. A batch may come to more than its message tells, and what it is comes out when it is
    /// decoded; so memory in flight is bounded by the budget and one batch for each thread.
    pub fn decoders(&self) -> &Arc<DecodePool> {
        &self.decoders
    }

    /// Reserves the bytes of a decoded batch, until it is stored. Its holder waits for nothing but the shard.
    ///
    /// # Errors
    /// Refuses a batch that is too large for the WAL.
    pub async fn reserve_batch(&self, entry: &Entry) -> Result<OwnedSemaphorePermit, Refusal> {
        check_size(entry)?;
        Ok(self.batches.acquire(entry.memory_bytes()).await)
    }

    /// The same without waiting; `None` where so many bytes are not free.
    ///
    /// # Errors
    /// Refuses a batch that is too large for the WAL.
    pub fn try_reserve_batch(&self, entry: &Entry) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
        check_size(entry)?;
        Ok(self.batches.try_acquire(entry.memory_bytes()))
    }

    /// Bytes of frames and batches in flight.
    pub fn bytes_in_flight(&self) -> u64 {
        self.frames.acquired_bytes() + self.batches.acquired_bytes()
    }

    /// Opens a stream; gives back its session and its last durable sequence number. Batches of earlier sessions of this
    /// stream are refused from now on.
    ///
    /// # Errors
    /// Refuses a fenced epoch, and every stream while the shard cannot write or the server stops.
    pub async fn open_stream(
        &self,
        producer: ProducerId,
        epoch: Epoch,
        stream: StreamKey,
    ) -> Result<(SessionId, BatchNumber), Refusal> {
        // Relaxed: ids only have to differ. Their order with other memory does not matter.
        let session = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
        let (reply, opened) = oneshot::channel();
        let command = Command::Open { producer, epoch, stream, session, reply };
        self.sender(producer).send(command).await.map_err(|_closed| Refusal::shutting_down())?;
        let last = opened.await.map_err(|_closed| Refusal::shutting_down())??;
        Ok((session, last))
    }

    /// Forgets a session that submits nothing more. Its batches in flight are stored all the same.
    pub async fn close_stream(&self, producer: ProducerId, stream: StreamKey, session: SessionId) {
        // A shard that has ended has forgotten it already.
        self.sender(producer).send(Command::Close { producer, stream, session }).await.ok();
    }

    /// Submits a batch: to the shard of its producer, or of its gateway where it is unsequenced. Waits while the
    /// shard's queue is full.
    ///
    /// # Errors
    /// `ShuttingDown` where the shard has stopped. Other refusals come back by the batch's [`Reply`](crate::Reply).
    pub async fn submit(&self, pending: PendingBatch) -> Result<(), Refusal> {
        // A producer always has the same shard, so that order and sequence numbers need no lock.
        let home = pending.entry.sequenced.map_or(shard_key_of(pending.entry.principal), |batch| batch.producer);
        self.sender(home).send(Command::Append(Box::new(pending))).await.map_err(|_closed| Refusal::shutting_down())
    }

    /// Reserves the bytes of the decoded batches of a request with a key, until its outcome is known, as
    /// [`reserve_batch`](Self::reserve_batch).
    ///
    /// # Errors
    /// Refuses a request that is too large for one step.
    pub(crate) async fn reserve_request(&self, entries: &[Entry]) -> Result<OwnedSemaphorePermit, Refusal> {
        let bytes: u64 = entries.iter().map(Entry::log_bytes).sum();
        if bytes > REQUEST_BYTES_MAX {
            return Err(Refusal::new(
                RefusedCode::TooLarge,
                format!(
                    "the request takes {bytes} bytes in the WAL; a request with a key is stored in one step and may take {REQUEST_BYTES_MAX}: send smaller ones"
                ),
            ));
        }
        Ok(self.batches.acquire(entries.iter().map(Entry::memory_bytes).sum()).await)
    }

    /// Submits a request with a key, to the shard of its gateway. Waits while the shard's queue is full.
    pub(crate) async fn submit_request(&self, pending: PendingRequest) -> Result<(), Refusal> {
        let home = shard_key_of(pending.request.principal);
        self.sender(home).send(Command::Request(Box::new(pending))).await.map_err(|_closed| Refusal::shutting_down())
    }

    /// Tells the shards that rows have gone into files, so that they release segments of the WAL.
    pub async fn committed(&self) {
        for shard in &self.shards {
            // A shard that has stopped has nothing to release.
            shard.send(Command::Committed).await.ok();
        }
    }

    /// The WAL of each shard up to its durable end. Whatever a shard was at before is done when this returns.
    pub(super) async fn wal_points(&self) -> Result<Vec<WalPoint>, Refusal> {
        let mut points = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let (reply, point) = oneshot::channel();
            shard.send(Command::WalPoint(reply)).await.map_err(|_closed| Refusal::shutting_down())?;
            points.push(point.await.map_err(|_closed| Refusal::shutting_down())?);
        }
        Ok(points)
    }

    /// Waits until everything submitted is stored or refused and the threads have ended. Nothing can be submitted
    /// afterwards.
    pub async fn stop(&self) {
        // Taken out, so that a second call has nothing to join.
        let threads = std::mem::take(&mut *self.threads.lock().expect("nothing panics while it holds this lock"));
        for shard in &self.shards {
            // A shard that has stopped already needs no command.
            shard.send(Command::Stop).await.ok();
        }
        // Joining blocks, and the shards still have groups to sync.
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a shard's thread has panicked; what it had acknowledged is in its WAL");
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
        format!("a batch of {bytes} bytes as it is stored; the limit is {BATCH_LOG_BYTES_MAX}. Send fewer rows in one"),
    ))
}

/// Bytes that a request with a key may take in the WAL, where it is one block.
const REQUEST_BYTES_MAX: u64 = 64 << 20;
/// Commands in the queue of one shard; senders wait beyond that.
const QUEUE_MAX: usize = 4_096;
