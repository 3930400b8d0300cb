//! State of one stream at the sender; the folder's map shows its transitions.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::control::{Ack, Opened};
use zonelake_schemas::wire::frame::{FrameHeader, FrameKind, NUMBER_BYTES, batch_prefix};

use super::acked::{Acked, AckedBatch, AckedCounts};
use crate::batch::{EncodedBatch, Prelude, same_bytes};
use crate::error::StreamError;

/// Numbers, window and resuming of one stream of batches.
#[derive(Debug)]
pub struct Outbox {
    own_bytes_max: usize,
    limits: Limits,
    opened_once: bool,
    durable: BatchNumber,
    waiting: VecDeque<UnackedBatch>,
    waiting_bytes: usize,
    /// Number of batches of `waiting`, from the front, that were given to the present link.
    written: usize,
    /// Schema and dictionaries that the server has by this link.
    in_force: InForce,
}

#[derive(Debug)]
struct UnackedBatch {
    batch: EncodedBatch,
    held_bytes: usize,
    submitted: Duration,
}

#[derive(Debug, Default)]
struct InForce {
    schema: Option<Bytes>,
    dictionaries: BTreeMap<i64, Bytes>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    frame_bytes_max: usize,
    batch_rows_max: u64,
    unacked_bytes_max: usize,
}

impl Outbox {
    /// Nothing sent yet. At most `own_bytes_max` bytes wait for their acknowledgement, or less where the server says so.
    pub fn new(own_bytes_max: usize) -> Self {
        Self {
            own_bytes_max,
            limits: Limits { frame_bytes_max: 0, batch_rows_max: 0, unacked_bytes_max: 0 },
            opened_once: false,
            durable: BatchNumber(0),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            written: 0,
            in_force: InForce::default(),
        }
    }

    /// The server has opened the stream, first or again. What it has is dropped; the rest is to be written again.
    ///
    /// # Errors
    /// [`StreamError::ServerForgot`] and [`StreamError::NotOurs`] where its last number cannot be.
    pub fn handle_opened(&mut self, opened: &Opened, now: Duration) -> Result<Acked, StreamError> {
        // A new link has no schema and no dictionaries: everything that is not durable is written again.
        self.handle_disconnected();
        let last = BatchNumber(opened.last_number);
        if !self.opened_once {
            self.opened_once = true;
            self.durable = last;
        }
        // A lower number means that the server lost data, a higher one that another sender uses the name.
        if last < self.durable {
            return Err(StreamError::ServerForgot { server: last, acknowledged: self.durable });
        }
        if last > self.last_submitted() {
            return Err(StreamError::NotOurs { server: last, sent: self.last_submitted() });
        }
        self.limits = Limits {
            frame_bytes_max: usize::try_from(opened.frame_bytes_max).unwrap_or(usize::MAX),
            batch_rows_max: opened.batch_rows_max,
            unacked_bytes_max: usize::try_from(opened.unacked_bytes_max).unwrap_or(usize::MAX),
        };
        Ok(Acked { number: last, counts: None, rejections: Vec::new(), batches: self.drop_through(last, now) })
    }

    /// True where a batch may be submitted now; otherwise wait for an acknowledgement. One batch always may.
    pub fn admits(&self, batch: &EncodedBatch) -> bool {
        let bytes_max = self.own_bytes_max.min(self.limits.unacked_bytes_max);
        self.opened_once
            && (self.waiting.is_empty() || self.waiting_bytes.saturating_add(self.held_bytes(batch)) <= bytes_max)
    }

    /// Takes a batch and numbers it.
    ///
    /// # Errors
    /// [`StreamError::FrameTooLong`] and [`StreamError::TooManyRows`]: the batch is not taken.
    pub fn handle_submit(&mut self, batch: EncodedBatch, now: Duration) -> Result<BatchNumber, StreamError> {
        let prelude =
            batch.prelude.schema().into_iter().chain(batch.prelude.dictionaries().map(|(_, message)| message));
        let bytes = prelude.map(Bytes::len).chain([NUMBER_BYTES + batch.payload.len()]).max().unwrap_or(0) + 1;
        if bytes > self.limits.frame_bytes_max {
            return Err(StreamError::FrameTooLong { bytes, bytes_max: self.limits.frame_bytes_max });
        }
        if batch.rows > self.limits.batch_rows_max {
            return Err(StreamError::TooManyRows { rows: batch.rows, rows_max: self.limits.batch_rows_max });
        }
        let held_bytes = self.held_bytes(&batch);
        self.waiting_bytes += held_bytes;
        self.waiting.push_back(UnackedBatch { batch, held_bytes, submitted: now });
        Ok(self.last_submitted())
    }

