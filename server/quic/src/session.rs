//! One stream of batches: its frames are read, decoded and submitted to the producer's shard. The reader and the writer
//! of acknowledgements are a task each; the shard's thread stands between them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use quinn::{RecvStream, SendStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use zonelake_ingest::{
    ArrowDecoder, BatchContext, BatchSummary, DecodedBatch, LineDecoder, PendingBatch, Precision, Refusal, Reply,
    StreamEvent, split_decoded,
};
use zonelake_schemas::wire::control::{Encoding, RefusedCode};
use zonelake_schemas::wire::frame::{FrameKind, control_frame, split_batch};
use zonelake_schemas::{BatchNumber, StreamKey};
use zonelake_storage::{Entry, SequencedBatch};

use crate::acks::{AckWriter, send_refusal};
use crate::connection::ConnectionState;
use crate::frames::{read_body, read_header, too_slow};
use crate::open::{OpenedStream, open_stream, read_open};
use crate::shared::SharedState;

/// Reader of one stream that is open.
struct Session {
    shared: Arc<SharedState>,
    stream: OpenedStream,
    decoder: Decoder,
    /// Permits of the connection for bytes that may wait for acknowledgement.
    unacked: Arc<Semaphore>,
    events: mpsc::UnboundedSender<StreamEvent>,
    submitted: u64,
}

enum Decoder {
    Arrow(ArrowDecoder),
    Line(LineDecoder),
}

/// Serves one stream from `Open` to its end.
pub(crate) async fn serve_stream(
    shared: Arc<SharedState>,
    mut send: SendStream,
    mut receive: RecvStream,
    connection: Arc<ConnectionState>,
) {
    // Each step is boxed: a stream, of which there are thousands, then takes memory for its present step alone.
    let request = match Box::pin(read_open(&shared, connection.peer(), &mut receive)).await {
        Ok(Some(request)) => request,
        Ok(None) => return,
        Err(refusal) => return send_refusal(&shared, &mut send, &refusal, BatchNumber(0), BatchNumber(0)).await,
    };
    // The token is valid, whatever else of `Open` may be refused.
    connection.handle_authenticated();
    let stream = match Box::pin(open_stream(&shared, request)).await {
        Ok(stream) => stream,
        Err(refusal) => return send_refusal(&shared, &mut send, &refusal, BatchNumber(0), BatchNumber(0)).await,
    };
    let (events, outcomes) = mpsc::unbounded();
    let (producer, key, id) = (stream.producer, stream.key(), stream.id);
    let session = Session::new(Arc::clone(&shared), stream, Arc::clone(connection.unacked()), events);
    session.exchange(send, receive, outcomes).await;
    shared.pipeline.close_stream(producer, key, id).await;
}

impl OpenedStream {
    fn key(&self) -> StreamKey {
        StreamKey { table: self.table.registered.id, lane: self.lane }
    }
}

impl Session {
    fn new(
        shared: Arc<SharedState>,
        stream: OpenedStream,
        unacked: Arc<Semaphore>,
        events: mpsc::UnboundedSender<StreamEvent>,
    ) -> Self {
        let table = &stream.table.registered;
        let decoder = match stream.encoding {
            Encoding::Arrow => Decoder::Arrow(ArrowDecoder::new(table, shared.options.decode.clone())),
            Encoding::Line => Decoder::Line(LineDecoder::new(table, Precision::Nanoseconds)),
            Encoding::Unstated => unreachable!("a stream without an encoding is not opened"),
        };
        Self { shared, stream, decoder, unacked, events, submitted: 0 }
    }

    /// Batches up and acknowledgements down, until either side ends.
    async fn exchange(self, mut send: SendStream, receive: RecvStream, outcomes: mpsc::UnboundedReceiver<StreamEvent>) {
        let opened = self.stream.message(&self.shared);
        if send.write_all(&control_frame(FrameKind::Opened, &opened)).await.is_err() {
            return;
        }
        // The reader ends when the writer has refused, since nothing more would be stored.
        let (writer_ended, ended) = watch::channel(false);
        let writer = AckWriter::new(Arc::clone(&self.shared), send, self.stream.last);
        let writing = tokio::spawn(async move {
            writer.run(outcomes).await;
            // Fails where the reader has ended first, and then nobody has to know.
            writer_ended.send(true).ok();
        });
        Box::pin(self.read(receive, ended)).await;
        if writing.await.is_err() {
            tracing::error!("a stream's writer has panicked");
        }
    }

    async fn read(mut self, mut receive: RecvStream, mut ended: watch::Receiver<bool>) {
        let mut stopping = self.shared.stopping.clone();
        // Made once: all streams wait for the same value, and a new wait with each frame would be a lock for all.
        let mut ended = pin!(ended.wait_for(|ended| *ended));
        let mut stopping = pin!(stopping.wait_for(|stopping| *stopping));
        let result = loop {
            tokio::select! {
                biased;
                _ = &mut ended => break Ok(()),
                _ = &mut stopping => break Err((Refusal::shutting_down(), BatchNumber(0))),
                step = self.handle_frame(&mut receive) => match step {
                    Ok(true) => {}
                    Ok(false) => break Ok(()),
                    Err(refused) => break Err(refused),
                },
            }
        };
        let submitted = self.submitted;
        let event = match result {
            Ok(()) => StreamEvent::Finished { submitted },
            Err((refusal, number)) => StreamEvent::Refused { refusal, number, submitted },
        };
        // Fails where the writer has ended first, which has refused the stream itself then.
        self.events.unbounded_send(event).ok();
        drop(self.events);
        // Frames that still come are of no use; the code says that the reason stands in the other direction. A stream
        // that has ended already needs no stop.
        receive.stop(quinn::VarInt::from_u32(0)).ok();
    }

