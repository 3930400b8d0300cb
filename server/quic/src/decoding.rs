//! Decoding of one stream's frames, as a job of the threads that decode.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use zonelake_ingest::{
    ArrowDecoder, BatchContext, BatchSummary, DecodePlace, DecodedBatch, LineDecoder, Precision, Refusal, split_decoded,
};
use zonelake_registry::Gateway;
use zonelake_schemas::wire::control::{Encoding, RefusedCode};
use zonelake_schemas::wire::frame::FrameKind;
use zonelake_schemas::{BatchNumber, Principal};
use zonelake_storage::{Entry, SequencedBatch};

use crate::open::OpenedStream;
use crate::shared::SharedState;

/// Decoder of one stream.
pub(crate) enum StreamDecoder {
    Arrow(ArrowDecoder),
    Line(LineDecoder),
}

/// A batch to be decoded, with everything that it is decoded against.
pub(crate) struct BatchJob {
    pub(crate) shared: Arc<SharedState>,
    pub(crate) stream: Arc<OpenedStream>,
    /// The gateway as it is now, with what it may write.
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) number: BatchNumber,
    pub(crate) payload: Bytes,
    /// Monotonic time at which the batch had arrived.
    pub(crate) arrived: Duration,
    /// True where its number is not the next of its stream: it is compared by its digest alone, and not decoded.
    pub(crate) check_only: bool,
}

/// A batch that is ready for its shard.
pub(crate) struct ReadyBatch {
    pub(crate) entry: Entry,
    pub(crate) summary: BatchSummary,
    pub(crate) memory: Memory,
}

/// Memory of a decoded batch.
pub(crate) enum Memory {
    /// It takes none.
    None,
    /// It is reserved.
    Reserved(OwnedSemaphorePermit),
    /// So many bytes were not free. Until they are reserved, the batch keeps its place among those that decode: no more
    /// batches than threads are without a reservation.
    Awaited(DecodePlace),
}

impl StreamDecoder {
    /// A decoder for the encoding of the stream.
    pub(crate) fn new(shared: &SharedState, stream: &OpenedStream) -> Self {
        let table = &stream.table.registered;
        match stream.encoding {
            Encoding::Arrow => Self::Arrow(ArrowDecoder::new(table, shared.options.decode.clone())),
            Encoding::Line => Self::Line(LineDecoder::new(table, Precision::Nanoseconds)),
            Encoding::Unstated => unreachable!("a stream without an encoding is not opened"),
        }
    }

    /// Bytes that a frame decodes to, as far as it tells before.
    pub(crate) fn decoded_bytes(&self, payload: &[u8]) -> u64 {
        match self {
            Self::Arrow(decoder) => decoder.decoded_bytes(payload),
            Self::Line(decoder) => decoder.decoded_bytes(payload),
        }
    }

    /// Takes a schema or a dictionary.
    pub(crate) fn handle_prelude(&mut self, kind: FrameKind, body: Bytes) -> Result<(), Refusal> {
        match (kind, self) {
            (FrameKind::Schema, Self::Arrow(decoder)) => decoder.handle_schema(&body),
            (FrameKind::Dictionary, Self::Arrow(decoder)) => decoder.handle_dictionary(body),
            (kind, _) => {
                let message = format!("a frame {kind:?} does not belong here");
                Err(Refusal::new(RefusedCode::Protocol, message))
            }
        }
    }

    fn digest(&self, payload: &[u8]) -> u64 {
        match self {
            Self::Arrow(decoder) => decoder.digest(payload),
            Self::Line(decoder) => decoder.digest(payload),
        }
    }

    fn decode(&mut self, payload: Bytes, context: &BatchContext<'_>) -> Result<DecodedBatch, Refusal> {
        match self {
            Self::Arrow(decoder) => decoder.decode(payload, context),
            Self::Line(decoder) => decoder.decode(&payload, context),
        }
    }
}

impl BatchJob {
    /// Decodes the batch and reserves its memory, where that is free.
    pub(crate) fn run(self, decoder: &mut StreamDecoder, place: DecodePlace) -> Result<ReadyBatch, Refusal> {
        let digest = decoder.digest(&self.payload);
        let decoded = match self.check_only {
            true => DecodedBatch::default(),
            false => self.decode(decoder)?,
        };
        let (summary, stored, rejected) = split_decoded(self.number, decoded)?;
        let stream = &self.stream;
        let entry = Entry {
            sequenced: Some(SequencedBatch {
                producer: stream.producer,
                epoch: stream.epoch,
                stream: stream.key(),
                number: self.number,
                digest,
            }),
            principal: Principal::Gateway(stream.gateway.id),
            lane: stream.lane,
            table: Arc::clone(&stream.table),
            stored,
            rejected,
        };
        let memory = match self.check_only {
            true => Memory::None,
            false => {
                place.charge(entry.log_bytes());
                let reserved = self.shared.pipeline.try_reserve_batch(&entry)?;
                reserved.map_or_else(|| Memory::Awaited(place), Memory::Reserved)
            }
        };
        let summary = BatchSummary { arrived: self.arrived, frame_bytes: self.payload.len() as u64, ..summary };
        Ok(ReadyBatch { entry, summary, memory })
    }

    fn decode(&self, decoder: &mut StreamDecoder) -> Result<DecodedBatch, Refusal> {
        let store = self.shared.pipeline.store();
        let context = BatchContext {
            registry: store.registry(),
            gateway: &self.gateway,
            producer: &self.stream.producer_name,
            epoch: self.stream.epoch,
            number: Some(self.number),
            lane: self.stream.lane,
            now_us: store.clock().wall_us(),
            table: &self.stream.table.registered,
            rejected: &store.rejected().registered,
            limits: &self.shared.options.decode,
        };
        decoder.decode(self.payload.clone(), &context)
    }
}
