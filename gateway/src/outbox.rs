//! The protocol's state at the sender: numbers, the window of unacknowledged batches, and resuming. No I/O and no
//! clock: `handle_*` takes what has happened, [`Outbox::poll_frames`] gives what to write next.
//!
//! ```text
//!            handle_opened            handle_submit                 poll_frames              handle_ack
//! (unknown) ──────────────▶ (open) ────────────────▶ waiting batch ────────────▶ written ────────────────▶ gone
//!                             ▲                            ▲                        │
//!                             │ handle_opened              │   handle_disconnected  │
//!                             └── drops what is durable    └────────────────────────┘
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::control::{Ack, Opened, Rejection};
use zonelake_schemas::wire::frame::{FrameHeader, FrameKind, NUMBER_BYTES, batch_prefix};

use crate::batch::{EncodedBatch, Prelude, same_bytes};
use crate::error::StreamError;

/// Numbers, window and resuming of one stream of batches.
#[derive(Debug)]
pub struct Outbox {
    own_bytes_max: usize,
    limits: Limits,
    opened_once: bool,
    durable: BatchNumber,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// How many of `waiting`, from the front, have been given to the present link.
    written: usize,
    /// What the server has of this link's schema and dictionaries.
    in_force: InForce,
}

#[derive(Debug)]
struct Waiting {
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

/// What has become durable by one answer of the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Acked {
    /// Last durable batch now.
    pub number: BatchNumber,
    /// The server's counts since its previous acknowledgement; `None` where the batches had become durable before a
    /// link broke, so that their acknowledgement was lost.
    pub counts: Option<AckedCounts>,
    /// Why rows or readings were rejected; at most 16 entries.
    pub rejections: Vec<Rejection>,
    /// The batches, in their order.
    pub batches: Vec<AckedBatch>,
}

/// Counts of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AckedCounts {
    /// Rows stored in the table.
    pub rows: u64,
    /// Readings stored in the table.
    pub readings: u64,
    /// Rows that went whole to `rejected`.
    pub rejected_rows: u64,
    /// Single readings that went to `rejected`.
    pub rejected_readings: u64,
    /// Batches that were known already.
    pub repeated_batches: u64,
}