    /// The frames of the next batch that the present link has not got, in pieces to be written one after another: a
    /// schema and dictionaries where they differ from those in force, then the batch. `None`: nothing to write.
    pub fn poll_frames(&mut self) -> Option<Vec<Bytes>> {
        let batch = self.waiting.get(self.written)?.batch.clone();
        self.written += 1;
        let number = BatchNumber(self.durable.0 + self.written as u64);
        let mut pieces = Vec::with_capacity(6);
        self.in_force.bring(&batch.prelude, &mut pieces);
        pieces.push(Bytes::copy_from_slice(&batch_prefix(number, batch.payload.len())));
        pieces.push(batch.payload);
        Some(pieces)
    }

    /// The server has acknowledged.
    ///
    /// # Errors
    /// [`StreamError::Protocol`] where it acknowledges what was not written, or takes an acknowledgement back.
    pub fn handle_ack(&mut self, ack: Ack, now: Duration) -> Result<Acked, StreamError> {
        let number = BatchNumber(ack.number);
        let last_written = BatchNumber(self.durable.0 + self.written as u64);
        if number < self.durable || number > last_written {
            return Err(StreamError::Protocol(format!(
                "it acknowledges batch {number}; {} was acknowledged and {last_written} was written",
                self.durable
            )));
        }
        // More goes through, or less. What is submitted already stays.
        if ack.unacked_bytes_max > 0 {
            self.limits.unacked_bytes_max = usize::try_from(ack.unacked_bytes_max).unwrap_or(usize::MAX);
        }
        Ok(Acked {
            number,
            counts: Some(AckedCounts {
                rows: ack.rows,
                readings: ack.readings,
                rejected_rows: ack.rejected_rows,
                rejected_readings: ack.rejected_readings,
                repeated_batches: ack.repeated_batches,
            }),
            rejections: ack.rejections,
            batches: self.drop_through(number, now),
        })
    }

    /// The link is gone: whatever is not acknowledged is to be written again on the next one.
    pub fn handle_disconnected(&mut self) {
        self.written = 0;
        self.in_force = InForce::default();
    }

    /// True where everything submitted is durable.
    pub fn is_drained(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True where the link was given everything submitted.
    pub fn is_written(&self) -> bool {
        self.written == self.waiting.len()
    }

    /// Number of the last durable batch.
    pub fn durable(&self) -> BatchNumber {
        self.durable
    }

    /// Number of the last batch taken.
    pub fn last_submitted(&self) -> BatchNumber {
        BatchNumber(self.durable.0 + self.waiting.len() as u64)
    }

    /// Bytes that wait for their acknowledgement.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn drop_through(&mut self, number: BatchNumber, now: Duration) -> Vec<AckedBatch> {
        let mut batches = Vec::new();
        while self.durable < number {
            let Some(gone) = self.waiting.pop_front() else { break };
            self.durable.0 += 1;
            self.written = self.written.saturating_sub(1);
            self.waiting_bytes -= gone.held_bytes;
            batches.push(AckedBatch {
                number: self.durable,
                rows: gone.batch.rows,
                latency: now.saturating_sub(gone.submitted),
            });
        }
        self.durable = number;
        batches
    }

    /// Bytes that holding `batch` takes. A prelude is counted with the first of the batches in a row that share it.
    fn held_bytes(&self, batch: &EncodedBatch) -> usize {
        let shared = self.waiting.back().is_some_and(|last| last.batch.prelude.is_shared_with(&batch.prelude));
        batch.payload.len() + if shared { 0 } else { batch.prelude.bytes() }
    }
}

impl InForce {
    /// Adds the frames that make `prelude` the one in force. A new schema forgets the dictionaries of the old one.
    fn bring(&mut self, prelude: &Prelude, pieces: &mut Vec<Bytes>) {
        let Some(schema) = prelude.schema() else { return };
        if !self.schema.as_ref().is_some_and(|own| same_bytes(own, schema)) {
            pieces.extend(message_frame(FrameKind::Schema, schema));
            *self = Self { schema: Some(schema.clone()), dictionaries: BTreeMap::new() };
        }
        for (id, message) in prelude.dictionaries() {
            if !self.dictionaries.get(&id).is_some_and(|own| same_bytes(own, message)) {
                pieces.extend(message_frame(FrameKind::Dictionary, message));
                self.dictionaries.insert(id, message.clone());
            }
        }
    }
}

fn message_frame(kind: FrameKind, message: &Bytes) -> [Bytes; 2] {
    [Bytes::copy_from_slice(&FrameHeader { kind, body_bytes: message.len() }.encode()), message.clone()]
}
