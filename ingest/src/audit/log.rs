//! The log of audit of a server: entries get their place in the one chain, and go through the WAL like any rows. One task writes; entries that
//! come together are one record.
//!
//! An entry that is recorded survives a crash of the process and a loss of power, but not the loss of the disk. Entries of sign-ins that
//! are noted are written within a second or so; a crash may lose those, and the counts of a window.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use zonelake_schemas::audit::{AuditEntry, AuditError, AuditOutcome, AuditTrail, Audited, OrderId};
use zonelake_schemas::{GatewayId, Lane, Principal};
use zonelake_storage::{AuditRow, ChainEnd, Entry, Outcome, PendingOrder, PendingOrders, Rows};

use super::detail::with_member;
use super::summary::Summary;
use crate::pipeline::command::{PendingBatch, Reply};
use crate::pipeline::pipeline::Pipeline;

/// Log of audit of a server that runs. Its clones are one.
#[derive(Debug, Clone)]
pub struct AuditLog {
    to_writer: mpsc::Sender<Message>,
    shared: Arc<Shared>,
    /// Taken by the stop.
    tasks: Arc<Mutex<Option<Tasks>>>,
}

/// The writer, and who looks at the pending orders.
type Tasks = (JoinHandle<()>, JoinHandle<()>);

#[derive(Debug)]
struct Shared {
    pipeline: Arc<Pipeline>,
    pending: Arc<PendingOrders>,
    summary: Mutex<Summary>,
    /// Entries that were noted and found no place in the queue.
    lost: AtomicU64,
    /// True since a write that has failed, until one succeeds.
    is_failing: AtomicBool,
    /// True where an order waits in its file that could not be written into the table.
    has_pending: AtomicBool,
    /// Orders up to this one are of earlier runs.
    last_of_earlier: OrderId,
}

#[derive(Debug)]
enum Message {
    Note(AuditEntry),
    Record(AuditEntry, oneshot::Sender<Result<(), AuditError>>),
    Stop,
}

impl AuditLog {
    /// Goes on behind the end of the chain that is stored, first with what earlier runs have left in `pending`; what of it cannot be written
    /// now comes later. Must be called within a runtime.
    ///
    /// # Errors
    /// The orders that are pending cannot be listed.
    pub async fn start(pipeline: Arc<Pipeline>, end: ChainEnd, pending: PendingOrders) -> Result<Self, AuditError> {
        let (to_writer, messages) = mpsc::channel(QUEUE_MAX);
        let pending = Arc::new(pending);
        let of_earlier_runs = Arc::clone(&pending);
        let left = blocking(move || of_earlier_runs.all()).await?;
        let shared = Arc::new(Shared {
            pipeline,
            pending,
            has_pending: AtomicBool::new(!left.is_empty()),
            last_of_earlier: left.last().map_or(OrderId(0), |(id, _)| *id),
            summary: Mutex::default(),
            lost: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        });
        let writer = Writer { shared: Arc::clone(&shared), end, waiting: Vec::new() };
        let writer = tokio::spawn(writer.run(messages));
        let log = Self { to_writer, shared, tasks: Arc::default() };
        log.record_pending().await;
        // It keeps nothing open: a server that could not start leaves its folder to the next one.
        let (to_writer, shared) = (log.to_writer.downgrade(), Arc::downgrade(&log.shared));
        let later = tokio::spawn(async move {
            loop {
                tokio::time::sleep(PENDING_EVERY).await;
                let (Some(to_writer), Some(shared)) = (to_writer.upgrade(), shared.upgrade()) else { return };
                Self { to_writer, shared, tasks: Arc::default() }.record_pending().await;
            }
        });
        *log.tasks.lock().unwrap_or_else(PoisonError::into_inner) = Some((writer, later));
        Ok(log)
    }

    /// Records the counts of windows that are open, and ends. Orders that end later wait for the next start.
    pub async fn stop(&self) {
        let rest = self.shared.summary.lock().unwrap_or_else(PoisonError::into_inner).rest();
        for entry in rest {
            self.to_writer.send(Message::Note(entry)).await.ok();
        }
        // A writer that has ended needs no word.
        self.to_writer.send(Message::Stop).await.ok();
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((writer, later)) = tasks else { return };
        later.abort();
        if let Err(error) = writer.await {
            tracing::error!("the writer of the table audit has ended early: {error}");
        }
    }

    /// Records the orders that wait in files: those that have ended, and all of earlier runs.
    async fn record_pending(&self) {
        if !self.shared.has_pending.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.try_record_pending().await {
            tracing::warn!("orders wait in audit/pending of the data folder: {error}");
            self.shared.has_pending.store(true, Ordering::Relaxed);
        }
    }

