//! The QUIC endpoint: connections, their limits, and a task for each of their streams.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, ConnectionError, Endpoint, EndpointConfig, IdleTimeout, Incoming, ServerConfig, TransportConfig, VarInt,
};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;
use zonelake_schemas::wire::ALPN;

use crate::admission::{Admission, AdmissionLimits, Verdict};
use zonelake_ingest::metrics::IngestMetrics;
use crate::connection::Peer;
use zonelake_ingest::pipeline::pipeline::Pipeline;
use crate::receive_thread::ReceivingRuntime;
use crate::session::{SessionOptions, Sessions};
use zonelake_ingest::pipeline::gateway_quota::GatewayShares;

/// Where the endpoint listens and what it allows.
#[derive(Debug, Clone)]
pub struct QuicOptions {
    /// Address and UDP port.
    pub listen: SocketAddr,
    /// Limits of connections and handshakes.
    pub admission: AdmissionLimits,
    /// Streams of batches that one connection may have open.
    pub streams_per_connection_max: u32,
    /// Bytes that one connection may have under way to the server and unread, once a gateway has shown its token on it.
    pub receive_window_bytes: u32,
    /// Bytes that all connections together may have under way so. A connection that comes when they are given out has
    /// [`STRANGER_WINDOW_BYTES`], which is slower on a distant link, and always enough to go on.
    pub receive_windows_bytes_max: u64,
    /// Silence after which a connection counts as dead.
    pub idle_timeout: Duration,
    /// Limits of each stream.
    pub session: SessionOptions,
}

/// Why the endpoint cannot start.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The address cannot be bound.
    #[error(
        "QUIC cannot listen on udp {address}: {source}; is another server running, or the address not of this machine?"
    )]
    Bind {
        /// Address.
        address: SocketAddr,
        /// Cause.
        source: std::io::Error,
    },
    /// Certificate, key or limits that QUIC cannot use.
    #[error("QUIC cannot start: {0}")]
    Setup(String),
}

/// A running endpoint.
#[derive(Debug)]
pub struct QuicServer {
    endpoint: Endpoint,
    tasks: TaskTracker,
    stop: watch::Sender<bool>,
}

impl QuicServer {
    /// Binds the address and begins to accept. `tls` is the certificate and key; its ALPN id is set here.
    pub fn start(
        options: QuicOptions,
        mut tls: rustls::ServerConfig,
        pipeline: Arc<Pipeline>,
    ) -> Result<Self, QuicError> {
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // A gateway that comes back shows a ticket, and neither side needs the certificate again. The ticket holds all
        // that is needed, so that no memory of this side limits how many gateways may. There is no early data: ARCHITECTURE.md.
        tls.ticketer =
            rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| QuicError::Setup(error.to_string()))?;
        tls.max_early_data_size = 0;
        let crypto = QuicServerConfig::try_from(tls).map_err(|error| QuicError::Setup(error.to_string()))?;
        let mut config = ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(Arc::new(transport(&options)?));
        // Packets that come behind a first one, while it waits to be judged.
        config.max_incoming(INCOMING_MAX).incoming_buffer_size(STRANGER_WINDOW_BYTES.into());
        config.incoming_buffer_size_total(INCOMING_BYTES_MAX);
        let unbound = |source| QuicError::Bind { address: options.listen, source };
        let socket = bind(options.listen).map_err(unbound)?;
        let receiving = ReceivingRuntime::start().map_err(|error| QuicError::Setup(error.to_string()))?;
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(receiving)).map_err(unbound)?;
        let (stop, stopping) = watch::channel(false);
        let metrics = Arc::clone(pipeline.metrics());
        let windows_kib = usize::try_from(options.receive_windows_bytes_max / 1024).unwrap_or(Semaphore::MAX_PERMITS);
        let sessions = Arc::new(Sessions {
            shares: GatewayShares::new(pipeline.budget_bytes(), options.session.frame_bytes_max),
            pipeline,
            options: options.session.clone(),
            stopping,
        });
        let acceptor = Acceptor {
            sessions,
            metrics,
            admission: Arc::new(Mutex::new(Admission::new(options.admission.clone()))),
            windows: Arc::new(Semaphore::new(windows_kib.min(Semaphore::MAX_PERMITS))),
            options: Arc::new(options),
            tasks: TaskTracker::new(),
        };
        let tasks = acceptor.tasks.clone();
        tasks.spawn(accept(endpoint.clone(), acceptor));
        Ok(Self { endpoint, tasks, stop })
    }

    /// Address that it listens on.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Takes no more batches, acknowledges those that were submitted, tells every gateway, and closes. What lasts
    /// longer than `patience` is cut off.
    pub async fn stop(self, patience: Duration) {
        // The receivers end with their tasks.
        let _ = self.stop.send(true);
        self.endpoint.set_server_config(None);
        let told = tokio::time::sleep(TELL_BEFORE_CLOSING);
        told.await;
        self.endpoint.close(VarInt::from_u32(CLOSE_SHUTTING_DOWN), b"the server is stopping");
        self.tasks.close();
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
        let _ = tokio::time::timeout(patience, self.endpoint.wait_idle()).await;
    }
}

