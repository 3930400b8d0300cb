//! The door: takes connections, bounds how many there are, lets each begin within a time, and ends them all when the server
//! stops. Connections have threads of their own, so that requests to cancel are heard while all threads of statements compute.

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

use crate::protocol::cancel::Cancellations;
use crate::session::connection::{Connection, ConnectionArgs};
use crate::error::PgError;
use crate::metrics::PostgresMetrics;
use crate::session::startup::{StartupArgs, StartupError, begin};

/// What the door is made of.
pub struct PostgresArgs {
    /// Where connections come.
    pub listener: TcpListener,
    /// TLS; without it connections are plain.
    pub tls: Option<TlsAcceptor>,
    /// Whether clients of other machines may do without encryption.
    pub plain_beyond_loopback: bool,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one address.
    pub connections_per_address_max: usize,
    /// Time for a connection to begin, until the client has proven who it is.
    pub startup_timeout: Duration,
    /// What runs the statements.
    pub engine: Arc<QueryEngine>,
}

impl std::fmt::Debug for PostgresArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresArgs").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// A running door.
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
    /// Begins to accept.
    ///
    /// # Errors
    /// Where the listener has no address, or there are no random numbers.
    pub fn start(args: PostgresArgs) -> std::io::Result<Self> {
        let address = args.listener.local_addr()?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(CONNECTION_THREADS)
            .thread_name("postgres")
            .enable_all()
            .build()?;
        let (stop, stopping) = watch::channel(false);
        let (ended, ending) = watch::channel(false);
        let tasks = TaskTracker::new();
        let metrics = Arc::<PostgresMetrics>::default();
        // A text may be as long as the engine takes it, and values of parameters beside it.
        let message_bytes_max = args.engine.options().sql_bytes_max.saturating_mul(2) + MESSAGE_BYTES_MORE;
        let door = Door {
            listener: args.listener,
            connections_per_address_max: args.connections_per_address_max,
            places: Arc::new(Semaphore::new(args.connections_max)),
            addresses: Addresses::default(),
            tasks: tasks.clone(),
            inside: Arc::new(Inside {
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
        tasks.spawn(door.accept());
        Ok(Self { address, stop, ended, tasks, metrics, runtime: Some(runtime) })
    }

    /// Address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    pub fn metrics(&self) -> &Arc<PostgresMetrics> {
        &self.metrics
    }

    /// Takes no more connections and statements, and waits for those under way for as long as `patience` lasts; then ends
    /// them.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            self.ended.send_replace(true);
            // What is ended so is at a point where it can be.
            drop(tokio::time::timeout(patience, self.tasks.wait()).await);
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Threads may not be waited for here: a server may be dropped on a thread that drives other tasks.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Threads that speak with clients and write rows for them.
const CONNECTION_THREADS: usize = 2;
/// What a message may have beside a text: values of parameters.
const MESSAGE_BYTES_MORE: usize = 1 << 20;
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
/// Time between a wrong password and the answer to it.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(200);

struct Door {
    listener: TcpListener,
    connections_per_address_max: usize,
    places: Arc<Semaphore>,
    addresses: Addresses,
    tasks: TaskTracker,
    inside: Arc<Inside>,
}

struct Inside {
    startup: StartupArgs,
    startup_timeout: Duration,
    engine: Arc<QueryEngine>,
    /// Threads of connections, apart from those of statements, which may be busy for long: a request to cancel must be heard.
    runtime: Handle,
    metrics: Arc<PostgresMetrics>,
    stopping: watch::Receiver<bool>,
    ending: watch::Receiver<bool>,
}

/// A connection's places, given back when dropped.
struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_address: PlaceOfAddress,
    metrics: Arc<PostgresMetrics>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.closed();
    }
}

impl Door {
    async fn accept(self) {
        let mut stopping = self.inside.stopping.clone();
        loop {
            let accepted = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, from) = match accepted {
                Ok((stream, from)) => (stream, from.ip()),
                Err(error) => {
                    tracing::warn!("a PostgreSQL connection could not be accepted: {error}");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                    continue;
                }
            };
            let Some(place) = self.take_place(from) else {
                self.inside.metrics.count_refused();
                turn_away(&stream);
                continue;
            };
            // Answers are gathered before they are sent; waiting to fill a packet only delays them.
            drop(stream.set_nodelay(true));
            let (inside, tasks) = (Arc::clone(&self.inside), self.tasks.clone());
            self.tasks.spawn(async move { inside.begin(stream, from, place, &tasks).await });
        }
    }

    fn take_place(&self, from: IpAddr) -> Option<Place> {
        let of_all = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let of_address = self.addresses.take_place(from, self.connections_per_address_max)?;
        self.inside.metrics.opened();
        Some(Place { _of_all: of_all, _of_address: of_address, metrics: Arc::clone(&self.inside.metrics) })
    }
}

/// Says why, where that takes no waiting, and closes.
fn turn_away(stream: &TcpStream) {
    let mut out = BytesMut::new();
    PgError::new("53300", "sorry, too many clients already").put_fatal(&mut out);
    // A client that does not read it, learns by the end of the connection.
    drop(stream.try_write(&out));
}

impl Inside {
    async fn begin(self: Arc<Self>, stream: TcpStream, from: IpAddr, place: Place, tasks: &TaskTracker) {
        let mut stopping = self.stopping.clone();
        let begun = tokio::select! {
            begun = tokio::time::timeout(self.startup_timeout, begin(&self.startup, stream, from)) => begun,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        let begun = match begun {
            Ok(Ok(Some(begun))) => begun,
            Ok(Ok(None)) => return,
            Ok(Err(StartupError::Refused(error))) => {
                tracing::debug!(%from, "a PostgreSQL connection was refused: {error}");
                self.metrics.count_refused();
                // It keeps its place meanwhile, so that passwords cannot be tried fast.
                return tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
            }
            Ok(Err(error)) => return tracing::debug!(%from, "a PostgreSQL connection did not begin: {error}"),
            Err(_) => return tracing::debug!(%from, "a PostgreSQL connection took too long to begin"),
        };
        let connection = Connection::new(ConnectionArgs {
            wire: begun.wire,
            engine: Arc::clone(&self.engine),
            key: begun.key,
            user: begun.user,
            variables: begun.variables,
            metrics: Arc::clone(&self.metrics),
            stopping: self.stopping.clone(),
        });
        let mut ending = self.ending.clone();
        self.runtime.spawn(tasks.track_future(async move {
            tokio::select! {
                () = connection.run() => {}
                _ = ending.wait_for(|ending| *ending) => {}
            }
            drop(place);
        }));
    }
}

/// Connections that are open, by address.
#[derive(Debug, Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place among those of its address.
struct PlaceOfAddress {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    fn take_place(&self, address: IpAddr, most: usize) -> Option<PlaceOfAddress> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(PlaceOfAddress { addresses: self.clone(), address })
    }
}

impl Drop for PlaceOfAddress {
    fn drop(&mut self) {
        let mut open = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
