//! What a shard's thread does: it drains its queue, makes the batches durable with one sync, shows their rows, and answers
//! each sender.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{BatchNumber, Epoch, ProducerId, StreamKey};
use zonelake_storage::{Entry, Outcome, Shard, ShardError, Store};
use zonelake_wal::WalError;

use crate::health::Health;
use crate::metrics::IngestMetrics;
use crate::pipeline::{Command, Pending, PendingRequest, Reply, SessionId, StreamEvent};
use crate::refusal::Refusal;
use crate::space::{LOOK_EVERY, enough};
use crate::verdicts::{fenced, refuse_by_verdict, taken_over};

/// The writer of one shard: it commits groups, opens streams and keeps their owners apart. It has no thread of its own,
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
    pub(crate) health: Arc<Health>,
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

    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
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
            self.shard.tables_that_hold_the_wal().iter().for_each(|table| table.force_flush());
        }
    }

    fn owns(&self, pending: &Pending) -> bool {
        match (&pending.entry.sequenced, pending.session) {
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

/// Time from one group commit to the next while several batches come meanwhile. It bounds the syncs of a second, and what
/// each costs beside its batches; a batch that comes alone waits for nothing.
const GROUP_EVERY: Duration = Duration::from_millis(2);
