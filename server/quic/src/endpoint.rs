//! The QUIC endpoint: the socket, connections and their limits, and a task for each of their streams.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, ConnectionError, Endpoint, EndpointConfig, IdleTimeout, Incoming, ServerConfig, TransportConfig, VarInt,
};
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;
use zonelake_ingest::{GatewayQuota, IngestMetrics, Pipeline};
use zonelake_net::Authenticator;
use zonelake_schemas::wire::ALPN;

use crate::admission::admission::AdmissionLimits;
use crate::admission::places::{Answer, Place, Places};
use crate::connection::{CLOSE_PROTOCOL, ConnectionState};
use crate::log_limit::LogLimits;
use crate::pushes::stored_times::StoredTimes;
use crate::receive_thread::ReceivingRuntime;
use crate::session::serve_stream;
use crate::shared::SharedState;
use crate::stream_limits::{SessionOptions, UNAUTHENTICATED_WINDOW_BYTES};
use crate::windows::{Window, Windows};

/// Address and limits of the endpoint.
#[derive(Debug, Clone)]
pub struct QuicOptions {
    /// Address and UDP port.
    pub listen: SocketAddr,
    /// Limits of connections and handshakes.
    pub admission: AdmissionLimits,
    /// Streams of batches that one connection may have open.
    pub streams_per_connection_max: u32,
    /// Bytes that one connection may have in flight to the server and unread, once it is authenticated.
    pub receive_window_bytes: u32,
    /// Bytes that all connections together may have in flight so. A connection that comes when they are given out has
    /// 65,536, which is slower on a distant link, and always enough to go on.
    pub receive_windows_bytes_max: u64,
    /// Silence after which a connection counts as dead.
    pub idle_timeout: Duration,
    /// Limits of each stream.
    pub session: SessionOptions,
}

/// Reasons for which the endpoint cannot start.
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
    /// Binds the address and begins to accept. `tls` is the certificate and key; its ALPN id is set here. Without `stored` no push is told which of its
    /// times are stored.
    ///
    /// # Errors
    /// `Bind` where the address cannot be bound, `Setup` for a certificate, key or limits that QUIC cannot use.
    pub fn start(
        options: QuicOptions,
        mut tls: rustls::ServerConfig,
        pipeline: Arc<Pipeline>,
        authenticator: Arc<Authenticator>,
        stored: Option<Arc<dyn StoredTimes>>,
    ) -> Result<Self, QuicError> {
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // A gateway that comes back shows a ticket, and neither side needs the certificate again. The ticket holds all
        // that is needed, so no cache of this side limits how many gateways come back at once. There is no early data:
        // whoever records it can send it again, and a replayed `Open` would fence the gateway that has the stream.
        tls.ticketer =
            rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| QuicError::Setup(error.to_string()))?;
        tls.max_early_data_size = 0;
        let crypto = QuicServerConfig::try_from(tls).map_err(|error| QuicError::Setup(error.to_string()))?;
        let mut config = ServerConfig::with_crypto(Arc::new(crypto));
        let windows = Windows::new(options.receive_window_bytes, options.receive_windows_bytes_max);
        config.transport_config(Arc::new(transport(&options, windows.small_bytes())?));
        // Packets that come behind an Initial packet, while that waits for its decision.
        config.max_incoming(INCOMING_MAX).incoming_buffer_size(UNAUTHENTICATED_WINDOW_BYTES.into());
        config.incoming_buffer_size_total(INCOMING_BYTES_MAX);
        let unbound = |source| QuicError::Bind { address: options.listen, source };
        let configs = Configs::new(&config, &options, &windows)?;
        let socket = bind(options.listen).map_err(unbound)?;
        let receiving = ReceivingRuntime::start().map_err(|error| QuicError::Setup(error.to_string()))?;
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(receiving)).map_err(unbound)?;
        let (stop, stopping) = watch::channel(false);
        let metrics = Arc::clone(pipeline.metrics());
        let shared = Arc::new(SharedState {
            gateway_quota: GatewayQuota::new(pipeline.budget_bytes(), options.session.frame_bytes_max),
            pipeline,
            authenticator,
            stored,
            options: options.session.clone(),
            logs: LogLimits::default(),
            stopping,
        });
        let acceptor = Acceptor {
            shared,
            metrics,
            places: Places::new(options.admission.clone()),
            windows,
            configs,
            options: Arc::new(options),
            tasks: TaskTracker::new(),
        };
        let tasks = acceptor.tasks.clone();
        tasks.spawn(accept(endpoint.clone(), acceptor));
        Ok(Self { endpoint, tasks, stop })
    }

    /// Address that the endpoint listens on.
    ///
    /// # Errors
    /// Passes on the error of the system, where it no longer knows the socket.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Takes no more batches, acknowledges those that were submitted, tells every gateway, and closes. What lasts
    /// longer than the grace period is cut off.
    pub async fn stop(self, grace_period: Duration) {
        // Fails where no stream is open, and then nobody has to be told.
        self.stop.send(true).ok();
        self.endpoint.set_server_config(None);
        // Streams refuse with `ShuttingDown` now. A close sent at once would overtake what they have to say.
        tokio::time::sleep(TELL_BEFORE_CLOSING).await;
        self.endpoint.close(VarInt::from_u32(CLOSE_SHUTTING_DOWN), b"the server is stopping");
        self.tasks.close();
        // Either wait may end early: what is not acknowledged by then is sent again to the next process.
        tokio::time::timeout(grace_period, self.tasks.wait()).await.ok();
        tokio::time::timeout(grace_period, self.endpoint.wait_idle()).await.ok();
    }
}

