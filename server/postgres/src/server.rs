//! Listener: accepts connections within their limits, has each start within a time, and ends them all when the server
//! stops. Connections have threads of their own, so that a request to cancel is read while all threads of statements
//! compute.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use zonelake_query::QueryEngine;

use crate::error::PgError;
use crate::metrics::PostgresMetrics;
use crate::protocol::cancel::Cancellations;
use crate::session::connection::{Connection, ConnectionArgs};
use crate::session::startup::{StartupArgs, StartupError, start_connection};

/// Parts and limits of the PostgreSQL interface.
pub struct PostgresArgs {
    /// Bound socket.
    pub listener: TcpListener,
    /// TLS; without it all connections are plain.
    pub tls: Option<TlsAcceptor>,
    /// True where clients of other machines may connect without encryption.
    pub plain_beyond_loopback: bool,
    /// Most open connections; further ones are refused with SQLSTATE 53300.
    pub connections_max: usize,
    /// Most open connections from one address.
    pub connections_per_address_max: usize,
    /// Time from the first byte until the client is authenticated.
    pub startup_timeout: Duration,
    /// Engine that executes the statements.
    pub engine: Arc<QueryEngine>,
}

impl std::fmt::Debug for PostgresArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresArgs").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Running PostgreSQL interface.
#[derive(Debug)]
pub struct PostgresServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: watch::Sender<bool>,
    tasks: TaskTracker,
    metrics: Arc<PostgresMetrics>,
    runtime: Option<Runtime>,
}

impl PostgresServer {
    /// Starts to accept connections.
    ///
    /// # Errors
    /// `std::io::Error` where the socket has no address, the operating system gives no random numbers, or no thread
    /// starts.
    pub fn start(args: PostgresArgs) -> std::io::Result<Self> {
        let address = args.listener.local_addr()?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(CONNECTION_THREADS)
            .thread_name("postgres")
            .enable_all()
            .build()?;
        // Two signals: stop ends connections between statements, ended cancels those that are in a statement.
        let (stop, stopping) = watch::channel(false);
        let (ended, ending) = watch::channel(false);
        let tasks = TaskTracker::new();
        let metrics = Arc::<PostgresMetrics>::default();
        // A message may hold a text of the longest length that the engine accepts, and values of parameters.
        let message_bytes_max = args.engine.options().sql_bytes_max.saturating_mul(2) + MESSAGE_BYTES_MORE;
        let listener = Listener {
            socket: args.listener,
            connections_per_address_max: args.connections_per_address_max,
            slots: Arc::new(Semaphore::new(args.connections_max)),
            addresses: ConnectionsByAddress::default(),
            tasks: tasks.clone(),
            state: Arc::new(ListenerState {
                startup: StartupArgs {
                    registry: Arc::clone(args.engine.source().registry()),
                    tls: args.tls,
                    plain_beyond_loopback: args.plain_beyond_loopback,
                    cancellations: Arc::<Cancellations>::default(),
                    secret,
                    message_bytes_max,
                },
                startup_timeout: args.startup_timeout,
                engine: args.engine,
                runtime: runtime.handle().clone(),
                metrics: Arc::clone(&metrics),
                stopping,
                ending,
            }),
        };
        tasks.spawn(listener.accept());
        Ok(Self { address, stop, ended, tasks, metrics, runtime: Some(runtime) })
    }

    /// Address of the socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts of connections and statements.
    pub fn metrics(&self) -> &Arc<PostgresMetrics> {
        &self.metrics
    }

