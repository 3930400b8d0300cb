//! One stream of batches: its frames are read, decoded and submitted to the producer's shard. The reader and the writer
//! of acknowledgements are a task each; the threads that decode and the shard's thread stand between them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use quinn::{RecvStream, SendStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use zonelake_ingest::{
    DecodeError, DecodePlace, DecodeQueue, PendingBatch, Refusal, Reply, SenderPermits, StreamEvent,
};
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::wire::frame::{FrameKind, control_frame, split_batch};

use crate::acks::{AckWriter, send_refusal};
use crate::connection::ConnectionState;
use crate::decoding::{BatchJob, Memory, ReadyBatch, StreamDecoder};
use crate::frames::{read_body, read_header, write_frame};
use crate::open::{FirstFrame, OpenedStream, open_stream, read_first};
use crate::shared::SharedState;

/// Reader of one stream that is open.
struct Session {
    shared: Arc<SharedState>,
    connection: Arc<ConnectionState>,
    stream: Arc<OpenedStream>,
    /// Away while a frame is decoded.
    decoder: Option<StreamDecoder>,
    /// Queue of the gateway's jobs.
    decoding: DecodeQueue,
    events: mpsc::UnboundedSender<StreamEvent>,
    /// Number of the last batch that was submitted here or stored before.
    last_submitted: BatchNumber,
    submitted: u64,
}

fn token_ended() -> Refusal {
    Refusal::new(RefusedCode::Token, "the token was revoked or has expired")
}

/// A refusal with the batch at fault, 0 where none is.
type RefusedBatch = (Refusal, BatchNumber);

/// Serves one stream from `Open` to its end.
pub(crate) async fn serve_stream(
    shared: Arc<SharedState>,
    mut send: SendStream,
    mut receive: RecvStream,
    connection: Arc<ConnectionState>,
) {
    // Each step is boxed: a stream, of which there are thousands, then takes memory for its present step alone.
    let first = match Box::pin(read_first(&shared, &connection, &mut receive)).await {
        Ok(Some(first)) => first,
        Ok(None) => return,
        Err(refusal) => {
            send_refusal(&shared, &connection, &mut send, &refusal, BatchNumber(0), BatchNumber(0)).await;
            if refusal.code == RefusedCode::Token {
                Box::pin(connection.close_without_token(&mut send)).await;
            }
            return;
        }
    };
    // The token is valid, whatever else of `Open` may be refused.
    connection.handle_authenticated();
    let request = match first {
        FirstFrame::Open(request) => request,
        FirstFrame::Pushes(request) => {
            if let Err(refusal) = Box::pin(request.serve(&shared, &mut send)).await {
                send_refusal(&shared, &connection, &mut send, &refusal, BatchNumber(0), BatchNumber(0)).await;
            }
            return;
        }
    };
    let stream = match Box::pin(open_stream(&shared, request)).await {
        Ok(stream) => Arc::new(stream),
        Err(refusal) => {
            return send_refusal(&shared, &connection, &mut send, &refusal, BatchNumber(0), BatchNumber(0)).await;
        }
    };
    let (events, outcomes) = mpsc::unbounded();
    let (producer, key, id) = (stream.producer, stream.key(), stream.id);
    let session = Session::new(Arc::clone(&shared), connection, stream, events);
    session.exchange(send, receive, outcomes).await;
    shared.pipeline.close_stream(producer, key, id).await;
}

impl Session {
    fn new(
        shared: Arc<SharedState>,
        connection: Arc<ConnectionState>,
        stream: Arc<OpenedStream>,
        events: mpsc::UnboundedSender<StreamEvent>,
    ) -> Self {
        let decoder = Some(StreamDecoder::new(&shared, &stream));
        let decoding = shared.pipeline.decoders().queue(stream.gateway.id);
        let last_submitted = stream.last;
        Self { shared, connection, stream, decoder, decoding, events, last_submitted, submitted: 0 }
    }

