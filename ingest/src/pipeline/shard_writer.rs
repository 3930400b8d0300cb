//! The work of a shard's thread: it drains its queue, makes the batches durable with one sync, publishes their rows,
//! and replies to each sender. A reply of success comes after the sync: the batch survives a crash of the process and a
//! loss of power, but not the loss of the disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{BatchNumber, Epoch, ProducerId, StreamKey};
use zonelake_storage::{Entry, Outcome, Shard, ShardError, Store};
use zonelake_wal::WalError;

use super::command::{Command, PendingBatch, PendingRequest, Reply, SessionId, StreamEvent};
use super::disk_space::{CHECK_EVERY, check_free_bytes};
use crate::health::Health;
use crate::metrics::IngestMetrics;
use crate::refusal::{Refusal, accepted};

/// Writer of one shard: it commits groups, opens streams and tells their owners apart. The writer has no thread of its
/// own, so that a simulation can drive it.
#[derive(Debug)]
pub struct ShardWriter {
    store: Arc<Store>,
    shard: Shard,
    /// The latest session of each stream that is open.
    owners: HashMap<(ProducerId, StreamKey), SessionId>,
    /// Refusal of everything, once this shard no longer writes.
    failed: Option<Refusal>,
    /// Monotonic time of the last check of free space, and its result.
    space_checked: Option<(Duration, Result<(), Refusal>)>,
    group_bytes_max: u64,
    metrics: Arc<IngestMetrics>,
    pub(crate) health: Arc<Health>,
}

impl ShardWriter {
    /// A writer of one shard.
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

    /// Shard of this writer.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Refusal of everything, where this shard no longer writes.
    pub fn failed(&self) -> Option<&Refusal> {
        self.failed.as_ref()
    }

    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut group: Vec<PendingBatch> = Vec::new();
        let mut group_bytes = 0;
        while let Some(command) = queue.blocking_recv() {
            let began = self.store.clock().monotonic();
            let mut next = Some(command);
            while let Some(command) = next {
                match command {
                    Command::Append(pending) => {
                        let bytes = pending.entry.log_bytes();
                        // A group is one block of the WAL, so its size is bounded before the batch joins it.
                        if group_bytes + bytes > self.group_bytes_max {
                            self.commit(&mut group);
                            group_bytes = 0;
                        }
                        group_bytes += bytes;
                        group.push(*pending);
                    }
                    Command::Stop => return self.commit(&mut group),
                    // Batches in front of a command are stored first: an `Open` answers with the last durable number.
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
            // A sync costs the same for one batch as for a hundred. Where batches come together, the next group waits
            // for more of them; senders have their replies by then and do not wait for this.
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
                let opened = self.open(producer, epoch, stream, session);
                // A gateway that is gone already needs no reply.
                reply.send(opened).ok();
            }
            Command::Request(pending) => self.handle_request(*pending),
            Command::Close { producer, stream, session } => {
                // A session that was taken over leaves its successor open.
                if self.owners.get(&(producer, stream)) == Some(&session) {
                    self.owners.remove(&(producer, stream));
                    self.metrics.streams.dec();
                }
            }
            Command::Committed => self.release(),
            Command::Append(_) | Command::Stop => unreachable!("the loop takes these itself"),
        }
    }