    /// Accepts no more connections and statements, waits for those in flight until the grace period ends, and then
    /// cancels them.
    pub async fn stop(self, grace_period: Duration) {
        // `send_replace` stores the value even where no connection listens yet.
        self.stop.send_replace(true);
        self.tasks.close();
        if tokio::time::timeout(grace_period, self.tasks.wait()).await.is_err() {
            self.ended.send_replace(true);
            // Cancelled connections end at their next await, and between two of them they encode a batch at most.
            tokio::time::timeout(grace_period, self.tasks.wait()).await.ok();
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // In the background, since a runtime must not block on its threads where a task drops the server.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Threads that read messages of clients and encode rows for them.
const CONNECTION_THREADS: usize = 2;
/// Bytes of a message for values of parameters, next to a text.
const MESSAGE_BYTES_MORE: usize = 1 << 20;
/// Time between a failure to accept, as for lack of file descriptors, and the next attempt.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
/// Time for which a refused connection keeps its slot.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(200);

struct Listener {
    socket: TcpListener,
    connections_per_address_max: usize,
    slots: Arc<Semaphore>,
    addresses: ConnectionsByAddress,
    tasks: TaskTracker,
    state: Arc<ListenerState>,
}

/// State that all connections share.
struct ListenerState {
    startup: StartupArgs,
    startup_timeout: Duration,
    engine: Arc<QueryEngine>,
    /// Threads of connections, apart from those of statements, which may be busy for long.
    runtime: Handle,
    metrics: Arc<PostgresMetrics>,
    stopping: watch::Receiver<bool>,
    ending: watch::Receiver<bool>,
}

/// Slot of a connection among all and among those of its address, freed when dropped.
struct ConnectionSlot {
    _of_all: OwnedSemaphorePermit,
    _of_address: AddressSlot,
    metrics: Arc<PostgresMetrics>,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.metrics.closed();
    }
}

impl Listener {
    async fn accept(self) {
        let mut stopping = self.state.stopping.clone();
        loop {
            let accepted = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                accepted = self.socket.accept() => accepted,
            };
            let (stream, from) = match accepted {
                Ok((stream, from)) => (stream, from.ip()),
                Err(error) => {
                    tracing::warn!("a PostgreSQL connection could not be accepted: {error}");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                    continue;
                }
            };
            let Some(slot) = self.try_acquire(from) else {
                self.state.metrics.count_refused();
                refuse(&stream);
                continue;
            };
            // Responses are buffered before they are sent, so waiting to fill a packet only delays them. A socket
            // without the option works as well.
            stream.set_nodelay(true).ok();
            let (state, tasks) = (Arc::clone(&self.state), self.tasks.clone());
            self.tasks.spawn(async move { state.start(stream, from, slot, &tasks).await });
        }
    }

    fn try_acquire(&self, from: IpAddr) -> Option<ConnectionSlot> {
        // No waiting: a queue of connections would need limits of its own.
        let of_all = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        let of_address = self.addresses.try_acquire(from, self.connections_per_address_max)?;
        self.state.metrics.opened();
        Some(ConnectionSlot { _of_all: of_all, _of_address: of_address, metrics: Arc::clone(&self.state.metrics) })
    }
}

/// Sends the reason where that takes no waiting; the connection closes when the stream is dropped.
fn refuse(stream: &TcpStream) {
    let mut out = BytesMut::new();
    PgError::new("53300", "sorry, too many clients already").put_fatal(&mut out);
    // A client that cannot take the message learns of the refusal by the end of the connection.
    stream.try_write(&out).ok();
}

impl ListenerState {
    async fn start(self: Arc<Self>, stream: TcpStream, from: IpAddr, slot: ConnectionSlot, tasks: &TaskTracker) {
        let mut stopping = self.stopping.clone();
        let started = tokio::select! {
            started = tokio::time::timeout(
                self.startup_timeout,
                start_connection(&self.startup, stream, from),
            ) => started,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        let started = match started {
            Ok(Ok(Some(started))) => started,
            Ok(Ok(None)) => return,
            Ok(Err(StartupError::Refused(error))) => {
                tracing::debug!(%from, "a PostgreSQL connection was refused: {error}");
                self.metrics.count_refused();
                // The slot is held meanwhile, so that an address cannot try passwords fast.
                return tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
            }
            Ok(Err(error)) => return tracing::debug!(%from, "a PostgreSQL connection did not start: {error}"),
            Err(_elapsed) => return tracing::debug!(%from, "a PostgreSQL connection took too long to start"),
        };
        let connection = Connection::new(ConnectionArgs {
            wire: started.wire,
            engine: Arc::clone(&self.engine),
            key: started.key,
            user: started.user,
            variables: started.variables,
            metrics: Arc::clone(&self.metrics),
            stopping: self.stopping.clone(),
        });
        let mut ending = self.ending.clone();
        // Tracked among the tasks of the listener, so that `stop` waits for the connections of this runtime too.
        self.runtime.spawn(tasks.track_future(async move {
            tokio::select! {
                () = connection.run() => {}
                _ = ending.wait_for(|ending| *ending) => {}
            }
            drop(slot);
        }));
    }
}

/// Counts of open connections by address.
#[derive(Debug, Clone, Default)]
struct ConnectionsByAddress(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// Slot of a connection among those of its address, freed when dropped.
struct AddressSlot {
    addresses: ConnectionsByAddress,
    address: IpAddr,
}

impl ConnectionsByAddress {
    fn try_acquire(&self, address: IpAddr, connections_max: usize) -> Option<AddressSlot> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= connections_max {
            return None;
        }
        *count += 1;
        Some(AddressSlot { addresses: self.clone(), address })
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut open = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(self.address) {
            *count.get_mut() -= 1;
            // Entries of addresses without connections go, so that the table does not grow with all addresses ever
            // seen.
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
