//! Body of a call whose messages have places: before more of a message is read than its first frame, its bytes are taken
//! from a bound, and they are given back when the call asks for what comes behind it. A call that says nothing holds
//! nothing.
//!
//! Each message of gRPC begins with 5 bytes: whether it is compressed (1 byte), and its length (4 bytes, big-endian).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use zonelake_ingest::WriteState;
use zonelake_net::Cause;
use zonelake_schemas::GatewayId;

use crate::status::status;

/// Bound that the messages of a call are counted against.
#[derive(Debug, Clone)]
pub(crate) enum Places {
    /// Rows of a gateway: bytes of its quota, and of the budget that it shares with writes over HTTP.
    Writer {
        /// Where the bounds are.
        write: Arc<WriteState>,
        /// The gateway.
        gateway: GatewayId,
    },
    /// Statements and parameters of a role: one place for each message, whatever its length.
    Reader {
        /// Places of all roles.
        places: Arc<Semaphore>,
        /// Longest message.
        bytes_max: usize,
        /// Longest wait for a place.
        timeout: Duration,
    },
}

/// Place of messages, given back when dropped.
type Place = Vec<OwnedSemaphorePermit>;

impl Places {
    /// Takes places for messages of so many bytes together.
    async fn take(self, bytes: usize) -> Result<Place, Status> {
        let busy =
            || status(Cause::TooManyBytes, "too many bytes of messages are in flight; send the rows again later");
        match self {
            Self::Writer { write, gateway } => {
                let take = async {
                    let quota = write.gateway_quota.reserve(gateway, bytes).await;
                    // The semaphore counts 32 bits, so its unit is a kibibyte.
                    let kib = u32::try_from(bytes.div_ceil(1_024)).unwrap_or(u32::MAX);
                    let budget = Arc::clone(&write.body_budget).acquire_many_owned(kib).await;
                    budget.map(|budget| vec![quota, budget])
                };
                let taken = tokio::time::timeout(write.limits.body_timeout, take).await.map_err(|_elapsed| busy())?;
                taken.map_err(|_closed| status(Cause::ShuttingDown, "the server is shutting down"))
            }
            Self::Reader { places, timeout, .. } => {
                let taken = tokio::time::timeout(timeout, places.acquire_owned()).await.map_err(|_elapsed| busy())?;
                taken
                    .map(|place| vec![place])
                    .map_err(|_closed| status(Cause::ShuttingDown, "the server is shutting down"))
            }
        }
    }

    /// Longest message.
    fn bytes_max(&self) -> usize {
        match self {
            Self::Writer { write, .. } => write.limits.frame_bytes_max,
            Self::Reader { bytes_max, .. } => *bytes_max,
        }
    }
}

/// Body over another one.
pub(crate) struct MessageBody {
    body: Body,
    places: Places,
    reader: MessageReader,
    /// Places of the messages that were handed on.
    taken: Vec<Place>,
    /// Frame that waits for the place of a message that begins in it.
    waiting: Option<(Bytes, Taking)>,
}

type Taking = Pin<Box<dyn Future<Output = Result<Place, Status>> + Send>>;
type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl MessageBody {
    /// The body of a call whose client is known.
    pub(crate) fn new(body: Body, places: Places) -> Self {
        Self { body, places, reader: MessageReader::default(), taken: Vec::new(), waiting: None }
    }

    /// Gives back the places of messages that the call is done with: it asks for more.
    fn free_places(&mut self) {
        let unfinished = if self.reader.is_within_message() { 1 } else { 0 };
        self.taken.drain(..self.taken.len().saturating_sub(unfinished));
    }
}

