//! Batch sequence numbers: which one a stream may send next, which ones are known already, and which producers are
//! fenced. Pure state, the same whether it is fed by the network or by a replay of the WAL.

use std::collections::{BTreeMap, HashMap, VecDeque};

use zonelake_schemas::{BatchNumber, Epoch, GroupSequence, Lane, ProducerId, StreamKey, TableId};

use crate::shard::record::header::{ProducerHeader, StreamHeader, StreamsHeader};
use crate::shard::request_keys::Keys;
use crate::shard::routing::shard_key_of;

/// Result of checking a batch sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequenceCheck {
    /// The batch is the next one: store it.
    Next,
    /// The batch is stored already: acknowledge it and do not store it again.
    Repeated,
    /// The number was stored with other content.
    OtherContent,
    /// The number was stored so long ago that its content is not remembered. No sender comes to it that begins behind
    /// the last number that it was told.
    Forgotten {
        /// The number that would be next.
        expected: BatchNumber,
    },
    /// Batches in front of it are missing.
    Gap {
        /// The number that would be next.
        expected: BatchNumber,
    },
    /// A later epoch of the producer has begun.
    Fenced {
        /// That epoch.
        epoch: Epoch,
    },
}

/// State of all streams of one shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streams {
    producers: BTreeMap<ProducerId, Producer>,
    /// Keys of requests without a batch sequence number. Those of a principal are where a producer of its number would
    /// be.
    pub(crate) keys: Keys,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Producer {
    epoch: Epoch,
    streams: BTreeMap<StreamKey, Stream>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stream {
    last: BatchNumber,
    recent_digests: VecDeque<u64>,
    /// The stream has advanced since digests were last forgotten.
    is_active: bool,
}

/// A batch by its sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencedBatch {
    /// Producer that sends it.
    pub producer: ProducerId,
    /// Epoch of the producer.
    pub epoch: Epoch,
    /// Stream of the producer.
    pub stream: StreamKey,
    /// Sequence number in the stream.
    pub number: BatchNumber,
    /// Digest of what was sent.
    pub digest: u64,
}

impl Streams {
    /// The highest epoch that a producer has begun; 0 where it is unknown.
    pub fn epoch(&self, producer: ProducerId) -> Epoch {
        self.producers.get(&producer).map_or(Epoch(0), |producer| producer.epoch)
    }

    /// The last durable number of a stream in an epoch that is not fenced.
    pub fn last(&self, producer: ProducerId, epoch: Epoch, stream: StreamKey) -> BatchNumber {
        self.producers
            .get(&producer)
            .filter(|producer| producer.epoch == epoch)
            .and_then(|producer| producer.streams.get(&stream))
            .map_or(BatchNumber(0), |stream| stream.last)
    }

    /// Checks a batch.
    pub fn classify(&self, batch: &SequencedBatch) -> SequenceCheck {
        let last = self.last(batch.producer, batch.epoch, batch.stream);
        self.classify_after(batch, self.epoch(batch.producer), last, None)
    }

    /// Checks a batch by an epoch and a last number that may be ahead of this state. `ahead` is the digest where the
    /// batch of that number is not in this state yet.
    fn classify_after(
        &self,
        batch: &SequencedBatch,
        epoch: Epoch,
        last: BatchNumber,
        ahead: Option<u64>,
    ) -> SequenceCheck {
        // The epoch comes first: a fenced producer learns that it is fenced, whatever number it sends.
        if batch.epoch < epoch {
            return SequenceCheck::Fenced { epoch };
        }
        if batch.number.0 == last.0 + 1 {
            return SequenceCheck::Next;
        }
        if batch.number > last || batch.number.0 == 0 {
            return SequenceCheck::Gap { expected: BatchNumber(last.0 + 1) };
        }
        match ahead.or_else(|| self.digest(batch)) {
            Some(digest) if digest == batch.digest => SequenceCheck::Repeated,
            Some(_) => SequenceCheck::OtherContent,
            None => SequenceCheck::Forgotten { expected: BatchNumber(last.0 + 1) },
        }
    }

