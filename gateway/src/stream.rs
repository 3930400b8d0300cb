//! One stream of batches, kept going across connections: [`BatchStream::send`] takes batches as long as the window has
//! room, and a task of its own writes them, reads acknowledgements, and opens the stream again when the link breaks.
//!
//! Acknowledged means: the batch survives power loss of the server and is visible to its next query. What is not yet
//! acknowledged is held here, in memory.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use zonelake_schemas::wire::MINOR_VERSION;
use zonelake_schemas::wire::control::{Encoding, Open, Opened, Rejection};
use zonelake_schemas::{BatchNumber, Epoch, Lane};

use crate::backoff::{Backoff, BackoffPolicy};
use crate::batch::EncodedBatch;
use crate::connection::Connection;
use crate::error::StreamError;
use crate::link::{self, Answer, Down, Up};
use crate::outbox::{Acked, Outbox};

/// Which stream to open.
#[derive(Clone)]
pub struct StreamOptions {
    /// Secret of the gateway.
    pub token: String,
    /// Name of the producer: 1 to 128 bytes without control characters.
    pub producer: String,
    /// How often the producer has lost its state: 1 or more.
    pub epoch: Epoch,
    /// Table that the batches go to.
    pub table: String,
    /// Live or back-fill.
    pub lane: Lane,
    /// How payloads are encoded.
    pub encoding: Encoding,
    /// Most bytes that wait here for their acknowledgement; the server may allow less. Default 16 MiB.
    pub unacked_bytes_max: usize,
    /// When to try again after the link broke.
    pub backoff: BackoffPolicy,
    /// Software that sends, for the server's log.
    pub software: String,
    /// Hears of acknowledgements and of the link.
    pub observer: Option<Arc<dyn StreamObserver>>,
}

impl StreamOptions {
    /// Epoch 1, the live lane, Arrow, and the defaults.
    pub fn new(token: impl Into<String>, producer: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            producer: producer.into(),
            epoch: Epoch(1),
            table: table.into(),
            lane: Lane::Live,
            encoding: Encoding::Arrow,
            unacked_bytes_max: 16 << 20,
            backoff: BackoffPolicy::default(),
            software: concat!("zonelake-gateway ", env!("CARGO_PKG_VERSION")).into(),
            observer: None,
        }
    }
}

impl std::fmt::Debug for StreamOptions {
    /// Leaves the token out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamOptions")
            .field("producer", &self.producer)
            .field("epoch", &self.epoch)
            .field("table", &self.table)
            .field("lane", &self.lane)
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

/// Hears of what happens on a stream, on its task: it must not wait.
pub trait StreamObserver: Send + Sync {
    /// Batches have become durable.
    fn handle_acked(&self, acked: &Acked) {
        let _ = acked;
    }

    /// The link has opened or broken.
    fn handle_link(&self, event: &LinkEvent) {
        let _ = event;
    }
}

/// What has happened to the link of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkEvent {
    /// The stream is open, with the server's last durable batch.
    Opened {
        /// Its number.
        last_number: BatchNumber,
    },
    /// The link broke; another try follows.
    Broken {
        /// Why.
        error: StreamError,
        /// Pause before the next try.
        retry_after: Duration,
    },
}

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

/// What became of everything that was sent. Counts of acknowledgements that were lost with a link are not in it:
/// `uncounted_batches` says how many batches that concerns; their rows are durable all the same.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamTotals {
    /// Batches that became durable.
    pub batches: u64,
    /// Rows sent in them.
    pub rows_sent: u64,
    /// Rows stored in the table, as acknowledged.
    pub rows: u64,
    /// Readings stored in the table, as acknowledged.
    pub readings: u64,
    /// Rows that went whole to `rejected`, as acknowledged.
    pub rejected_rows: u64,
    /// Single readings that went to `rejected`, as acknowledged.
    pub rejected_readings: u64,
    /// Batches that became durable without their acknowledgement having arrived.
    pub uncounted_batches: u64,
    /// The first reasons of rejection; at most 16.
    pub rejections: Vec<Rejection>,
    /// Times that the stream was opened.
    pub links: u64,
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