#[derive(Clone)]
struct Acceptor {
    shared: Arc<SharedState>,
    metrics: Arc<IngestMetrics>,
    places: Places,
    windows: Windows,
    configs: Configs,
    options: Arc<QuicOptions>,
    tasks: TaskTracker,
}

/// Configurations of connections, by the size of their window.
#[derive(Clone)]
struct Configs {
    large: Arc<ServerConfig>,
    small: Arc<ServerConfig>,
}

impl Configs {
    fn new(config: &ServerConfig, options: &QuicOptions, windows: &Windows) -> Result<Self, QuicError> {
        let of = |window_bytes| {
            let mut config = config.clone();
            config.transport_config(Arc::new(transport(options, window_bytes)?));
            Ok(Arc::new(config))
        };
        Ok(Self { large: of(options.receive_window_bytes)?, small: of(windows.small_bytes())? })
    }

    fn of(&self, window: &Window) -> Arc<ServerConfig> {
        Arc::clone(if window.is_large() { &self.large } else { &self.small })
    }
}

async fn accept(endpoint: Endpoint, acceptor: Acceptor) {
    while let Some(incoming) = endpoint.accept().await {
        let address = incoming.remote_address().ip();
        let is_validated = incoming.remote_address_validated();
        let now = acceptor.shared.pipeline.store().clock().monotonic();
        match acceptor.places.decide(address, is_validated, now) {
            Answer::Accept(place, has_evicted) => {
                acceptor.metrics.connections_evicted.inc_by(has_evicted.into());
                drop(acceptor.tasks.spawn(acceptor.clone().serve(incoming, place)));
            }
            Answer::Retry => {
                acceptor.metrics.handshakes_retried.inc();
                if let Err(error) = incoming.retry() {
                    error.into_incoming().ignore();
                }
            }
            Answer::Refuse(reason) => {
                acceptor.metrics.connections_refused.inc();
                tracing::debug!(%address, "connection refused: {reason}");
                incoming.refuse();
            }
        }
    }
}