    /// The digest under which a batch's number is remembered.
    fn digest(&self, batch: &SequencedBatch) -> Option<u64> {
        let producer = self.producers.get(&batch.producer).filter(|producer| producer.epoch == batch.epoch)?;
        let stream = producer.streams.get(&batch.stream)?;
        let behind = usize::try_from(stream.last.0.checked_sub(batch.number.0)?).ok()?;
        stream.recent_digests.iter().rev().nth(behind).copied()
    }

    /// Takes in a batch that [`classify`](Self::classify) has found to be the next one.
    pub fn advance(&mut self, batch: &SequencedBatch) {
        self.begin_epoch(batch.producer, batch.epoch);
        let producer = self.producers.entry(batch.producer).or_default();
        assert!(producer.epoch == batch.epoch, "a fenced batch is never stored");
        let stream = producer.streams.entry(batch.stream).or_default();
        assert!(stream.last.0 + 1 == batch.number.0, "numbers grow by one");
        stream.last = batch.number;
        stream.is_active = true;
        stream.recent_digests.push_back(batch.digest);
        if stream.recent_digests.len() > RECENT_DIGESTS_MAX {
            stream.recent_digests.pop_front();
        }
    }

    /// Begins an epoch if it is later than the current one: earlier ones are fenced, numbers begin again.
    pub fn begin_epoch(&mut self, producer: ProducerId, epoch: Epoch) {
        let state = self.producers.entry(producer).or_default();
        if epoch > state.epoch {
            *state = Producer { epoch, streams: BTreeMap::new() };
        }
    }

    /// Forgets the digests of streams that have not advanced since the last call but the last one, so that the state of
    /// producers that are long gone stays at some twenty bytes each. Called with each new segment of the WAL.
    pub fn forget_idle_digests(&mut self) {
        for stream in self.producers.values_mut().flat_map(|producer| producer.streams.values_mut()) {
            if !stream.is_active {
                stream.recent_digests = stream.recent_digests.back().copied().into_iter().collect();
            }
            stream.is_active = false;
        }
    }

    /// Takes over a state from the WAL or its checkpoint, which replaces what is known of its producers.
    pub fn restore(&mut self, header: &StreamsHeader) {
        self.keys.restore(&header.keys);
        for producer in &header.producers {
            let streams = producer.streams.iter().filter_map(|stream| {
                let lane = Lane::from_number(stream.lane)?;
                let recent_digests = stream.recent_digests.iter().copied().collect();
                let key = StreamKey { table: TableId(stream.table), lane };
                Some((key, Stream { last: BatchNumber(stream.last_number), recent_digests, is_active: true }))
            });
            let restored = Producer { epoch: Epoch(producer.epoch), streams: streams.collect() };
            self.producers.insert(ProducerId(producer.producer), restored);
        }
    }

    /// The state as the checkpoint holds it, of the producers that `keep` wants.
    pub fn header(
        &self,
        ingested_at_us: i64,
        sequence: GroupSequence,
        keep: impl Fn(ProducerId) -> bool,
    ) -> StreamsHeader {
        let producers = self.producers.iter().filter(|(id, _)| keep(**id)).map(|(id, producer)| ProducerHeader {
            producer: id.0,
            epoch: producer.epoch.0,
            streams: producer
                .streams
                .iter()
                .map(|(key, stream)| StreamHeader {
                    table: key.table.0,
                    lane: key.lane as u32,
                    last_number: stream.last.0,
                    recent_digests: stream.recent_digests.iter().copied().collect(),
                })
                .collect(),
        });
        let keys = self.keys.headers(|principal| keep(shard_key_of(principal)));
        let producers = producers.collect();
        StreamsHeader { producers, ingested_at_us, keys, sequence: sequence.0, asides: Vec::new() }
    }

    /// The part of the state that belongs to the producers that `keep` wants.
    pub(crate) fn part(&self, keep: impl Fn(ProducerId) -> bool) -> Self {
        let mut part = Self::default();
        part.restore(&self.header(0, GroupSequence(0), keep));
        part
    }