    async fn try_record_pending(&self) -> Result<(), AuditError> {
        let pending = Arc::clone(&self.shared.pending);
        let orders = blocking(move || pending.all()).await?;
        for (id, order) in orders {
            let order = match order {
                Ok(order) => order,
                Err(error) => {
                    tracing::error!(
                        order = id.0,
                        "an order in audit/pending cannot be read, and is not recorded: {error}"
                    );
                    continue;
                }
            };
            if !order.is_ended && id > self.shared.last_of_earlier {
                continue;
            }
            self.recorded(entry_of(id, order)).await?;
            self.forget(id).await;
        }
        Ok(())
    }

    /// Takes an order out of the files. Where that fails the next start records it once more, under the same number.
    async fn forget(&self, id: OrderId) {
        let pending = Arc::clone(&self.shared.pending);
        if let Err(error) = blocking(move || pending.remove(id)).await {
            tracing::error!(order = id.0, "an order that is recorded stays in audit/pending: {error}");
        }
    }

    async fn recorded(&self, entry: AuditEntry) -> Result<(), AuditError> {
        let (reply, outcome) = oneshot::channel();
        let stopped = || AuditError("the server stops".into());
        let sent = tokio::time::timeout(RECORD_WAIT, self.to_writer.send(Message::Record(entry, reply))).await;
        let sent = sent.map_err(|_elapsed| AuditError("too many entries wait".into()))?;
        sent.map_err(|_closed| stopped())?;
        outcome.await.map_err(|_closed| stopped())?
    }

    async fn ended(&self, order: OrderId, entry: AuditEntry) -> Result<(), AuditError> {
        let entry = with_order(entry, order);
        let Err(error) = self.recorded(entry.clone()).await else {
            self.forget(order).await;
            return Ok(());
        };
        // Durable all the same: it is in its file, from where it comes into the table as soon as that can be written.
        tracing::warn!(order = order.0, "an order waits in audit/pending: {error}");
        let pending = Arc::clone(&self.shared.pending);
        blocking(move || pending.end(order, entry)).await?;
        self.shared.has_pending.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl AuditTrail for AuditLog {
    fn note(&self, entry: AuditEntry) {
        let now = self.shared.pipeline.store().clock().monotonic();
        let taken = self.shared.summary.lock().unwrap_or_else(PoisonError::into_inner).take(entry, now);
        let Some(entry) = taken else { return };
        if self.to_writer.try_send(Message::Note(entry)).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn record(&self, entry: AuditEntry) -> Audited<'_, ()> {
        Box::pin(self.recorded(entry))
    }

    fn begin(&self, entry: AuditEntry) -> Audited<'_, OrderId> {
        Box::pin(async move {
            let pending = Arc::clone(&self.shared.pending);
            blocking(move || pending.add(entry, false)).await
        })
    }

    fn end(&self, order: OrderId, entry: AuditEntry) -> Audited<'_, ()> {
        Box::pin(self.ended(order, entry))
    }
}

/// The entry of an order that an earlier run has left.
fn entry_of(id: OrderId, order: PendingOrder) -> AuditEntry {
    let PendingOrder { at_us, is_ended, entry } = order;
    let entry = match is_ended {
        true => entry,
        false => AuditEntry {
            outcome: AuditOutcome::Unknown,
            reason: Some("the process ended before the outcome was known".into()),
            ..entry
        },
    };
    // The time of the row is that of the record.
    let detail = with_member(entry.detail, "ordered_us", at_us.into());
    with_order(AuditEntry { detail, ..entry }, id)
}

/// Names the order: where a crash comes between the entry and the removal of the file, there are two entries of one number.
fn with_order(entry: AuditEntry, id: OrderId) -> AuditEntry {
    AuditEntry { detail: with_member(entry.detail, "order", id.0.into()), ..entry }
}

/// Work on files, which blocks.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, AuditError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other).and_then(|done| done);
    done.map_err(|error| AuditError(format!("audit/pending of the data folder: {error}")))
}

/// The one task that writes.
struct Writer {
    shared: Arc<Shared>,
    end: ChainEnd,
    /// Entries that were noted and are not written yet, since writing fails.
    waiting: Vec<AuditEntry>,
}