    /// Opens a stream for a session, which takes it over from any earlier one. Gives back its last durable sequence
    /// number.
    ///
    /// # Errors
    /// Refuses a fenced epoch, and every stream while the shard cannot write.
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
                // A takeover leaves the number of open streams as it was.
                if self.owners.insert((producer, stream), session).is_none() {
                    self.metrics.streams.inc();
                }
                Ok(last)
            }
            Ok(Err(later)) => Err(Refusal::fenced(later)),
            Err(error) => Err(self.refusal_of(&error)),
        }
    }

    /// Makes a group durable with one sync, publishes its rows, and replies to the senders of its batches.
    pub fn commit(&mut self, group: &mut Vec<PendingBatch>) {
        if group.is_empty() {
            return;
        }
        if let Err(refusal) = self.can_write() {
            return group.drain(..).for_each(|pending| reply(pending, Err(refusal.clone())));
        }
        // A session that was taken over must not store behind the last number that its successor was told.
        let (mine, lost): (Vec<PendingBatch>, Vec<PendingBatch>) =
            group.drain(..).partition(|pending| self.owns(pending));
        lost.into_iter().for_each(|pending| reply(pending, Err(Refusal::taken_over())));
        let began = self.store.clock().monotonic();
        let (entries, replies): (Vec<Entry>, Vec<PendingReply>) = mine.into_iter().map(PendingReply::split).unzip();
        match self.shard.append(&entries) {
            Ok(outcomes) => {
                self.metrics.count_group(&entries, self.store.clock().monotonic().saturating_sub(began));
                for ((reply, entry), outcome) in replies.into_iter().zip(&entries).zip(outcomes) {
                    reply.send(accepted(outcome, entry));
                }
            }
            Err(error) => {
                let refusal = self.refusal_of(&error);
                replies.into_iter().for_each(|reply| reply.send(Err(refusal.clone())));
            }
        }
        drop(entries);
        self.bound_wal();
    }

    fn handle_request(&mut self, pending: PendingRequest) {
        let PendingRequest { request, entries, permits, reply } = pending;
        let result = self.can_write().and_then(|()| {
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
        // A client that has gone away in the meantime may repeat the request under its key.
        reply.send(result).ok();
        self.bound_wal();
    }

    /// Forces a flush of the tables that hold more of the WAL than it may take.
    fn bound_wal(&self) {
        if self.shard.log_bytes() > self.store.options().log_bytes_max {
            self.shard.tables_that_hold_the_wal().iter().for_each(|table| table.force_flush());
        }
    }

    /// True where the batch is unsequenced, or its session is the latest one of its stream.
    fn owns(&self, pending: &PendingBatch) -> bool {
        match (&pending.entry.sequenced, pending.session) {
            (Some(batch), Some(session)) => self.owners.get(&(batch.producer, batch.stream)) == Some(&session),
            _ => true,
        }
    }

    /// Releases the segments of the WAL whose rows are in files.
    pub fn release(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.shard.release()
        {
            // Nobody waits for a release; the refusal is for those who come next.
            self.refusal_of(&error);
        }
    }

    /// Refuses while the disk is nearly full or the WAL cannot be written. The disk is asked twice a second at most.
    fn can_write(&mut self) -> Result<(), Refusal> {
        if let Some(refusal) = &self.failed {
            return Err(refusal.clone());
        }
        let now = self.store.clock().monotonic();
        if let Some((at, found)) = &self.space_checked
            && now.saturating_sub(*at) < CHECK_EVERY
        {
            return found.clone();
        }
        let found = check_free_bytes(self.shard.free_bytes(), self.store.options().free_bytes_min);
        // Logged once for each time that the disk fills, not twice a second.
        if let (Err(refusal), true) = (&found, self.space_checked.as_ref().is_none_or(|(_, before)| before.is_ok())) {
            tracing::error!("{refusal}");
        }
        self.space_checked = Some((now, found.clone()));
        found
    }

    /// The refusal for an error of the shard. An error that leaves the WAL in doubt stops the shard until a restart,
    /// whose replay finds out what is durable.
    fn refusal_of(&mut self, error: &ShardError) -> Refusal {
        if let ShardError::Wal(WalError::NoSpace { .. }) = error {
            tracing::error!(shard = %self.shard.id(), "{error}");
            return Refusal::new(
                RefusedCode::Unavailable,
                format!(
                    "{error}; nothing of this batch is stored. Make room on the server; sending resumes automatically"
                ),
            );
        }
        if let ShardError::Wal(WalError::GroupTooLarge { .. }) = error {
            tracing::error!(shard = %self.shard.id(), "{error}");
            return Refusal::new(RefusedCode::TooLarge, format!("{error}; nothing of this batch is stored"));
        }
        let message = format!(
            "shard {} cannot write its WAL and has stopped: {error}. What was acknowledged is safe; restart the server once the disk is well",
            self.shard.id()
        );
        tracing::error!("{message}");
        let refusal = Refusal::new(RefusedCode::Unavailable, message);
        self.failed = Some(refusal.clone());
        self.health.shard_has_stopped(self.shard.id());
        refusal
    }
}

/// The rest of a pending batch while its entry is being written.
struct PendingReply {
    reply: Reply,
    _permits: Option<Vec<OwnedSemaphorePermit>>,
}

impl PendingReply {
    fn split(pending: PendingBatch) -> (Entry, Self) {
        (pending.entry, Self { reply: pending.reply, _permits: pending.permits })
    }

    /// Replies, and ends the permits of the batch with that.
    fn send(self, result: Result<Outcome, Refusal>) {
        // A gateway that has gone away in the meantime learns its last number when it opens the stream again.
        match self.reply {
            Reply::Stream(sender, summary) => drop(sender.unbounded_send(StreamEvent::Done(summary, result))),
            Reply::Once(sender) => drop(sender.send(result)),
        }
    }
}

fn reply(pending: PendingBatch, result: Result<Outcome, Refusal>) {
    PendingReply::split(pending).1.send(result);
}

/// Time from one group commit to the next while several batches come meanwhile. It bounds the number of syncs in a
/// second and their cost; a batch that comes alone waits for nothing.
const GROUP_EVERY: Duration = Duration::from_millis(2);
