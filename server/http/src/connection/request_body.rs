//! Body of a request that must come on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// Body that fails once too little of it has come for a time.
pub(super) struct RequestBody {
    body: Incoming,
    limit: Duration,
    /// Bytes that are progress.
    step_bytes: usize,
    gained_bytes: usize,
    /// Runs from the first wait behind a step.
    waiting: Option<Pin<Box<Sleep>>>,
}

type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl RequestBody {
    /// A body of which `step_bytes` must come within each `limit`.
    pub(super) fn new(body: Incoming, limit: Duration, step_bytes: usize) -> Self {
        Self { body, limit, step_bytes, gained_bytes: 0, waiting: None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.gained_bytes += frame.data_ref().map_or(0, Bytes::len);
                if self.gained_bytes >= self.step_bytes {
                    self.gained_bytes = 0;
                    self.waiting = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => Poll::Ready(other.map(|result| result.map_err(Into::into))),
            Poll::Pending => {
                let limit = self.limit;
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
                if waiting.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let what = format!("too little of the body came within {limit:?}");
                Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, what).into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