impl Acceptor {
    async fn serve(self, incoming: Incoming, mut place: Place) {
        let address = incoming.remote_address();
        self.metrics.connections.inc();
        let window = self.windows.take();
        let handshake = async { incoming.accept_with(self.configs.of(&window))?.await };
        let handshake = tokio::select! {
            biased;
            // Its place is another's now; the handshake breaks off with that.
            Ok(()) = &mut place.evicted => None,
            handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake) => Some(handshake),
        };
        place.handle_handshake_ended();
        match handshake {
            Some(Ok(Ok(connection))) => self.serve_connection(connection, window, &mut place).await,
            Some(Ok(Err(error))) => tracing::debug!(%address, "handshake failed: {error}"),
            Some(Err(_elapsed)) => tracing::debug!(%address, "handshake took longer than {HANDSHAKE_TIMEOUT:?}"),
            None => tracing::debug!(%address, "handshake broken off: its place was needed"),
        }
        self.metrics.connections.dec();
    }

    /// Serves the streams of a connection. One that is not authenticated in time is closed, and so is one whose place
    /// is needed before: places are for gateways.
    async fn serve_connection(&self, connection: Connection, window: Window, place: &mut Place) {
        let session = &self.options.session;
        let holder = place.holder();
        let state = Arc::new(ConnectionState::new(connection.clone(), session.unacked_bytes_max, window, holder));
        // Twice the time for a frame: one for the stream to be opened, one for its `Open` to arrive.
        let mut deadline = Some(Box::pin(tokio::time::sleep(2 * session.frame_timeout)));
        let mut evicted = Some(&mut place.evicted);
        loop {
            let too_long = async {
                match &mut deadline {
                    Some(sleep) => sleep.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                accepted = connection.accept_bi() => match accepted {
                    Ok((send, receive)) => {
                        let (shared, state) = (Arc::clone(&self.shared), Arc::clone(&state));
                        self.tasks.spawn(serve_stream(shared, send, receive, state));
                    }
                    Err(error) => {
                        let is_lost = error == ConnectionError::TimedOut;
                        self.metrics.connections_lost.inc_by(is_lost.into());
                        tracing::debug!(address = %connection.remote_address(), "connection ended: {error}");
                        return;
                    }
                },
                is_evicted = until_evicted(&mut evicted) => {
                    if is_evicted {
                        let reason = b"the place was needed, and no stream was opened with a token on it";
                        return connection.close(VarInt::from_u32(CLOSE_NORMAL), reason);
                    }
                    evicted = None;
                }
                () = too_long => {
                    if !state.is_authenticated() {
                        return self.close_silent(&connection);
                    }
                    deadline = None;
                }
            }
        }
    }

    fn close_silent(&self, connection: &Connection) {
        let now = self.shared.pipeline.store().clock().monotonic();
        if let Some(left_out) = self.shared.logs.strangers.allow(now) {
            let address = connection.remote_address();
            tracing::info!(%address, left_out, "connection closed: no token was shown on it");
        }
        connection.close(VarInt::from_u32(CLOSE_PROTOCOL), b"no stream was opened with a token in time");
    }
}

/// True when the place is given to another connection, false when that cannot happen any more.
async fn until_evicted(evicted: &mut Option<&mut oneshot::Receiver<()>>) -> bool {
    match evicted {
        Some(evicted) => evicted.await.is_ok(),
        None => std::future::pending().await,
    }
}

/// Configuration of connections with a receive window of `window_bytes`, once they are authenticated.
fn transport(options: &QuicOptions, window_bytes: u32) -> Result<TransportConfig, QuicError> {
    let idle = IdleTimeout::try_from(options.idle_timeout).map_err(|error| QuicError::Setup(error.to_string()))?;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(options.streams_per_connection_max))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        // A stream whose table has no capacity leaves bytes unread, which must not take up the whole connection.
        .stream_receive_window(VarInt::from_u32(Window::stream_bytes(window_bytes)))
        .receive_window(VarInt::from_u32(UNAUTHENTICATED_WINDOW_BYTES.min(window_bytes)))
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
    // The system may grant less; that only costs packets at bursts.
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES).ok();
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES).ok();
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Maximum time of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Initial packets that wait for their decision.
const INCOMING_MAX: usize = 4_096;
/// Bytes of the packets behind all of them.
const INCOMING_BYTES_MAX: u64 = 16 << 20;
/// Close code for a peer that may connect again.
const CLOSE_NORMAL: u32 = 0;
/// Close code while the server stops.
const CLOSE_SHUTTING_DOWN: u32 = 2;
/// Time for streams to send their refusals before that.
const TELL_BEFORE_CLOSING: Duration = Duration::from_millis(200);
/// Unread acknowledgements of one connection, bytes. They are small, so that only a gateway that does not read is held.
const SEND_WINDOW_BYTES: u64 = 256 * 1024;
/// Socket buffer that is asked of the system, for each direction.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
