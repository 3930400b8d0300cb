//! Body of a response that says whose turn it is: the server's while the next part is being made, and the client's while a
//! part waits to be taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body as AxumBody, Bytes};
use hyper::body::{Body, Frame, SizeHint};

use super::turns::{Turns, Work};

/// Body over another one.
pub(super) struct ResponseBody {
    body: AxumBody,
    turns: Arc<Turns>,
    /// There while the next part is being made.
    work: Option<Work>,
}

impl ResponseBody {
    /// A body whose first part has not been asked for yet.
    pub(super) fn new(body: AxumBody, turns: Arc<Turns>) -> Self {
        Self { body, turns, work: None }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.work = None;
            self.turns.count_progress();
        } else if self.work.is_none() {
            self.work = Some(self.turns.begin());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.turns.count_progress();
    }
}
