//! One stream of batches, kept going across connections: [`BatchStream::send`] takes batches as long as the window has
//! room, and a task of its own writes them, reads acknowledgements, and opens the stream again when the link breaks.
//!
//! - [`options`]: which stream to open, and who hears of it
//! - [`task`]: one link after another
//! - [`totals`]: what became of everything that was sent
//!
//! Acknowledged means: the batch survives power loss of the server and is visible to its next query. What is not yet
//! acknowledged is held here, in memory.

mod options;
mod task;
mod totals;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::MINOR_VERSION;
use zonelake_schemas::wire::control::{Open, Opened};

use self::task::keep_going;
use crate::batch::EncodedBatch;
use crate::connection::Connection;
use crate::error::StreamError;
use crate::outbox::{Acked, Outbox};

pub use self::options::{LinkEvent, StreamObserver, StreamOptions};
pub use self::totals::StreamTotals;

/// What the server said when it last opened the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Serving {
    /// The table's wire schema as an encapsulated Arrow IPC schema message.
    pub schema: Bytes,
    /// Version of the table's field list.
    pub schema_version: u32,
    /// Greatest length of a frame.
    pub frame_bytes_max: u64,
    /// Most rows of a batch.
    pub batch_rows_max: u64,
    /// The server's clock, microseconds since 1970, UTC.
    pub server_time_us: i64,
}

/// An open stream of batches. Dropping it leaves what is not acknowledged unsent.
#[derive(Debug)]
pub struct BatchStream {
    shared: Arc<Shared>,
    serving: Serving,
    first_number: BatchNumber,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the writer: there is something to write, or the end.
    work: Notify,
    /// Wakes the callers: there is room, or the end.
    room: Notify,
    connection: Arc<Connection>,
    options: StreamOptions,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    serving: Option<Serving>,
    totals: StreamTotals,
    finishing: bool,
    ended: Option<Result<(), StreamError>>,
}

impl BatchStream {
    /// Opens a stream; waits until the server has opened it, trying again as the options say.
    ///
    /// # Errors
    /// Whatever does not pass by itself: see [`StreamError::kind`].
    pub async fn open(connection: &Arc<Connection>, options: StreamOptions) -> Result<Self, StreamError> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                outbox: Outbox::new(options.unacked_bytes_max),
                serving: None,
                totals: StreamTotals::default(),
                finishing: false,
                ended: None,
            }),
            work: Notify::new(),
            room: Notify::new(),
            connection: connection.clone(),
            options,
        });
        let task = tokio::spawn(keep_going(shared.clone()));
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

    /// What the server said when it opened the stream first.
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
    /// What has ended the stream.
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
    /// What has ended the stream before.
    pub async fn finish(self) -> Result<StreamTotals, StreamError> {
        self.sender().finished().await?;
        Ok(self.totals())
    }

    /// Waits until the stream ends by an error, and gives that back.
    pub async fn failed(&self) -> StreamError {
        self.shared.wait_until(|state| state.ended.clone().and_then(Result::err)).await
    }

    /// What has become durable so far.
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
    shared: Arc<Shared>,
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
    /// What has ended the stream before.
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
        self.shared.room.notify_waiters();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    fn now(&self) -> Duration {
        self.connection.clock().monotonic()
    }

    /// Asks `look` now and after each change until it gives something.
    async fn wait_until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.room.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    fn handle_opened(&self, opened: Opened) -> Result<(), StreamError> {
        let acked = {
            let mut state = self.lock();
            let acked = state.outbox.handle_opened(&opened, self.now())?;
            state.totals.links += 1;
            state.totals.add(&acked);
            state.serving = Some(Serving {
                schema: opened.schema,
                schema_version: opened.schema_version,
                frame_bytes_max: opened.frame_bytes_max,
                batch_rows_max: opened.batch_rows_max,
                server_time_us: opened.server_time_us,
            });
            acked
        };
        self.tell_link(&LinkEvent::Opened { last_number: acked.number });
        if !acked.batches.is_empty() {
            self.tell_acked(&acked);
        }
        self.room.notify_waiters();
        Ok(())
    }

    fn tell_link(&self, event: &LinkEvent) {
        if let Some(observer) = &self.options.observer {
            observer.handle_link(event);
        }
    }

    fn tell_acked(&self, acked: &Acked) {
        if let Some(observer) = &self.options.observer {
            observer.handle_acked(acked);
        }
    }

    fn open_message(&self) -> Open {
        let options = &self.options;
        Open {
            minor_version: MINOR_VERSION,
            token: options.token.clone(),
            producer: options.producer.clone(),
            epoch: options.epoch.0,
            table: options.table.clone(),
            lane: options.lane as u32,
            encoding: options.encoding as i32,
            software: options.software.clone(),
        }
    }
}