/// One batch that has become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckedBatch {
    /// Its number.
    pub number: BatchNumber,
    /// Rows that were sent in it.
    pub rows: u64,
    /// From its submission to its acknowledgement.
    pub latency: Duration,
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
        self.handle_disconnected();
        let last = BatchNumber(opened.last_number);
        if !self.opened_once {
            self.opened_once = true;
            self.durable = last;
        }
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

    /// Whether a batch may be submitted now; if not, wait for an acknowledgement. One batch always may.
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
        self.waiting.push_back(Waiting { batch, held_bytes, submitted: now });
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

    /// Whether everything submitted is durable.
    pub fn is_drained(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the link has everything submitted.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn batch(text: &str) -> EncodedBatch {
        EncodedBatch { prelude: Prelude::default(), payload: Bytes::copy_from_slice(text.as_bytes()), rows: 1 }
    }

    fn under(schema: &str, dictionary: &str, text: &str) -> EncodedBatch {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        EncodedBatch { prelude: Prelude::new(bytes(schema), [(0, bytes(dictionary))].into()), ..batch(text) }
    }

    fn opened(last_number: u64) -> Opened {
        Opened { last_number, frame_bytes_max: 1_000, batch_rows_max: 10, unacked_bytes_max: 100, ..Opened::default() }
    }

    fn ack(number: u64) -> Ack {
        Ack { number, ..Ack::default() }
    }

    /// What the pieces say, one word a frame.
    fn words(pieces: Option<Vec<Bytes>>) -> String {
        let mut bytes = Bytes::from(pieces.unwrap_or_default().concat());
        let mut words = Vec::new();
        while !bytes.is_empty() {
            let header = FrameHeader::decode(bytes[..5].try_into().unwrap(), 1_000).unwrap();
            let body = bytes.split_to(5 + header.body_bytes).slice(5..);
            words.push(match header.kind {
                FrameKind::Batch => {
                    let (number, payload) = zonelake_schemas::wire::frame::split_batch(&body).unwrap();
                    format!("{number}:{}", String::from_utf8_lossy(payload))
                }
                _ => String::from_utf8_lossy(&body).into_owned(),
            });
        }
        words.join(" ")
    }

    #[test]
    fn numbers_go_on_behind_the_servers_last_one() {
        let mut outbox = Outbox::new(1_000);
        assert!(!outbox.admits(&batch("a")), "nothing may be sent before the stream is open");
        outbox.handle_opened(&opened(7), NOW).unwrap();
        assert_eq!(outbox.handle_submit(batch("a"), NOW), Ok(BatchNumber(8)));
        assert_eq!(words(outbox.poll_frames()), "8:a");
        assert_eq!(words(outbox.poll_frames()), "");
    }

    #[test]
    fn what_is_not_durable_is_written_again_and_the_rest_is_not() {
        let mut outbox = Outbox::new(1_000);
        outbox.handle_opened(&opened(0), NOW).unwrap();
        for text in ["a", "b", "c"] {
            outbox.handle_submit(batch(text), NOW).unwrap();
            outbox.poll_frames();
        }
        outbox.handle_ack(ack(1), NOW).unwrap();
        outbox.handle_disconnected();
        let resumed = outbox.handle_opened(&opened(2), NOW * 3).unwrap();
        assert_eq!(resumed.counts, None);
        assert_eq!(resumed.batches, [AckedBatch { number: BatchNumber(2), rows: 1, latency: NOW * 2 }]);
        assert_eq!(words(outbox.poll_frames()), "3:c");
        assert!(!outbox.is_drained());
        outbox.handle_ack(ack(3), NOW).unwrap();
        assert!(outbox.is_drained());
    }

    #[test]
    fn schema_and_dictionaries_go_out_when_they_change_and_again_on_each_new_link() {
        let mut outbox = Outbox::new(1_000);
        outbox.handle_opened(&opened(0), NOW).unwrap();
        for batch in [under("S", "d", "a"), under("S", "d", "b"), under("S", "e", "c"), under("T", "e", "d")] {
            outbox.handle_submit(batch, NOW).unwrap();
        }
        let first: Vec<String> = (0..4).map(|_| words(outbox.poll_frames())).collect();
        assert_eq!(first, ["S d 1:a", "2:b", "e 3:c", "T e 4:d"]);
        outbox.handle_disconnected();
        outbox.handle_opened(&opened(1), NOW).unwrap();
        assert_eq!(words(outbox.poll_frames()), "S d 2:b");
    }

    #[test]
    fn the_window_is_the_smaller_of_both_sides_and_always_takes_one_batch() {
        let mut outbox = Outbox::new(1_000);
        outbox.handle_opened(&opened(0), NOW).unwrap();
        let large = batch(&"x".repeat(150));
        assert!(outbox.admits(&large));
        outbox.handle_submit(large, NOW).unwrap();
        assert!(!outbox.admits(&batch("y")));
        outbox.poll_frames();
        outbox.handle_ack(ack(1), NOW).unwrap();
        assert!(outbox.admits(&batch("y")));
        assert_eq!(outbox.waiting_bytes(), 0);
    }

    #[test]
    fn a_batch_over_the_servers_limits_is_not_taken() {
        let mut outbox = Outbox::new(10_000);
        outbox.handle_opened(&opened(0), NOW).unwrap();
        assert_eq!(
            outbox.handle_submit(batch(&"x".repeat(992)), NOW),
            Err(StreamError::FrameTooLong { bytes: 1_001, bytes_max: 1_000 })
        );
        let rows = EncodedBatch { rows: 11, ..batch("x") };
        assert_eq!(outbox.handle_submit(rows, NOW), Err(StreamError::TooManyRows { rows: 11, rows_max: 10 }));
        assert_eq!(outbox.handle_submit(batch("x"), NOW), Ok(BatchNumber(1)), "a refused batch takes no number");
    }

    #[test]
    fn a_last_number_that_cannot_be_ends_the_stream() {
        let mut outbox = Outbox::new(1_000);
        outbox.handle_opened(&opened(5), NOW).unwrap();
        assert_eq!(
            outbox.handle_opened(&opened(4), NOW),
            Err(StreamError::ServerForgot { server: BatchNumber(4), acknowledged: BatchNumber(5) })
        );
        assert_eq!(
            outbox.handle_opened(&opened(6), NOW),
            Err(StreamError::NotOurs { server: BatchNumber(6), sent: BatchNumber(5) })
        );
    }

    #[test]
    fn an_acknowledgement_of_what_was_not_written_breaks_the_protocol() {
        let mut outbox = Outbox::new(1_000);
        outbox.handle_opened(&opened(3), NOW).unwrap();
        outbox.handle_submit(batch("a"), NOW).unwrap();
        assert!(matches!(outbox.handle_ack(ack(4), NOW), Err(StreamError::Protocol(_))));
        assert!(matches!(outbox.handle_ack(ack(2), NOW), Err(StreamError::Protocol(_))));
        assert!(outbox.handle_ack(ack(3), NOW).is_ok(), "an acknowledgement may repeat");
    }

    /// One thing that can happen between an outbox and a server.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Submit(u8),
        Write,
        Store,
        Acknowledge,
        Break,
    }

    proptest! {
        #[test]
        fn whatever_breaks_every_batch_is_stored_once_in_order_under_its_own_dictionary(
            steps in proptest::collection::vec(
                prop_oneof![
                    (0u8..3).prop_map(Step::Submit),
                    Just(Step::Write),
                    Just(Step::Store),
                    Just(Step::Acknowledge),
                    Just(Step::Break),
                ],
                1..200,
            )
        ) {
            let mut outbox = Outbox::new(1_000_000);
            let limits = Opened { unacked_bytes_max: 1_000_000, ..opened(0) };
            outbox.handle_opened(&limits, NOW).unwrap();
            let mut submitted = 0u64;
            let mut on_the_way = VecDeque::new();
            let mut dictionary = String::new();
            let mut stored = 0u64;
            for step in steps {
                match step {
                    Step::Submit(name) => {
                        submitted += 1;
                        let name = format!("D{name}");
                        let number = outbox.handle_submit(under("S", &name, &name), NOW).unwrap();
                        prop_assert_eq!(number, BatchNumber(submitted));
                    }
                    Step::Write => {
                        on_the_way.extend(words(outbox.poll_frames()).split_whitespace().map(str::to_owned));
                    }
                    Step::Store => {
                        let Some(word) = on_the_way.pop_front() else { continue };
                        match word.split_once(':') {
                            Some((number, name)) => {
                                stored += 1;
                                prop_assert_eq!(number, stored.to_string());
                                prop_assert_eq!(name, &dictionary);
                            }
                            None => dictionary = word,
                        }
                    }
                    Step::Acknowledge => {
                        outbox.handle_ack(ack(stored), NOW).unwrap();
                    }
                    Step::Break => {
                        on_the_way.clear();
                        dictionary.clear();
                        outbox.handle_disconnected();
                        outbox.handle_opened(&Opened { last_number: stored, ..limits.clone() }, NOW).unwrap();
                    }
                }
            }
            prop_assert!(outbox.durable() <= BatchNumber(stored));
            prop_assert_eq!(outbox.last_submitted(), BatchNumber(submitted));
        }
    }
}
