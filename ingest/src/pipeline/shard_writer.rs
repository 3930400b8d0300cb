//! The work of a shard's thread: it drains its queue, makes the batches durable with one sync, publishes their rows,
//! and replies to each sender. A reply of success comes after the sync: the batch survives a crash of the process and a
//! loss of power, but not the loss of the disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{BatchNumber, Epoch, ProducerId, StreamKey};
use zonelake_storage::{Entry, Outcome, SequenceCheck, Shard, ShardError, Store, Table};
use zonelake_wal::WalError;

use super::command::{Command, PendingBatch, PendingRequest, Reply, SessionId, StreamEvent};
use super::disk_space::{CHECK_EVERY, check_free_bytes};
use crate::health::Health;
use crate::metrics::IngestMetrics;
use crate::refusal::{Refusal, accepted, refused_number};

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
    /// Monotonic time before which nothing is set aside, since that has failed.
    set_aside_after: Duration,
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
            set_aside_after: Duration::ZERO,
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
        let mut group = Group::default();
        while let Some(command) = queue.blocking_recv() {
            let began = self.store.clock().monotonic();
            let mut next = Some(command);
            while let Some(command) = next {
                match command {
                    Command::Append(pending) => {
                        // One without rows counts as well: a group of them ends too.
                        self.make_room(&mut group, pending.entry.log_bytes());
                        group.batches.push(*pending);
                    }
                    Command::Request(pending) => {
                        self.make_room(&mut group, pending.log_bytes());
                        group.requests.push(*pending);
                    }
                    Command::Stop => return self.commit_group(&mut group),
                    // Batches in front of a command are stored first: an `Open` answers with the last durable number.
                    other => {
                        self.commit_group(&mut group);
                        self.handle(other);
                    }
                }
                if group.bytes >= self.group_bytes_max {
                    break;
                }
                next = queue.try_recv().ok();
            }
            // A sync costs the same for one batch as for a hundred. Where batches come together, the next group waits
            // for more of them; senders have their replies by then and do not wait for this.
            let is_busy = group.batches.len() + group.requests.len() > 1;
            self.commit_group(&mut group);
            if is_busy {
                std::thread::sleep(GROUP_EVERY.saturating_sub(self.store.clock().monotonic().saturating_sub(began)));
            }
        }
    }

    /// Commits the group where so many bytes more would be too many: a group is one block of the WAL, so its size is
    /// bounded before anything joins it.
    fn make_room(&mut self, group: &mut Group, bytes: u64) {
        if group.bytes + bytes > self.group_bytes_max {
            self.commit_group(group);
        }
        group.bytes += bytes;
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Open { producer, epoch, stream, session, reply } => {
                let opened = self.open(producer, epoch, stream, session);
                // A gateway that is gone already needs no reply.
                reply.send(opened).ok();
            }
            Command::Close { producer, stream, session } => {
                // A session that was taken over leaves its successor open.
                if self.owners.get(&(producer, stream)) == Some(&session) {
                    self.owners.remove(&(producer, stream));
                    self.metrics.streams.dec();
                }
            }
            Command::Committed => self.release(),
            // A back-up that has gone needs no reply.
            Command::WalPoint(reply) => drop(reply.send(self.shard.wal_point(&self.store.options().folder))),
            Command::Append(_) | Command::Request(_) | Command::Stop => unreachable!("the loop takes these itself"),
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
        let mut batches = Group { batches: std::mem::take(group), ..Group::default() };
        self.commit_group(&mut batches);
    }

    /// The same with requests in the group: one sync stands for all of them.
    fn commit_group(&mut self, group: &mut Group) {
        let Group { batches, requests, .. } = std::mem::take(group);
        if batches.is_empty() && requests.is_empty() {
            return;
        }
        if let Err(refusal) = self.can_write() {
            batches.into_iter().for_each(|pending| reply(pending, Err(refusal.clone())));
            return requests.into_iter().for_each(|pending| pending.reply(Err(refusal.clone())));
        }
        // A session that was taken over must not store behind the last number that its successor was told.
        let (mine, lost): (Vec<PendingBatch>, Vec<PendingBatch>) =
            batches.into_iter().partition(|pending| self.owns(pending));
        lost.into_iter().for_each(|pending| reply(pending, Err(Refusal::taken_over())));
        let (checks, mine): (Vec<PendingBatch>, Vec<PendingBatch>) =
            mine.into_iter().partition(|pending| pending.check_only);
        let (mine, requests) = self.refuse_full(mine, requests);
        if !mine.is_empty() || !requests.is_empty() {
            self.append(mine, requests);
        }
        // Behind the group: a batch that is sent twice within it is known by then.
        checks.into_iter().for_each(|pending| self.answer_check(pending));
        self.bound_wal();
    }

    /// Refuses what is for a table that may take no more until it is flushed; the rest comes back.
    fn refuse_full(
        &self,
        batches: Vec<PendingBatch>,
        requests: Vec<PendingRequest>,
    ) -> (Vec<PendingBatch>, Vec<PendingRequest>) {
        if self.shard.set_aside_bytes() == 0 {
            return (batches, requests);
        }
        let accept = |pending: PendingBatch| match self.full_table(&pending.entry).map(Refusal::table_full) {
            Some(refusal) => {
                reply(pending, Err(refusal));
                None
            }
            None => Some(pending),
        };
        let accept_request = |pending: PendingRequest| {
            let full = pending.entries.iter().find_map(|entry| self.full_table(entry));
            match full.map(Refusal::table_full) {
                Some(refusal) => {
                    pending.reply(Err(refusal));
                    None
                }
                None => Some(pending),
            }
        };
        (batches.into_iter().filter_map(accept).collect(), requests.into_iter().filter_map(accept_request).collect())
    }

    /// The table of an entry that may take no more, if there is one.
    fn full_table<'a>(&'a self, entry: &'a Entry) -> Option<&'a Table> {
        let rejected = entry.rejected.as_ref().map(|_| self.store.rejected());
        let tables = entry.stored.as_ref().map(|_| &entry.table).into_iter().chain(rejected);
        tables.map(|table| table.as_ref()).find(|table| self.shard.is_full(table))
    }

    fn append(&mut self, batches: Vec<PendingBatch>, requests: Vec<PendingRequest>) {
        let began = self.store.clock().monotonic();
        let (entries, replies): (Vec<Entry>, Vec<PendingReply>) = batches.into_iter().map(PendingReply::split).unzip();
        let of_requests: Vec<_> =
            requests.iter().map(|pending| (pending.request, pending.entries.as_slice())).collect();
        let appended = self.shard.append_group(&entries, &of_requests);
        let outcomes = match appended {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let refusal = self.refusal_of(&error);
                replies.into_iter().for_each(|reply| reply.send(Err(refusal.clone())));
                return requests.into_iter().for_each(|pending| pending.reply(Err(refusal.clone())));
            }
        };
        let stored = requests.iter().zip(&outcomes.requests).filter(|(_, outcome)| **outcome == Outcome::Stored);
        let of_requests = stored.flat_map(|(pending, _)| &pending.entries);
        let took = self.store.clock().monotonic().saturating_sub(began);
        self.metrics.count_group(entries.iter().chain(of_requests), took);
        for ((reply, entry), outcome) in replies.into_iter().zip(&entries).zip(outcomes.batches) {
            reply.send(accepted(outcome, entry));
        }
        for (pending, outcome) in requests.into_iter().zip(outcomes.requests) {
            pending.reply(match outcome {
                Outcome::Refused(_) => Err(Refusal::new(
                    RefusedCode::OtherContent,
                    "the idempotency key was used before for another content; another request needs another key",
                )),
                stored_or_repeated => Ok(stored_or_repeated),
            });
        }
    }

    /// Answers a batch whose number is not the next one, by its digest alone.
    fn answer_check(&self, pending: PendingBatch) {
        let Some(batch) = pending.entry.sequenced else { unreachable!("only numbered batches are checked") };
        let result = match self.shard.streams().classify(&batch) {
            SequenceCheck::Repeated => Ok(Outcome::Repeated),
            // The first of that number was refused, and so is what stands behind it.
            SequenceCheck::Next => Err(refused_number(SequenceCheck::Gap { expected: batch.number }, batch.number)),
            refused => Err(refused_number(refused, batch.number)),
        };
        reply(pending, result);
    }

    /// Forces a flush of the tables that hold more of the WAL than it may take. What they hold beyond twice of that is set
    /// aside, a segment at a time: they cannot be flushed, and other tables go on.
    fn bound_wal(&mut self) {
        let (bytes, bytes_max) = (self.shard.log_bytes(), self.store.options().log_bytes_max);
        self.note_log_size();
        if bytes <= bytes_max {
            return;
        }
        self.shard.tables_that_hold_the_wal().iter().for_each(|table| table.force_flush());
        let now = self.store.clock().monotonic();
        if bytes <= HELD_FACTOR * bytes_max || self.failed.is_some() || now < self.set_aside_after {
            return;
        }
        // The checkpoint is written with it, which a back-up may be copying.
        if self.is_held() {
            return;
        }
        match self.shard.set_aside_oldest() {
            Ok(true) => self.release(),
            Ok(false) => {}
            // Who comes next is refused for it, and health is told at once.
            Err(error) if self.shard.is_poisoned() => drop(self.refusal_of(&error)),
            Err(error) => {
                tracing::error!(shard = %self.shard.id(), "the WAL is over twice its bound, and nothing can be set aside: {error}");
                self.set_aside_after = now + SET_ASIDE_PAUSE;
            }
        }
    }

    fn note_log_size(&self) {
        self.store.log_sizes().set(self.shard.id(), self.shard.log_bytes() + self.shard.set_aside_bytes());
    }

    /// True while a back-up copies the WAL, which ends where the WAL has grown too far.
    fn is_held(&self) -> bool {
        let hold = self.store.backup_hold();
        if !hold.lasts(self.store.clock().monotonic()) {
            return false;
        }
        if self.shard.log_bytes() <= HELD_FACTOR * self.store.options().log_bytes_max {
            return true;
        }
        tracing::warn!("the WAL has grown beyond twice its bound during a back-up, which has to begin again");
        hold.give_up();
        false
    }

    /// True where the batch is unsequenced, or its session is the latest one of its stream.
    fn owns(&self, pending: &PendingBatch) -> bool {
        match (&pending.entry.sequenced, pending.session) {
            (Some(batch), Some(session)) => self.owners.get(&(batch.producer, batch.stream)) == Some(&session),
            _ => true,
        }
    }

    /// Releases the segments of the WAL whose rows are in files, unless a back-up copies them just now.
    pub fn release(&mut self) {
        if self.is_held() {
            return;
        }
        if self.failed.is_none()
            && let Err(error) = self.shard.release()
        {
            // Nobody waits for a release; the refusal is for those who come next.
            self.refusal_of(&error);
        }
        self.note_log_size();
    }

    /// Refuses while the disk is nearly full, the clock is behind, or the WAL cannot be written. The disk is asked twice a second at most.
    fn can_write(&mut self) -> Result<(), Refusal> {
        if let Some(refusal) = &self.failed {
            return Err(refusal.clone());
        }
        self.health.check_clock()?;
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
        if let ShardError::Wal(WalError::GroupTooLarge { .. } | WalError::CheckpointTooLarge { .. }) = error {
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

/// What comes together, to be made durable with one sync.
#[derive(Debug, Default)]
struct Group {
    batches: Vec<PendingBatch>,
    requests: Vec<PendingRequest>,
    /// Bytes of them in the WAL.
    bytes: u64,
}

/// The rest of a pending batch while its entry is being written.
struct PendingReply {
    reply: Reply,
    _memory: Option<OwnedSemaphorePermit>,
}

impl PendingReply {
    fn split(pending: PendingBatch) -> (Entry, Self) {
        (pending.entry, Self { reply: pending.reply, _memory: pending.memory })
    }

    /// Replies, and gives back the memory of the batch with that.
    fn send(self, result: Result<Outcome, Refusal>) {
        // A gateway that has gone away in the meantime learns its last number when it opens the stream again.
        match self.reply {
            Reply::Stream(sender, summary, permits) => {
                drop(sender.unbounded_send(StreamEvent::Done(summary, result, permits)));
            }
            Reply::Once(sender) => drop(sender.send(result)),
        }
    }
}

impl PendingRequest {
    /// Replies, and gives back the permits of the request with that.
    fn reply(self, result: Result<Outcome, Refusal>) {
        drop((self.entries, self.permits));
        // A client that has gone away in the meantime may repeat the request under its key.
        self.reply.send(result).ok();
    }
}

fn reply(pending: PendingBatch, result: Result<Outcome, Refusal>) {
    PendingReply::split(pending).1.send(result);
}

/// How far a back-up, or a table that cannot be flushed, may hold the WAL beyond its bound.
const HELD_FACTOR: u64 = 2;
/// Pause after an attempt to set records aside that has failed.
const SET_ASIDE_PAUSE: Duration = Duration::from_secs(10);
/// Time from one group commit to the next while several batches come meanwhile. It bounds the number of syncs in a
/// second and their cost; a batch that comes alone waits for nothing.
const GROUP_EVERY: Duration = Duration::from_millis(2);
