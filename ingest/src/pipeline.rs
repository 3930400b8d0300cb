//! The shards as the rest of the server sees them: a bounded queue and a thread each. A thread drains its queue, makes
//! the batches durable with one sync, shows their rows, and answers each sender.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc, oneshot};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{BatchNumber, Epoch, ProducerId, StreamKey};
use zonelake_storage::streams::home_of;
use zonelake_storage::{BATCH_LOG_BYTES_MAX, Entry, Outcome, RequestKey, Shard, ShardError, Store, Table, shard_for};
use zonelake_wal::WalError;

use crate::budget::Budget;
use crate::health::Health;
use crate::metrics::IngestMetrics;
use crate::refusal::Refusal;
use crate::space::{LOOK_EVERY, SpaceGuard, enough};
use crate::verdicts::{fenced, refuse_by_verdict, taken_over};

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

enum Command {
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
            let name = format!("shard-{}", writer.shard.id());
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
        table.room(self.store.options().live_bytes_max).await;
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
        let home = pending.entry.numbered.map_or(home_of(pending.entry.gateway), |batch| batch.producer);
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
        let home = home_of(pending.request.gateway);
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

/// What a shard's thread does: it commits groups, opens streams and keeps their owners apart. It has no thread of its own,
/// so that a simulation can drive it.
#[derive(Debug)]
pub struct ShardWriter {
    store: Arc<Store>,
    shard: Shard,
    /// The latest session of each stream that is open.
    owners: HashMap<(ProducerId, StreamKey), SessionId>,
    /// Why this shard no longer writes.
    failed: Option<Refusal>,
    /// When free space was last looked at, and what was found.
    space_checked: Option<(Duration, Result<(), Refusal>)>,
    group_bytes_max: u64,
    metrics: Arc<IngestMetrics>,
    health: Arc<Health>,
}

impl ShardWriter {
    /// The writer of one shard.
    pub fn new(store: Arc<Store>, shard: Shard, group_bytes_max: u64, metrics: Arc<IngestMetrics>) -> Self {
        Self {
            store,
            shard,
            owners: HashMap::new(),
            failed: None,
            space_checked: None,
            group_bytes_max,
            metrics,
            health: Arc::default(),
        }
    }

    /// The shard below.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Why this shard no longer writes, where it does not.
    pub fn failed(&self) -> Option<&Refusal> {
        self.failed.as_ref()
    }

    fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut group: Vec<Pending> = Vec::new();
        let mut group_bytes = 0;
        while let Some(command) = queue.blocking_recv() {
            let began = self.store.clock().monotonic();
            let mut next = Some(command);
            while let Some(command) = next {
                match command {
                    Command::Append(pending) => {
                        let bytes = pending.entry.log_bytes();
                        if group_bytes + bytes > self.group_bytes_max {
                            self.commit(&mut group);
                            group_bytes = 0;
                        }
                        group_bytes += bytes;
                        group.push(*pending);
                    }
                    Command::Stop => return self.commit(&mut group),
                    other => {
                        self.commit(&mut group);
                        group_bytes = 0;
                        self.handle(other);
                    }
                }
                if group_bytes >= self.group_bytes_max {
                    break;
                }
                next = queue.try_recv().ok();
            }
            let is_busy = group.len() > 1;
            self.commit(&mut group);
            group_bytes = 0;
            if is_busy {
                std::thread::sleep(GROUP_EVERY.saturating_sub(self.store.clock().monotonic().saturating_sub(began)));
            }
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Open { producer, epoch, stream, session, reply } => {
                let answer = self.open(producer, epoch, stream, session);
                // A gateway that is gone already needs no answer.
                let _ = reply.send(answer);
            }
            Command::Request(pending) => self.handle_request(*pending),
            Command::Close { producer, stream, session } => {
                if self.owners.get(&(producer, stream)) == Some(&session) {
                    self.owners.remove(&(producer, stream));
                    self.metrics.streams.dec();
                }
            }
            Command::Committed => self.release(),
            Command::Append(_) | Command::Stop => unreachable!("the loop takes these itself"),
        }
    }

    /// Opens a stream for a session, which takes it over from any earlier one. The answer is its last durable number.
    pub fn open(
        &mut self,
        producer: ProducerId,
        epoch: Epoch,
        stream: StreamKey,
        session: SessionId,
    ) -> Result<BatchNumber, Refusal> {
        if let Some(refusal) = &self.failed {
            return Err(refusal.clone());
        }
        match self.shard.open_stream(producer, epoch, stream) {
            Ok(Ok(last)) => {
                if self.owners.insert((producer, stream), session).is_none() {
                    self.metrics.streams.inc();
                }
                Ok(last)
            }
            Ok(Err(later)) => Err(fenced(later)),
            Err(error) => Err(self.refusal_of(&error)),
        }
    }

