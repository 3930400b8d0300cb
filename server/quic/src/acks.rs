//! The way back to the gateway: acknowledgements of batches, and the refusal that ends a stream.
//!
//! An acknowledgement says that the batches up to its sequence number are durable and visible to queries. They survive
//! a crash of the process and a loss of power.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use quinn::SendStream;
use zonelake_ingest::{BatchSummary, Refusal, SenderPermits, StreamEvent};
use zonelake_net::Cause;
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::control::{Ack, Refused, RefusedCode};
use zonelake_schemas::wire::frame::{FrameKind, control_frame};
use zonelake_storage::Outcome;

use crate::ahead::Ahead;
use crate::connection::ConnectionState;
use crate::frames::write_frame;
use crate::log_limit::shown;
use crate::shared::SharedState;

/// Writer of the acknowledgements of one stream.
pub(crate) struct AckWriter {
    shared: Arc<SharedState>,
    connection: Arc<ConnectionState>,
    send: SendStream,
    /// Last sequence number that is durable.
    last: BatchNumber,
    /// Batches whose outcome is known.
    done: u64,
    ahead: Ahead,
    end: Option<StreamEnd>,
}

/// The end of a stream, due once the outcome of all submitted batches is known.
struct StreamEnd {
    submitted: u64,
    refusal: Option<(Refusal, BatchNumber)>,
}

impl AckWriter {
    /// A writer for a stream whose last durable sequence number is `last`.
    pub(crate) fn new(
        shared: Arc<SharedState>,
        connection: Arc<ConnectionState>,
        send: SendStream,
        last: BatchNumber,
    ) -> Self {
        let ahead = Ahead::new(shared.options.unacked_bytes_max);
        Self { shared, connection, send, last, done: 0, ahead, end: None }
    }

    /// Writes acknowledgements until the stream has ended or is refused, or the gateway has gone or does not read them.
    pub(crate) async fn run(mut self, mut events: mpsc::UnboundedReceiver<StreamEvent>) {
        while let Some(first) = events.next().await {
            // The permits of the batches end with this turn: when their acknowledgement is written.
            let (ack, refused, _permits) = self.handle_events(first, &mut events);
            // Batches before a refused one are acknowledged first: the gateway must not send them again.
            if ack.number > 0 {
                let (frame, wait) = (control_frame(FrameKind::Ack, &ack), self.shared.options.frame_timeout);
                if let Err(reason) = write_frame(&mut self.send, &frame, wait).await {
                    return self.connection.handle_not_written(reason);
                }
            }
            if let Some((refusal, number)) = refused {
                return send_refusal(&self.shared, &self.connection, &mut self.send, &refusal, number, self.last).await;
            }
            if let Some(end) = self.end.take_if(|end| end.submitted == self.done) {
                match end.refusal {
                    Some((refusal, number)) => {
                        send_refusal(&self.shared, &self.connection, &mut self.send, &refusal, number, self.last).await;
                    }
                    // A gateway that is gone already needs no end.
                    None => drop(self.send.finish()),
                }
                return;
            }
        }
    }

    /// Handles an event and those that wait behind it, so that they become one acknowledgement. Gives back the
    /// acknowledgement, the first refusal of a batch, and the permits of all of them.
    fn handle_events(
        &mut self,
        first: StreamEvent,
        events: &mut mpsc::UnboundedReceiver<StreamEvent>,
    ) -> (Ack, Option<(Refusal, BatchNumber)>, Vec<SenderPermits>) {
        let more = std::iter::from_fn(|| events.try_recv().ok());
        let received = std::iter::once(first).chain(more).take(EVENTS_AT_ONCE);
        let mut ack = Ack::default();
        let mut refused = None;
        let mut held = Vec::new();
        let now = self.shared.pipeline.store().clock().monotonic();
        for event in received {
            match event {
                StreamEvent::Done(summary, result, permits) => {
                    self.done += 1;
                    held.push(permits);
                    match result {
                        Ok(outcome) => self.add(&mut ack, *summary, outcome, now),
                        Err(refusal) => refused = refused.or(Some((refusal, summary.number))),
                    }
                }
                StreamEvent::Refused { refusal, number, submitted } => {
                    self.end = Some(StreamEnd { submitted, refusal: Some((refusal, number)) });
                }
                StreamEvent::Finished { submitted } => self.end = Some(StreamEnd { submitted, refusal: None }),
            }
        }
        if ack.number > 0 {
            ack.unacked_bytes_max = self.ahead.poll_limit(now).unwrap_or(0);
        }
        (ack, refused, held)
    }

    fn add(&mut self, ack: &mut Ack, summary: BatchSummary, outcome: Outcome, now: Duration) {
        let metrics = self.shared.pipeline.metrics();
        self.ahead.handle_durable(summary.frame_bytes);
        metrics.ack_seconds.observe(now.saturating_sub(summary.arrived).as_secs_f64());
        self.last = self.last.max(summary.number);
        ack.number = self.last.0;
        if outcome == Outcome::Repeated {
            // The batch was counted when it was stored, perhaps before a restart.
            ack.repeated_batches += 1;
            metrics.repeated_batches.inc();
            return;
        }
        metrics.count_stored(&summary);
        ack.rows += summary.rows;
        ack.readings += summary.readings;
        ack.rejected_rows += summary.rejected_rows;
        ack.rejected_readings += summary.rejected_readings;
        let left = REJECTIONS_MAX.saturating_sub(ack.rejections.len());
        ack.rejections.extend(summary.rejections.into_iter().take(left));
    }
}

/// Sends the refusal that ends a stream. `number` is the batch at fault, 0 where none is; `last` the last durable one.
pub(crate) async fn send_refusal(
    shared: &SharedState,
    connection: &ConnectionState,
    send: &mut SendStream,
    refusal: &Refusal,
    number: BatchNumber,
    last: BatchNumber,
) {
    shared.pipeline.metrics().refusals.inc();
    // Some messages repeat a name that was sent, which may be as long as its frame.
    let message = shown(&refusal.message, MESSAGE_BYTES_MAX);
    let log = if connection.is_authenticated() { &shared.logs.gateways } else { &shared.logs.strangers };
    if let Some(left_out) = log.allow(shared.pipeline.store().clock().monotonic()) {
        tracing::info!(code = ?refusal.code, number = %number, left_out, "refused: {message}");
    }
    let refused = Refused {
        code: refusal.code as i32,
        message,
        number: number.0,
        last_number: last.0,
        retry_after_ms: retry_after_ms(refusal.code),
    };
    // A gateway that is gone cannot be told, and learns its last number when it opens the stream again.
    let frame = control_frame(FrameKind::Refused, &refused);
    write_frame(send, &frame, shared.options.frame_timeout).await.ok();
    send.finish().ok();
}

fn retry_after_ms(code: RefusedCode) -> u32 {
    match code {
        // Refused for good where the table of codes has no retry.
        code if !Cause::from(code).codes().retry => 0,
        RefusedCode::Unavailable => 5_000,
        RefusedCode::Gap => 1,
        _ => 1_000,
    }
}

/// Events that the writer takes at once; they become one acknowledgement.
const EVENTS_AT_ONCE: usize = 256;
/// Bytes of a refusal's message; what is longer is cut.
const MESSAGE_BYTES_MAX: usize = 4_096;
/// Rejections that one acknowledgement names.
const REJECTIONS_MAX: usize = 16;