    /// Reads and handles one frame; false at the end of the stream.
    async fn handle_frame(&mut self, receive: &mut RecvStream) -> Result<bool, (Refusal, BatchNumber)> {
        let none = |refusal| (refusal, BatchNumber(0));
        let options = &self.shared.options;
        let wait = options.frame_timeout;
        let header = read_header(receive, options.frame_bytes_max, wait).await.map_err(none)?;
        let Some(header) = header else { return Ok(false) };
        // In this order, each step waits only for what is held by steps behind it, and the last of them for nothing. So
        // nothing deadlocks. The table comes first, with nothing in hand: senders of a table whose flush falls behind
        // hold nothing that others wait for.
        self.shared.pipeline.wait_for_capacity(&self.stream.table).await;
        let bytes = header.body_bytes.clamp(1, options.unacked_bytes_max);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let unacked = Arc::clone(&self.unacked).acquire_many_owned(bytes).await.expect("it is never closed");
        let of_gateway = self.shared.gateway_quota.reserve(self.stream.gateway.id, header.body_bytes).await;
        let permit = self.shared.pipeline.reserve_frame(header.body_bytes).await;
        // The sender's time begins here: until now it was the server that let the sender wait.
        let body = tokio::time::timeout(wait, read_body(receive, header.body_bytes)).await;
        let body = body.map_err(|_elapsed| none(too_slow(wait)))?.map_err(none)?;
        match (header.kind, &mut self.decoder) {
            (FrameKind::Schema, Decoder::Arrow(decoder)) => decoder.handle_schema(&body).map_err(none)?,
            (FrameKind::Dictionary, Decoder::Arrow(decoder)) => {
                let _permit = self.shared.pipeline.decoder_permit().await;
                decoder.handle_dictionary(body).map_err(none)?;
            }
            (FrameKind::Batch, _) => {
                let arrived = self.shared.pipeline.store().clock().monotonic();
                self.handle_batch(&body, arrived, permit, vec![of_gateway, unacked]).await?;
            }
            (kind, _) => {
                let message = format!("a frame {kind:?} does not belong here");
                return Err(none(Refusal::new(RefusedCode::Protocol, message)));
            }
        }
        Ok(true)
    }

    async fn handle_batch(
        &mut self,
        body: &Bytes,
        arrived: Duration,
        frame: OwnedSemaphorePermit,
        mut permits: Vec<OwnedSemaphorePermit>,
    ) -> Result<(), (Refusal, BatchNumber)> {
        let (number, payload) = split_batch(body)
            .map_err(|error| (Refusal::new(RefusedCode::Protocol, error.to_string()), BatchNumber(0)))?;
        let payload = body.slice_ref(payload);
        // A token may be revoked while its streams are open.
        if self.shared.pipeline.store().registry().gateway(self.stream.gateway.id).is_none() {
            return Err((Refusal::new(RefusedCode::Token, "the token was revoked"), number));
        }
        self.shared.pipeline.check_disk_space().map_err(|refusal| (refusal, number))?;
        let shared = Arc::clone(&self.shared);
        let decoding = shared.pipeline.decoder_permit().await;
        let (digest, decoded) = self.decode(number, payload).map_err(|refusal| (refusal, number))?;
        let (summary, stored, rejected) = split_decoded(number, decoded).map_err(|refusal| (refusal, number))?;
        let stream = &self.stream;
        let entry = Entry {
            sequenced: Some(SequencedBatch {
                producer: stream.producer,
                epoch: stream.epoch,
                stream: stream.key(),
                number,
                digest,
            }),
            gateway: stream.gateway.id,
            lane: stream.lane,
            table: Arc::clone(&stream.table),
            stored,
            rejected,
        };
        // The decoder's permit is held until the decoded batch is reserved: batches larger than their frames wait here,
        // at most one for each decoder.
        let batch = shared.pipeline.reserve_batch(&entry).await.map_err(|refusal| (refusal, number))?;
        drop((decoding, frame));
        let reply = Reply::Stream(self.events.clone(), Box::new(BatchSummary { arrived, ..summary }));
        permits.push(batch);
        let pending = PendingBatch { entry, session: Some(self.stream.id), permits: Some(permits), reply };
        shared.pipeline.submit(pending).await.map_err(|refusal| (refusal, number))?;
        // Behind the wait, which may be cut off: only what the shard has is waited for at the end.
        self.submitted += 1;
        Ok(())
    }

    fn decode(&mut self, number: BatchNumber, payload: Bytes) -> Result<(u64, DecodedBatch), Refusal> {
        let store = self.shared.pipeline.store();
        let context = BatchContext {
            registry: store.registry(),
            gateway: &self.stream.gateway,
            producer: &self.stream.producer_name,
            epoch: self.stream.epoch,
            number: Some(number),
            lane: self.stream.lane,
            now_us: store.clock().wall_us(),
            table: &self.stream.table.registered,
            rejected: &store.rejected().registered,
            limits: &self.shared.options.decode,
        };
        match &mut self.decoder {
            Decoder::Arrow(decoder) => Ok((decoder.digest(&payload), decoder.decode(payload, &context)?)),
            Decoder::Line(decoder) => Ok((decoder.digest(&payload), decoder.decode(&payload, &context)?)),
        }
    }
}