impl StreamTotals {
    fn add(&mut self, acked: &Acked) {
        let batches = acked.batches.len() as u64;
        self.batches += batches;
        self.rows_sent += acked.batches.iter().map(|batch| batch.rows).sum::<u64>();
        match acked.counts {
            Some(counts) => {
                self.rows += counts.rows;
                self.readings += counts.readings;
                self.rejected_rows += counts.rejected_rows;
                self.rejected_readings += counts.rejected_readings;
            }
            None => self.uncounted_batches += batches,
        }
        self.keep(acked.rejections.iter().cloned());
    }

    /// Adds the totals of another stream.
    pub fn merge(&mut self, other: Self) {
        self.batches += other.batches;
        self.rows_sent += other.rows_sent;
        self.rows += other.rows;
        self.readings += other.readings;
        self.rejected_rows += other.rejected_rows;
        self.rejected_readings += other.rejected_readings;
        self.uncounted_batches += other.uncounted_batches;
        self.links += other.links;
        self.keep(other.rejections);
    }

    fn keep(&mut self, rejections: impl IntoIterator<Item = Rejection>) {
        let room = REJECTIONS_KEPT_MAX.saturating_sub(self.rejections.len());
        self.rejections.extend(rejections.into_iter().take(room));
    }
}

/// Reasons of rejection that the totals keep.
const REJECTIONS_KEPT_MAX: usize = 16;

/// The stream's task: one link after another until the end.
async fn keep_going(shared: Arc<Shared>) {
    let seed = getrandom::u64().unwrap_or(1);
    let mut backoff = Backoff::new(shared.options.backoff, seed);
    let ended = loop {
        let Err(error) = one_link(&shared, &mut backoff).await else { break Ok(()) };
        {
            let mut state = shared.lock();
            state.outbox.handle_disconnected();
            if state.finishing && state.serving.is_some() && state.outbox.is_drained() {
                break Ok(());
            }
        }
        if !error.is_passing() {
            break Err(error);
        }
        let Some(retry_after) = backoff.handle_failure(shared.now(), error.pause()) else {
            break Err(StreamError::GaveUp { after: backoff.closed_for(shared.now()), last: error.to_string() });
        };
        tracing::debug!(producer = %shared.options.producer, table = %shared.options.table, %error, "the link broke");
        shared.tell_link(&LinkEvent::Broken { error, retry_after });
        tokio::time::sleep(retry_after).await;
    };
    shared.lock().ended = Some(ended);
    shared.room.notify_waiters();
}

/// Opens the stream once and runs it until all is done or something breaks. Only a link that was of use counts as an
/// open one: a server that opens and then refuses is not asked again at once for ever.
async fn one_link(shared: &Shared, backoff: &mut Backoff) -> Result<(), StreamError> {
    let (mut up, mut down, opened) = link::open(&shared.connection, &shared.open_message()).await?;
    shared.handle_opened(opened)?;
    let (opened_at, durable) = (shared.now(), shared.lock().outbox.durable());
    let result = tokio::select! {
        error = write_batches(shared, &mut up) => Err(error),
        result = read_answers(shared, &mut down) => result,
    };
    let lasted = shared.now().saturating_sub(opened_at);
    if shared.lock().outbox.durable() > durable || lasted > shared.options.backoff.longest {
        backoff.handle_use();
    }
    result
}

/// Writes batches as they come, until something breaks.
async fn write_batches(shared: &Shared, up: &mut Up) -> StreamError {
    let mut finished = false;
    loop {
        let (frames, finishing) = {
            let mut state = shared.lock();
            (state.outbox.poll_frames(), state.finishing)
        };
        let result = match frames {
            Some(frames) => up.write(frames).await,
            None if finishing && !finished => {
                finished = true;
                up.finish()
            }
            None => {
                shared.work.notified().await;
                Ok(())
            }
        };
        if let Err(error) = result {
            return error;
        }
    }
}

/// Reads acknowledgements until the server closes its side.
async fn read_answers(shared: &Shared, down: &mut Down) -> Result<(), StreamError> {
    loop {
        let answer = down.read_answer().await?;
        let mut state = shared.lock();
        match answer {
            Answer::Ack(ack) => {
                let acked = state.outbox.handle_ack(ack, shared.now())?;
                state.totals.add(&acked);
                drop(state);
                shared.tell_acked(&acked);
                shared.room.notify_waiters();
            }
            Answer::End if state.finishing && state.outbox.is_drained() => return Ok(()),
            Answer::End => return Err(StreamError::Link("the server closed the stream".into())),
        }
    }
}