    /// Batches up and acknowledgements down, until either side ends.
    async fn exchange(self, mut send: SendStream, receive: RecvStream, outcomes: mpsc::UnboundedReceiver<StreamEvent>) {
        let opened = control_frame(FrameKind::Opened, &self.stream.message(&self.shared));
        if let Err(reason) = write_frame(&mut send, &opened, self.shared.options.frame_timeout).await {
            return self.connection.handle_not_written(reason);
        }
        // The reader ends when the writer has refused, since nothing more would be stored.
        let (writer_ended, ended) = watch::channel(false);
        let writer = AckWriter::new(Arc::clone(&self.shared), Arc::clone(&self.connection), send, self.stream.last);
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
        let mut revoked = pin!(self.stream.credential.clone().ended());
        let result = loop {
            tokio::select! {
                biased;
                _ = &mut ended => break Ok(()),
                _ = &mut stopping => break Err((Refusal::shutting_down(), BatchNumber(0))),
                () = &mut revoked => break Err((token_ended(), BatchNumber(0))),
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
    async fn handle_frame(&mut self, receive: &mut RecvStream) -> Result<bool, RefusedBatch> {
        let none = |refusal| (refusal, BatchNumber(0));
        let options = &self.shared.options;
        let wait = options.frame_timeout;
        let header = read_header(receive, options.frame_bytes_max, wait).await.map_err(none)?;
        let Some(header) = header else { return Ok(false) };
        // In this order, each step waits only for what is held by steps behind it, and the last of them for nothing. So
        // nothing deadlocks. The table comes first, with nothing in hand: senders of a table whose flush falls behind
        // hold nothing that others wait for.
        self.shared.pipeline.wait_for_capacity(&self.stream.table).await;
        let unacked = self.connection.reserve_unacked(header.body_bytes, options.unacked_bytes_max).await;
        let of_gateway = self.shared.gateway_quota.reserve(self.stream.gateway.id, header.body_bytes).await;
        let frame = self.shared.pipeline.reserve_frame(header.body_bytes).await;
        // The sender's time begins here: until now it was the server that let the sender wait.
        let body = read_body(receive, header.body_bytes, wait).await.map_err(none)?;
        if header.kind == FrameKind::Batch {
            let arrived = self.shared.pipeline.store().clock().monotonic();
            self.handle_batch(body, arrived, frame, vec![of_gateway, unacked]).await?;
        } else {
            let bytes = self.decoded_bytes(&body);
            let _decoded = self.shared.pipeline.reserve_decoded(self.stream.gateway.id, bytes).await;
            let kind = header.kind;
            self.decode(bytes, move |decoder, _place| decoder.handle_prelude(kind, body)).await.map_err(none)?;
        }
        Ok(true)
    }

    async fn handle_batch(
        &mut self,
        body: Bytes,
        arrived: Duration,
        frame: OwnedSemaphorePermit,
        mut permits: SenderPermits,
    ) -> Result<(), RefusedBatch> {
        let (number, payload) = split_batch(&body)
            .map_err(|error| (Refusal::new(RefusedCode::Protocol, error.to_string()), BatchNumber(0)))?;
        let payload = body.slice_ref(payload);
        let refused = |refusal| (refusal, number);
        let pipeline = &self.shared.pipeline;
        // A token may end while its streams are open.
        let gateway = pipeline.store().registry().gateway(self.stream.gateway.id);
        let gateway = gateway.filter(|_| self.stream.credential.holds());
        let gateway = gateway.ok_or_else(|| refused(token_ended()))?;
        pipeline.check_disk_space().map_err(refused)?;
        // Whatever the shard will say of another number, it needs no rows for that.
        let check_only = number.0 != self.last_submitted.0 + 1;
        let bytes = if check_only { payload.len() as u64 } else { self.decoded_bytes(&payload) };
        permits.push(pipeline.reserve_decoded(self.stream.gateway.id, bytes).await);
        let (shared, stream) = (Arc::clone(&self.shared), Arc::clone(&self.stream));
        let job = BatchJob { shared, stream, gateway, number, payload, arrived, check_only };
        let ready = self.decode(bytes, move |decoder, place| job.run(decoder, place)).await.map_err(refused)?;
        let ReadyBatch { entry, summary, memory } = ready;
        let pipeline = &self.shared.pipeline;
        let memory = match memory {
            Memory::None => None,
            Memory::Reserved(permit) => Some(permit),
            // The place among those that decode ends behind the wait.
            Memory::Awaited(_place) => Some(pipeline.reserve_batch(&entry).await.map_err(refused)?),
        };
        drop(frame);
        let reply = Reply::Stream(self.events.clone(), Box::new(summary), permits);
        pipeline
            .submit(PendingBatch { entry, session: Some(self.stream.id), check_only, memory, reply })
            .await
            .map_err(refused)?;
        // Behind the wait, which may be cut off: only what the shard has is waited for at the end.
        self.submitted += 1;
        if !check_only {
            self.last_submitted = number;
        }
        Ok(())
    }

    fn decoded_bytes(&self, payload: &[u8]) -> u64 {
        self.decoder.as_ref().map_or(payload.len() as u64, |decoder| decoder.decoded_bytes(payload))
    }

    /// Does a job with the decoder of this stream, in the gateway's turn.
    async fn decode<T, F>(&mut self, bytes: u64, job: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&mut StreamDecoder, DecodePlace) -> Result<T, Refusal> + Send + 'static,
    {
        // Away for good where a job before has panicked; its stream has ended with that.
        let Some(mut decoder) = self.decoder.take() else { return Err(Refusal::internal(&DecodeError)) };
        let done = self.decoding.run(bytes, move |place| {
            let result = job(&mut decoder, place);
            (decoder, result)
        });
        let (decoder, result) = done.await.map_err(|error| Refusal::internal(&error))?;
        self.decoder = Some(decoder);
        result
    }
}
