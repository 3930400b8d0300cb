//! Listener: accepts connections within their limits, has each start within a time, and ends them all when the server
//! stops. Connections have threads of their own, so that a request to cancel is read while all threads of statements
//! compute.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use zonelake_net::{Authenticator, Cause, ConnectionPermit, Incoming, Listener};
use zonelake_query::QueryEngine;

use crate::counts::PostgresMetrics;
use crate::error::PgError;
use crate::protocol::backends::Backends;
use crate::protocol::wire::Wire;
use crate::session::connection::{Connection, ConnectionArgs};
use crate::session::startup::{StartupArgs, StartupError, start_connection};
use crate::session::variables::Variables;

/// Parts and limits of the PostgreSQL interface.
pub struct PostgresArgs {
    /// Bound socket and connection limits; connections over a limit are refused with SQLSTATE 53300.
    pub listener: Listener,
    /// TLS; without it all connections are plain.
    pub tls: Option<TlsAcceptor>,
    /// True where clients of other machines may connect without encryption.
    pub plain_beyond_loopback: bool,
    /// Time from the first byte until the client is authenticated.
    pub startup_timeout: Duration,
    /// Time for which a client may take nothing of its rows, or send nothing more of a message that it has begun.
    pub stall_timeout: Duration,
    /// Engine that executes the statements.
    pub engine: Arc<QueryEngine>,
    /// Check of users.
    pub authenticator: Arc<Authenticator>,
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
        let address = args.listener.address();
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(CONNECTION_THREADS)
            .thread_stack_size(zonelake_query::STACK_BYTES)
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
        let state = Arc::new(ListenerState {
            startup: StartupArgs {
                backends: Arc::new(Backends::recording(args.authenticator.audit().cloned())),
                authenticator: args.authenticator,
                tls: args.tls,
                plain_beyond_loopback: args.plain_beyond_loopback,
                secret,
                message_bytes_max,
                stall_timeout: args.stall_timeout,
            },
            startup_timeout: args.startup_timeout,
            engine: args.engine,
            runtime: runtime.handle().clone(),
            metrics: Arc::clone(&metrics),
            stopping,
            ending,
        });
        tasks.spawn(accept(args.listener, state, tasks.clone()));
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

/// Serves the session of a user who is authenticated already, over any stream and until either side ends it: what a listener does
/// behind the start of a connection. For tools that make up what clients send.
pub async fn serve_session(
    engine: Arc<QueryEngine>,
    user: &str,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    message_bytes_max: usize,
) {
    // Nobody stops it but its client.
    let (_stop, stopping) = watch::channel(false);
    let user: Arc<str> = user.into();
    let connection = Connection::new(ConnectionArgs {
        wire: Wire::new(Box::new(stream), message_bytes_max, SESSION_STALL_TIMEOUT),
        engine,
        registration: Arc::<Backends>::default().register(0, Arc::clone(&user), Ipv4Addr::LOCALHOST.into()),
        user,
        credential: None,
        variables: Variables::default(),
        metrics: Arc::default(),
        stopping,
    });
    connection.run().await;
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
/// Time for which the client of [`serve_session`] may send nothing more of a message that it has begun.
const SESSION_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for which a refused connection keeps its permit.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(200);

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

/// Open connection: its permit, and its place in the counts.
struct OpenConnection {
    _permit: ConnectionPermit,
    metrics: Arc<PostgresMetrics>,
}

impl OpenConnection {
    fn new(permit: ConnectionPermit, metrics: &Arc<PostgresMetrics>) -> Self {
        metrics.opened();
        Self { _permit: permit, metrics: Arc::clone(metrics) }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.metrics.closed();
    }
}

async fn accept(listener: Listener, state: Arc<ListenerState>, tasks: TaskTracker) {
    let mut stopping = state.stopping.clone();
    while let Some(incoming) = listener.accept(&mut stopping).await {
        match incoming {
            Incoming::Accepted { stream, permit } => {
                let from = permit.address();
                let open = OpenConnection::new(permit, &state.metrics);
                let (state, of_task) = (Arc::clone(&state), tasks.clone());
                tasks.spawn(async move { state.start(stream, from, open, &of_task).await });
            }
            Incoming::Refused { stream, .. } => {
                state.metrics.count_refused();
                refuse(&stream);
            }
        }
    }
}

/// Sends the reason where that takes no waiting; the connection closes when the stream is dropped.
fn refuse(stream: &TcpStream) {
    let mut out = BytesMut::new();
    PgError::of(Cause::TooManyConnections, "sorry, too many clients already").put_fatal(&mut out);
    // A client that cannot take the message learns of the refusal by the end of the connection.
    stream.try_write(&out).ok();
}

impl ListenerState {
    async fn start(self: Arc<Self>, stream: TcpStream, from: IpAddr, open: OpenConnection, tasks: &TaskTracker) {
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
                // The permit is held meanwhile, so that an address cannot try passwords fast.
                return tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
            }
            Ok(Err(error)) => return tracing::debug!(%from, "a PostgreSQL connection did not start: {error}"),
            Err(_elapsed) => return tracing::debug!(%from, "a PostgreSQL connection took too long to start"),
        };
        let connection = Connection::new(ConnectionArgs {
            wire: started.wire,
            engine: Arc::clone(&self.engine),
            registration: started.registration,
            user: started.user,
            credential: started.credential,
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
            drop(open);
        }));
    }
}