    /// Makes a group durable, shows its rows, and answers whoever waits for its batches.
    pub fn commit(&mut self, group: &mut Vec<Pending>) {
        if group.is_empty() {
            return;
        }
        if let Err(refusal) = self.can_write() {
            return group.drain(..).for_each(|pending| answer(pending, Err(refusal.clone())));
        }
        let (mine, lost): (Vec<Pending>, Vec<Pending>) = group.drain(..).partition(|pending| self.owns(pending));
        lost.into_iter().for_each(|pending| answer(pending, Err(taken_over())));
        let began = self.store.clock().monotonic();
        let (entries, waiting): (Vec<Entry>, Vec<Waiting>) = mine.into_iter().map(Waiting::split).unzip();
        match self.shard.append(&entries) {
            Ok(outcomes) => {
                self.metrics.count_group(&entries, self.store.clock().monotonic().saturating_sub(began));
                for ((waiting, entry), outcome) in waiting.into_iter().zip(&entries).zip(outcomes) {
                    waiting.answer(refuse_by_verdict(outcome, entry));
                }
            }
            Err(error) => {
                let refusal = self.refusal_of(&error);
                waiting.into_iter().for_each(|waiting| waiting.answer(Err(refusal.clone())));
            }
        }
        drop(entries);
        self.hold_log_in_bounds();
    }

    fn handle_request(&mut self, pending: PendingRequest) {
        let PendingRequest { request, entries, permits, reply } = pending;
        let answer = self.can_write().and_then(|()| {
            let began = self.store.clock().monotonic();
            let outcome = self.shard.append_request(&request, &entries).map_err(|error| self.refusal_of(&error))?;
            match outcome {
                Outcome::Stored => {
                    self.metrics.count_group(&entries, self.store.clock().monotonic().saturating_sub(began));
                    Ok(outcome)
                }
                Outcome::Repeated => Ok(outcome),
                Outcome::Refused(_) => Err(Refusal::new(
                    RefusedCode::OtherContent,
                    "the idempotency key was used before for another content; another request needs another key",
                )),
            }
        });
        drop((entries, permits));
        // Whoever has gone away in the meantime may ask again.
        let _ = reply.send(answer);
        self.hold_log_in_bounds();
    }

    fn hold_log_in_bounds(&self) {
        if self.shard.log_bytes() > self.store.options().log_bytes_max {
            self.shard.tables_that_hold_the_log().iter().for_each(|table| table.force_flush());
        }
    }

    fn owns(&self, pending: &Pending) -> bool {
        match (&pending.entry.numbered, pending.session) {
            (Some(batch), Some(session)) => self.owners.get(&(batch.producer, batch.stream)) == Some(&session),
            _ => true,
        }
    }

    /// Lets go of the log whose rows are in files.
    pub fn release(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.shard.release()
        {
            self.refusal_of(&error);
        }
    }

    /// Whether there is room on the disk and the log works. The disk is asked twice a second at most.
    fn can_write(&mut self) -> Result<(), Refusal> {
        if let Some(refusal) = &self.failed {
            return Err(refusal.clone());
        }
        let now = self.store.clock().monotonic();
        if let Some((at, found)) = &self.space_checked
            && now.saturating_sub(*at) < LOOK_EVERY
        {
            return found.clone();
        }
        let found = enough(self.shard.free_bytes(), self.store.options().free_bytes_min);
        if let (Err(refusal), true) = (&found, self.space_checked.as_ref().is_none_or(|(_, before)| before.is_ok())) {
            tracing::error!("{refusal}");
        }
        self.space_checked = Some((now, found.clone()));
        found
    }

    fn refusal_of(&mut self, error: &ShardError) -> Refusal {
        if let ShardError::Wal(WalError::NoSpace { .. }) = error {
            tracing::error!(shard = %self.shard.id(), "{error}");
            return Refusal::new(
                RefusedCode::Unavailable,
                format!("{error}; nothing of this batch is stored. Make room on the server; sending resumes by itself"),
            );
        }
        if let ShardError::Wal(WalError::GroupTooLarge { .. }) = error {
            tracing::error!(shard = %self.shard.id(), "{error}");
            return Refusal::new(RefusedCode::TooLarge, format!("{error}; nothing of this batch is stored"));
        }
        let message = format!(
            "shard {} cannot write its log and has stopped: {error}. What was acknowledged is safe; restart the server once the disk is well",
            self.shard.id()
        );
        tracing::error!("{message}");
        let refusal = Refusal::new(RefusedCode::Unavailable, message);
        self.failed = Some(refusal.clone());
        self.health.shard_has_stopped(self.shard.id());
        refusal
    }
}

/// What is left of a pending batch while its entry is being written.
struct Waiting {
    reply: Reply,
    _permits: Option<Vec<OwnedSemaphorePermit>>,
}

impl Waiting {
    fn split(pending: Pending) -> (Entry, Self) {
        (pending.entry, Self { reply: pending.reply, _permits: pending.permits })
    }

    fn answer(self, result: Result<Outcome, Refusal>) {
        // Whoever has gone away in the meantime learns of it by asking for the last number.
        match self.reply {
            Reply::Stream(sender, summary) => drop(sender.unbounded_send(StreamEvent::Done(summary, result))),
            Reply::Once(sender) => drop(sender.send(result)),
        }
    }
}

fn answer(pending: Pending, result: Result<Outcome, Refusal>) {
    Waiting::split(pending).1.answer(result);
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
/// Time from one group commit to the next while several batches come meanwhile. It bounds the syncs of a second, and what
/// each costs beside its batches; a batch that comes alone waits for nothing.
const GROUP_EVERY: Duration = Duration::from_millis(2);
/// Batches in the queue of one shard; senders wait beyond that.
const QUEUE_MAX: usize = 4_096;