#[derive(Clone)]
struct Acceptor {
    sessions: Arc<Sessions>,
    metrics: Arc<IngestMetrics>,
    admission: Arc<Mutex<Admission>>,
    /// What is left of the receive windows of all connections, in KiB.
    windows: Arc<Semaphore>,
    options: Arc<QuicOptions>,
    tasks: TaskTracker,
}

async fn accept(endpoint: Endpoint, acceptor: Acceptor) {
    while let Some(incoming) = endpoint.accept().await {
        let address = incoming.remote_address().ip();
        let is_proven = incoming.remote_address_validated();
        let now = acceptor.sessions.pipeline.store().clock().monotonic();
        let verdict = acceptor.lock().judge(address, is_proven, now);
        match verdict {
            Verdict::Accept => drop(acceptor.tasks.spawn(acceptor.clone().serve(incoming, is_proven))),
            Verdict::Retry => {
                acceptor.metrics.handshakes_retried.inc();
                if let Err(error) = incoming.retry() {
                    error.into_incoming().ignore();
                }
            }
            Verdict::Refuse(reason) => {
                acceptor.metrics.connections_refused.inc();
                tracing::debug!(%address, "connection refused: {reason}");
                incoming.refuse();
            }
        }
    }
}

impl Acceptor {
    fn lock(&self) -> std::sync::MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self, incoming: Incoming, is_proven: bool) {
        let address = incoming.remote_address();
        self.metrics.connections.inc();
        let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, incoming).await;
        self.lock().handle_handshake_ended(is_proven);
        match shaken {
            Ok(Ok(connection)) => self.serve_connection(connection).await,
            Ok(Err(error)) => tracing::debug!(%address, "handshake failed: {error}"),
            Err(_) => tracing::debug!(%address, "handshake took longer than {HANDSHAKE_TIMEOUT:?}"),
        }
        self.lock().handle_closed(address.ip());
        self.metrics.connections.dec();
    }

    /// Serves the streams of a connection. Who has not shown a token in time is closed out: a place is not for strangers.
    async fn serve_connection(&self, connection: Connection) {
        let options = &self.options;
        let more_bytes = options.receive_window_bytes.saturating_sub(STRANGER_WINDOW_BYTES);
        let unacked_bytes_max = options.session.unacked_bytes_max;
        let peer = Arc::new(Peer::new(connection.clone(), unacked_bytes_max, more_bytes, Arc::clone(&self.windows)));
        let mut strange_since = Some(Box::pin(tokio::time::sleep(2 * options.session.frame_timeout)));
        loop {
            let too_long = async {
                match &mut strange_since {
                    Some(sleep) => sleep.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                accepted = connection.accept_bi() => match accepted {
                    Ok((send, receive)) => {
                        self.tasks.spawn(Arc::clone(&self.sessions).serve(send, receive, Arc::clone(&peer)));
                    }
                    Err(error) => {
                        let is_lost = error == ConnectionError::TimedOut;
                        self.metrics.connections_lost.inc_by(is_lost.into());
                        tracing::debug!(address = %connection.remote_address(), "connection ended: {error}");
                        return;
                    }
                },
                () = too_long => {
                    if !peer.is_known() {
                        tracing::info!(address = %connection.remote_address(), "connection closed: no token was shown on it");
                        connection.close(VarInt::from_u32(CLOSE_PROTOCOL), b"no stream was opened with a token in time");
                        return;
                    }
                    strange_since = None;
                }
            }
        }
    }
}

fn transport(options: &QuicOptions) -> Result<TransportConfig, QuicError> {
    let idle = IdleTimeout::try_from(options.idle_timeout).map_err(|error| QuicError::Setup(error.to_string()))?;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(options.streams_per_connection_max))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        // What a stream whose table has no room leaves unread must not take up the whole connection.
        .stream_receive_window(VarInt::from_u32(options.receive_window_bytes / STREAM_SHARE))
        .receive_window(VarInt::from_u32(STRANGER_WINDOW_BYTES.min(options.receive_window_bytes)))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(options.idle_timeout / 3));
    Ok(transport)
}

fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    // The system may grant less; it only costs packets at bursts.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Bytes that a connection may have under way as long as no gateway has shown its token on it: enough for the messages
/// that open its streams.
pub const STRANGER_WINDOW_BYTES: u32 = 64 << 10;
/// Time for a handshake to come to its end.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// First packets that wait to be judged.
const INCOMING_MAX: usize = 4_096;
/// Bytes of what comes behind all of them.
const INCOMING_BYTES_MAX: u64 = 16 << 20;
/// Code with which a connection is closed whose other side does not keep to the protocol.
const CLOSE_PROTOCOL: u32 = 1;
/// A stream may have one in so many of its connection's bytes under way: both lanes of a table leave half to others.
const STREAM_SHARE: u32 = 4;
/// Code with which connections are closed when the server stops.
const CLOSE_SHUTTING_DOWN: u32 = 2;
/// Time that streams have to say so before.
const TELL_BEFORE_CLOSING: Duration = Duration::from_millis(200);
/// Acknowledgements are small; a connection that does not read them is held at this.
const SEND_WINDOW_BYTES: u64 = 256 * 1024;
/// Buffers asked of the system for the socket.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