    /// Adds the producers of another shard; no producer is in both.
    pub fn merge(&mut self, other: Self) {
        self.keys.merge(other.keys);
        for (id, producer) in other.producers {
            let previous = self.producers.insert(id, producer);
            assert!(previous.is_none(), "a producer belongs to one shard");
        }
    }
}

/// The batches that a group takes in once it is durable. They count for those behind them in the group; the state
/// itself changes only by [`apply`](Self::apply), so that a group that could not be written has changed nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupSequences {
    taken: Vec<SequencedBatch>,
    /// Epoch and last number that each touched stream will have.
    last: HashMap<(ProducerId, StreamKey), (Epoch, BatchNumber)>,
    /// The highest epoch of each touched producer.
    epochs: HashMap<ProducerId, Epoch>,
}

impl GroupSequences {
    /// Checks a batch behind those that were taken; the next one of its stream is taken too.
    pub(crate) fn classify(&mut self, streams: &Streams, batch: &SequencedBatch) -> SequenceCheck {
        let epoch = streams.epoch(batch.producer).max(self.epochs.get(&batch.producer).copied().unwrap_or_default());
        let key = (batch.producer, batch.stream);
        let ahead = self.last.get(&key).filter(|(of, _)| *of == batch.epoch).map(|(_, number)| *number);
        let last = ahead.unwrap_or_else(|| streams.last(batch.producer, batch.epoch, batch.stream));
        let digest = ahead.filter(|number| batch.number <= *number).and_then(|_| self.digest(batch));
        let check = streams.classify_after(batch, epoch, last, digest);
        if check == SequenceCheck::Next {
            self.taken.push(*batch);
            self.last.insert(key, (batch.epoch, batch.number));
            self.epochs.insert(batch.producer, batch.epoch);
        }
        check
    }

    /// Makes the batches part of the state, once they are durable.
    pub(crate) fn apply(self, streams: &mut Streams) {
        self.taken.iter().for_each(|batch| streams.advance(batch));
    }

    /// Digest of a batch that is in the group already. It searches the whole group, which is rare: a batch sent twice.
    fn digest(&self, batch: &SequencedBatch) -> Option<u64> {
        let is_it = |taken: &&SequencedBatch| {
            let position = |batch: &SequencedBatch| (batch.producer, batch.epoch, batch.stream, batch.number);
            position(taken) == position(batch)
        };
        self.taken.iter().find(is_it).map(|taken| taken.digest)
    }
}