impl HttpBody for MessageBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.waiting.is_none() {
            this.free_places();
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other.map(|result| result.map_err(Into::into))),
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            match this.reader.handle_data(&data, this.places.bytes_max()) {
                Ok(0) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(begun_bytes) => this.waiting = Some((data, Box::pin(this.places.clone().take(begun_bytes)))),
                Err(refused) => return Poll::Ready(Some(Err(refused.into()))),
            }
        }
        let Some((data, mut taking)) = this.waiting.take() else { return Poll::Pending };
        match taking.as_mut().poll(cx) {
            Poll::Pending => {
                this.waiting = Some((data, taking));
                Poll::Pending
            }
            Poll::Ready(Ok(place)) => {
                this.taken.push(place);
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Err(refused)) => Poll::Ready(Some(Err(refused.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Unknown: a frame may be held back.
        SizeHint::default()
    }
}

/// Where messages begin and end in the bytes of a body.
#[derive(Debug, Default)]
struct MessageReader {
    /// First bytes of a message whose length is not whole yet.
    head: Vec<u8>,
    /// Bytes of the message that are still to come.
    missing_bytes: usize,
}

/// Bytes in front of each message.
const HEAD_BYTES: usize = 5;

impl MessageReader {
    /// Reads on; gives back the bytes of the messages whose length has come with this data.
    fn handle_data(&mut self, mut data: &[u8], bytes_max: usize) -> Result<usize, Status> {
        let mut begun_bytes = 0;
        while !data.is_empty() {
            if self.missing_bytes > 0 {
                let taken = self.missing_bytes.min(data.len());
                self.missing_bytes -= taken;
                data = &data[taken..];
                continue;
            }
            let (head, rest) = data.split_at((HEAD_BYTES - self.head.len()).min(data.len()));
            self.head.extend_from_slice(head);
            data = rest;
            let &[_, a, b, c, d] = self.head.as_slice() else { continue };
            self.head.clear();
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if length > bytes_max {
                let message = format!("a message of {length} bytes; {bytes_max} are possible: send smaller ones");
                return Err(status(Cause::TooLarge, message));
            }
            self.missing_bytes = length;
            // A message without content counts too, so that each takes a place.
            begun_bytes += length + HEAD_BYTES;
        }
        Ok(begun_bytes)
    }

    fn is_within_message(&self) -> bool {
        self.missing_bytes > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
        bytes.extend(std::iter::repeat_n(7, length));
        bytes
    }

    #[test]
    fn each_message_is_counted_once_however_its_bytes_are_cut() {
        let bytes = [message(3), message(0), message(700), message(1)].concat();
        for step in [1, 2, 3, 5, 7, 64, 4_096] {
            let mut reader = MessageReader::default();
            let begun: usize = bytes.chunks(step).map(|chunk| reader.handle_data(chunk, 700).unwrap()).sum();
            assert_eq!(begun, 704 + 4 * HEAD_BYTES, "in steps of {step}");
            assert!(!reader.is_within_message());
        }
        assert!(MessageReader::default().handle_data(&message(701)[..5], 700).is_err());
    }

    #[test]
    fn a_place_is_held_from_the_first_bytes_of_a_message_to_the_call_for_the_next() {
        let places = Arc::new(Semaphore::new(1));
        let reader =
            Places::Reader { places: Arc::clone(&places), bytes_max: 1_000, timeout: Duration::from_millis(50) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let halves = [message(100)[..50].to_vec(), message(100)[50..].to_vec(), message(10)];
            let frames = futures::stream::iter(halves.map(|half| Ok::<_, std::io::Error>(Bytes::from(half))));
            let mut body = MessageBody::new(Body::from_stream(frames), reader.clone());
            let mut next = async || std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            assert_eq!(places.available_permits(), 1);
            assert!(next().await.unwrap().is_ok());
            assert_eq!(places.available_permits(), 0);
            assert!(next().await.unwrap().is_ok());
            assert_eq!(places.available_permits(), 0, "the message is being stored");
            // The next message takes the place that the one before gave back.
            assert!(next().await.unwrap().is_ok());
            assert_eq!(places.available_permits(), 0);
            assert!(next().await.is_none());
            assert_eq!(places.available_permits(), 1);
        });
    }

    #[test]
    fn a_message_that_finds_no_place_in_time_is_refused_and_told_so() {
        let places = Arc::new(Semaphore::new(0));
        let reader = Places::Reader { places, bytes_max: 1_000, timeout: Duration::from_millis(20) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut body = MessageBody::new(Body::from(message(10)), reader);
            let refused = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap_err();
            let refused = refused.downcast_ref::<Status>().unwrap();
            assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        });
    }
}
