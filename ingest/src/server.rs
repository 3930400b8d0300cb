//! The QUIC endpoint: connections, their limits, and a task for each of their streams.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;
use zonelake_schemas::wire::ALPN;

use crate::metrics::IngestMetrics;
use crate::pipeline::Pipeline;
use crate::session::{SessionOptions, Sessions};

/// Where the endpoint listens and what it allows.
#[derive(Debug, Clone)]
pub struct QuicOptions {
    /// Address and UDP port.
    pub listen: SocketAddr,
    /// Connections in all.
    pub connections_max: usize,
    /// Connections from one address.
    pub connections_per_address_max: usize,
    /// Streams of batches that one connection may have open.
    pub streams_per_connection_max: u32,
    /// Bytes that one connection may have under way to the server and unread.
    pub receive_window_bytes: u32,
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
        let crypto = QuicServerConfig::try_from(tls).map_err(|error| QuicError::Setup(error.to_string()))?;
        let mut config = ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(Arc::new(transport(&options)?));
        let socket = bind(options.listen).map_err(|source| QuicError::Bind { address: options.listen, source })?;
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
            .map_err(|source| QuicError::Bind { address: options.listen, source })?;
        let (stop, stopping) = watch::channel(false);
        let metrics = Arc::clone(pipeline.metrics());
        let sessions = Arc::new(Sessions { pipeline, options: options.session.clone(), stopping });
        let acceptor =
            Acceptor { sessions, metrics, open: Arc::default(), options: Arc::new(options), tasks: TaskTracker::new() };
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
    open: Arc<Mutex<OpenConnections>>,
    options: Arc<QuicOptions>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct OpenConnections {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place within the limits, given back when dropped.
struct Place {
    open: Arc<Mutex<OpenConnections>>,
    metrics: Arc<IngestMetrics>,
    address: IpAddr,
}

async fn accept(endpoint: Endpoint, acceptor: Acceptor) {
    while let Some(incoming) = endpoint.accept().await {
        let address = incoming.remote_address().ip();
        match acceptor.take_place(address) {
            Some(place) => drop(acceptor.tasks.spawn(acceptor.clone().serve(incoming, place))),
            None => {
                tracing::info!(%address, "connection refused: too many are open");
                incoming.refuse();
            }
        }
    }
}

impl Acceptor {
    fn take_place(&self, address: IpAddr) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = open.by_address.get(&address).copied().unwrap_or(0);
        if open.all >= self.options.connections_max || of_address >= self.options.connections_per_address_max {
            return None;
        }
        open.all += 1;
        open.by_address.insert(address, of_address + 1);
        self.metrics.connections.inc();
        Some(Place { open: Arc::clone(&self.open), metrics: Arc::clone(&self.metrics), address })
    }

    async fn serve(self, incoming: Incoming, place: Place) {
        let address = incoming.remote_address();
        match incoming.await {
            Ok(connection) => self.serve_connection(connection).await,
            Err(error) => tracing::info!(%address, "handshake failed: {error}"),
        }
        drop(place);
    }

    async fn serve_connection(&self, connection: Connection) {
        let unacked = Arc::new(Semaphore::new(self.options.session.unacked_bytes_max));
        loop {
            match connection.accept_bi().await {
                Ok((send, receive)) => {
                    self.tasks.spawn(Arc::clone(&self.sessions).serve(send, receive, Arc::clone(&unacked)));
                }
                Err(error) => {
                    tracing::debug!(address = %connection.remote_address(), "connection ended: {error}");
                    return;
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
        self.metrics.connections.dec();
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
        .receive_window(VarInt::from_u32(options.receive_window_bytes))
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