/// Batches of a stream whose content is remembered, so that the same number with another content is noticed. It covers
/// what a gateway may have in flight when its connection breaks.
const RECENT_DIGESTS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: u64, number: u64, digest: u64) -> SequencedBatch {
        let stream = StreamKey { table: TableId(1), lane: Lane::Live };
        SequencedBatch { producer: ProducerId(1), epoch: Epoch(epoch), stream, number: BatchNumber(number), digest }
    }

    #[test]
    fn numbers_go_up_by_one_and_known_ones_are_not_stored_again() {
        let mut streams = Streams::default();
        assert_eq!(streams.classify(&batch(1, 2, 0)), SequenceCheck::Gap { expected: BatchNumber(1) });
        assert_eq!(streams.classify(&batch(1, 0, 0)), SequenceCheck::Gap { expected: BatchNumber(1) });
        for number in 1..=100 {
            assert_eq!(streams.classify(&batch(1, number, number)), SequenceCheck::Next);
            streams.advance(&batch(1, number, number));
        }
        assert_eq!(streams.classify(&batch(1, 100, 100)), SequenceCheck::Repeated);
        assert_eq!(streams.classify(&batch(1, 99, 100)), SequenceCheck::OtherContent);
        assert_eq!(streams.classify(&batch(1, 69, 69)), SequenceCheck::Repeated);
        assert_eq!(streams.classify(&batch(1, 69, 0)), SequenceCheck::OtherContent);
        let forgotten = SequenceCheck::Forgotten { expected: BatchNumber(101) };
        assert_eq!(streams.classify(&batch(1, 68, 68)), forgotten, "32 digests are kept");
        assert_eq!(streams.classify(&batch(1, 1, 0)), forgotten, "whatever it holds, it is not taken for known");
        assert_eq!(streams.classify(&batch(1, 102, 0)), SequenceCheck::Gap { expected: BatchNumber(101) });
    }

    #[test]
    fn a_stream_that_is_idle_knows_the_content_of_its_last_batch() {
        let mut streams = Streams::default();
        (1..=5).for_each(|number| streams.advance(&batch(1, number, number)));
        (0..3).for_each(|_| streams.forget_idle_digests());
        assert_eq!(streams.classify(&batch(1, 5, 5)), SequenceCheck::Repeated);
        assert_eq!(streams.classify(&batch(1, 5, 6)), SequenceCheck::OtherContent);
        assert_eq!(streams.classify(&batch(1, 4, 4)), SequenceCheck::Forgotten { expected: BatchNumber(6) });
    }

    #[test]
    fn a_later_epoch_begins_at_one_and_fences_the_earlier() {
        let mut streams = Streams::default();
        streams.advance(&batch(1, 1, 0));
        assert_eq!(streams.classify(&batch(2, 1, 0)), SequenceCheck::Next);
        streams.begin_epoch(ProducerId(1), Epoch(2));
        assert_eq!(streams.classify(&batch(1, 2, 0)), SequenceCheck::Fenced { epoch: Epoch(2) });
        assert_eq!(streams.last(ProducerId(1), Epoch(2), batch(2, 1, 0).stream), BatchNumber(0));
        streams.advance(&batch(2, 1, 9));
        assert_eq!(streams.classify(&batch(2, 1, 9)), SequenceCheck::Repeated);
    }

    #[test]
    fn a_group_counts_for_what_is_behind_it_and_changes_nothing_before_it_is_applied() {
        let mut streams = Streams::default();
        streams.advance(&batch(1, 1, 1));
        let before = streams.clone();
        let mut group = GroupSequences::default();
        assert_eq!(group.classify(&streams, &batch(1, 2, 2)), SequenceCheck::Next);
        assert_eq!(group.classify(&streams, &batch(1, 3, 3)), SequenceCheck::Next);
        assert_eq!(group.classify(&streams, &batch(1, 3, 3)), SequenceCheck::Repeated);
        assert_eq!(group.classify(&streams, &batch(1, 2, 9)), SequenceCheck::OtherContent);
        assert_eq!(group.classify(&streams, &batch(1, 1, 9)), SequenceCheck::OtherContent);
        assert_eq!(group.classify(&streams, &batch(1, 5, 5)), SequenceCheck::Gap { expected: BatchNumber(4) });
        assert_eq!(group.classify(&streams, &batch(2, 1, 7)), SequenceCheck::Next);
        assert_eq!(group.classify(&streams, &batch(1, 4, 4)), SequenceCheck::Fenced { epoch: Epoch(2) });
        assert_eq!(group.classify(&streams, &batch(2, 1, 8)), SequenceCheck::OtherContent);
        assert_eq!(group.classify(&streams, &batch(2, 2, 8)), SequenceCheck::Next);
        assert_eq!(streams, before);
        group.apply(&mut streams);
        assert_eq!(streams.epoch(ProducerId(1)), Epoch(2));
        assert_eq!(streams.last(ProducerId(1), Epoch(2), batch(2, 1, 0).stream), BatchNumber(2));
        assert_eq!(streams.classify(&batch(2, 1, 7)), SequenceCheck::Repeated);
    }

    #[test]
    fn state_survives_the_way_through_the_log() {
        let mut streams = Streams::default();
        for number in 1..=40 {
            streams.advance(&batch(3, number, number * 7));
        }
        let mut restored = Streams::default();
        restored.restore(&streams.header(5, GroupSequence(9), |_| true));
        assert_eq!(restored, streams);
        assert!(streams.header(5, GroupSequence(9), |_| false).producers.is_empty());
    }
}