impl Writer {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                _ = ticks.tick() => {
                    self.write_due().await;
                    continue;
                }
            };
            let Some(message) = message else { return };
            let (mut replies, mut records, mut is_last) = (Vec::new(), Vec::new(), false);
            let mut next = Some(message);
            while let Some(message) = next {
                match message {
                    Message::Note(entry) => self.waiting.push(entry),
                    Message::Record(entry, reply) => {
                        records.push(entry);
                        replies.push(reply);
                    }
                    Message::Stop => is_last = true,
                }
                next = if records.len() < GROUP_MAX && !is_last { messages.try_recv().ok() } else { None };
            }
            let written = self.write(records).await;
            // Whoever has gone needs no reply.
            replies.into_iter().for_each(|reply| drop(reply.send(written.clone())));
            if is_last {
                return;
            }
        }
    }

    /// Writes what is due by time.
    async fn write_due(&mut self) {
        let now = self.shared.pipeline.store().clock().monotonic();
        self.waiting.extend(self.shared.summary.lock().unwrap_or_else(PoisonError::into_inner).due(now));
        if !self.waiting.is_empty() {
            self.write(Vec::new()).await.ok();
        }
    }

    /// Writes what waits and these, as one record. Where that fails these are given up, and what waits goes on waiting.
    async fn write(&mut self, records: Vec<AuditEntry>) -> Result<(), AuditError> {
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        let dropped = self.waiting.len().saturating_sub(WAITING_MAX) as u64;
        self.waiting.truncate(WAITING_MAX);
        let mut entries = self.waiting.clone();
        if lost + dropped > 0 {
            let entry = AuditEntry::new("server", "entries_lost", AuditOutcome::Allowed);
            entries.push(AuditEntry { detail: with_member(None, "count", (lost + dropped).into()), ..entry });
        }
        entries.extend(records);
        let written = self.append(entries).await;
        let was_failing = self.shared.is_failing.swap(written.is_err(), Ordering::Relaxed);
        match &written {
            Ok(()) => {
                self.waiting.clear();
                if was_failing {
                    tracing::info!("the table audit can be written again");
                }
            }
            Err(error) => {
                self.shared.lost.fetch_add(lost + dropped, Ordering::Relaxed);
                if !was_failing {
                    tracing::error!(
                        "{error}; orders of administration wait in audit/pending, and statements over personal data are refused"
                    );
                }
            }
        }
        written
    }

    /// Appends entries to the chain. Its end moves only once they are durable: where they are not, the same numbers come again.
    async fn append(&mut self, entries: Vec<AuditEntry>) -> Result<(), AuditError> {
        if entries.is_empty() {
            return Ok(());
        }
        let failed = |what: String| AuditError(what);
        let store = self.shared.pipeline.store();
        let table = store.audit();
        let now_us = store.clock().wall_us();
        let mut end = self.end;
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            let row = end.followed_by(entry, now_us);
            end = ChainEnd::behind(&row).ok_or_else(|| failed("an entry has no hash".into()))?;
            rows.push(row);
        }
        let batch = AuditRow::to_batch(&rows, &table.registered.schemas.log);
        let stored = batch.and_then(Rows::new).map_err(|error| failed(error.to_string()))?;
        let entry = Entry {
            sequenced: None,
            // Nobody's: no gateway has this number. So all entries are in one WAL, in their order.
            principal: Principal::Gateway(GatewayId(0)),
            lane: Lane::Live,
            table: Arc::clone(table),
            stored: Some(stored),
            rejected: None,
        };
        let (reply, outcome) = oneshot::channel();
        let pending = PendingBatch { entry, session: None, check_only: false, memory: None, reply: Reply::Once(reply) };
        self.shared.pipeline.submit(pending).await.map_err(|refusal| failed(refusal.message))?;
        let outcome = outcome.await.map_err(|_closed| failed("the server stops".into()))?;
        match outcome.map_err(|refusal| failed(refusal.message))? {
            Outcome::Stored => {
                self.end = end;
                Ok(())
            }
            other => Err(failed(format!("the WAL says {other:?}"))),
        }
    }
}

/// Entries in the queue. One that is to be recorded waits for a place, and one that is noted is counted as lost.
const QUEUE_MAX: usize = 4_096;
/// Entries that wait while the table cannot be written; more are counted as lost.
const WAITING_MAX: usize = 4_096;
/// Entries of one record.
const GROUP_MAX: usize = 256;
/// Longest wait for a place in the queue.
const RECORD_WAIT: Duration = Duration::from_secs(10);
/// How often orders that wait in files are looked at.
const PENDING_EVERY: Duration = Duration::from_secs(20);
/// How often windows are looked at.
const TICK: Duration = Duration::from_secs(1);
