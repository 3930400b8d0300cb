//! The handles of a stream of batches.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use zonelake_schemas::BatchNumber;

use super::options::StreamOptions;
use super::state::{Guarded, Serving, StreamState};
use super::task::run_stream;
use super::totals::StreamTotals;
use crate::batch::EncodedBatch;
use crate::connection::Connection;
use crate::error::StreamError;
use crate::outbox::state::Outbox;

/// An open stream of batches. Dropping it leaves what is not acknowledged unsent.
#[derive(Debug)]
pub struct BatchStream {
    shared: Arc<StreamState>,
    serving: Serving,
    first_number: BatchNumber,
    task: JoinHandle<()>,
}

impl BatchStream {
    /// Opens a stream; waits until the server has opened it, trying again as the options say.
    ///
    /// # Errors
    /// Every error that a retry does not resolve: see [`StreamError::kind`].
    pub async fn open(connection: &Arc<Connection>, options: StreamOptions) -> Result<Self, StreamError> {
        let (shared, task) = begin(connection, options);
        let opened = shared
            .wait_until(|state| match (&state.serving, &state.ended) {
                (_, Some(Err(error))) => Some(Err(error.clone())),
                (Some(serving), _) => Some(Ok((serving.clone(), state.outbox.durable()))),
                (None, _) => None,
            })
            .await;
        let (serving, last_number) = opened?;
        Ok(Self { shared, serving, first_number: BatchNumber(last_number.0 + 1), task })
    }

    /// Limits and schema that the server stated when it first opened the stream.
    pub fn serving(&self) -> &Serving {
        &self.serving
    }

    /// Number that the first batch sent on this stream gets: one more than the server's last durable one.
    pub fn first_number(&self) -> BatchNumber {
        self.first_number
    }

    /// Sends a batch: waits until the window has room, and returns its number. It is not yet durable then.
    ///
    /// # Errors
    /// [`StreamError::FrameTooLong`] and [`StreamError::TooManyRows`] concern this batch alone; any other ends the stream.
    pub async fn send(&self, batch: EncodedBatch) -> Result<BatchNumber, StreamError> {
        self.sender().send(batch).await
    }

    /// A handle that sends on this stream, for as long as the stream is not dropped.
    pub fn sender(&self) -> BatchSender {
        BatchSender { shared: self.shared.clone() }
    }

    /// Waits until everything sent is durable.
    ///
    /// # Errors
    /// The error that has ended the stream.
    pub async fn drained(&self) -> Result<(), StreamError> {
        self.shared
            .wait_until(|state| match &state.ended {
                Some(ended) => Some(ended.clone()),
                None => state.outbox.is_drained().then_some(Ok(())),
            })
            .await
    }

    /// Waits until everything sent is durable, and closes the stream.
    ///
    /// # Errors
    /// The error that has ended the stream before.
    pub async fn finish(self) -> Result<StreamTotals, StreamError> {
        self.sender().finished().await?;
        Ok(self.totals())
    }

    /// Waits until the stream ends by an error, and gives that back.
    pub async fn failed(&self) -> StreamError {
        self.shared.wait_until(|state| state.ended.clone().and_then(Result::err)).await
    }

    /// Totals of everything that is durable so far.
    pub fn totals(&self) -> StreamTotals {
        self.shared.lock().totals.clone()
    }

    /// Number of the last durable batch.
    pub fn durable(&self) -> BatchNumber {
        self.shared.lock().outbox.durable()
    }

    /// Bytes that wait for their acknowledgement.
    pub fn unacked_bytes(&self) -> usize {
        self.shared.lock().outbox.waiting_bytes()
    }
}

/// Sends on a [`BatchStream`].
#[derive(Debug, Clone)]
pub struct BatchSender {
    shared: Arc<StreamState>,
}

impl BatchSender {
    /// As [`BatchStream::send`].
    ///
    /// # Errors
    /// As [`BatchStream::send`].
    pub async fn send(&self, batch: EncodedBatch) -> Result<BatchNumber, StreamError> {
        let submitted = self.shared.now();
        let number = self
            .shared
            .wait_until(|state| match &state.ended {
                Some(Err(error)) => Some(Err(error.clone())),
                Some(Ok(())) => Some(Err(StreamError::Finished)),
                None if state.finishing => Some(Err(StreamError::Finished)),
                None => state.outbox.admits(&batch).then(|| state.outbox.handle_submit(batch.clone(), submitted)),
            })
            .await?;
        self.shared.work.notify_one();
        Ok(number)
    }

    /// Takes no more batches, waits until everything sent is durable, and closes the stream.
    ///
    /// # Errors
    /// The error that has ended the stream before.
    pub async fn finished(&self) -> Result<(), StreamError> {
        self.shared.lock().finishing = true;
        self.shared.work.notify_one();
        self.shared.wait_until(|state| state.ended.clone()).await
    }
}

impl Drop for BatchStream {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.lock().ended.get_or_insert(Err(StreamError::Finished));
        self.shared.changed.notify_waiters();
    }
}

/// The state of a stream, and the task that sends what is in it. A function of its own, so that the task is compiled in this crate and not
/// in each that opens a stream (decision 0056).
fn begin(connection: &Arc<Connection>, options: StreamOptions) -> (Arc<StreamState>, JoinHandle<()>) {
    let shared = Arc::new(StreamState {
        state: Mutex::new(Guarded {
            outbox: Outbox::new(options.unacked_bytes_max),
            serving: None,
            totals: StreamTotals::default(),
            finishing: false,
            ended: None,
        }),
        work: Notify::new(),
        changed: Notify::new(),
        connection: connection.clone(),
        options,
    });
    let task = tokio::spawn(run_stream(Arc::clone(&shared)));
    (shared, task)
}
