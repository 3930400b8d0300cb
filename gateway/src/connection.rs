//! The QUIC connection to a server. All streams of a gateway share one; the first stream that finds it lost dials again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectionError, Endpoint, IdleTimeout, TransportConfig, VarInt};
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::wire::ALPN;

use crate::error::ConnectError;
use crate::sockets::Sockets;
use crate::trust::Trust;

/// Close code of a connection that has done its work.
pub(crate) const CLOSE_NORMAL: u32 = 0;
/// Close code of a server that was sent what the protocol does not allow.
pub(crate) const CLOSE_PROTOCOL: u32 = 1;

/// Address of the server, its trust, and the limits by which a dead link is noticed.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// `host:port`.
    pub server: String,
    /// Name that the server's certificate must have where it is not pinned; `None`: the host of `server`.
    pub server_name: Option<String>,
    /// Trust in the server.
    pub trust: Trust,
    /// Silence after which a packet asks whether the server is there. Default 1 s.
    pub keep_alive: Duration,
    /// Silence after which the link counts as dead. Default 5 s: less finds a dead server sooner, more rides out a
    /// longer gap of the radio link.
    pub idle_timeout: Duration,
    /// Longest wait for a connection or for the answer to an opened stream. Default 30 s: some round trips of a link by satellite, behind what
    /// waits for the line.
    pub answer_timeout: Duration,
    /// Sockets to dial from. Default: new ones.
    pub sockets: Sockets,
}

impl ConnectionOptions {
    /// The defaults, for a server and what it must show.
    pub fn new(server: impl Into<String>, trust: Trust) -> Self {
        Self {
            server: server.into(),
            server_name: None,
            trust,
            keep_alive: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            sockets: Sockets::default(),
        }
    }
}

/// A connection to one server, dialled when a stream first needs it and again after it was lost.
#[derive(Debug)]
pub struct Connection {
    options: ConnectionOptions,
    config: ClientConfig,
    clock: Arc<dyn Clock>,
    /// The latest link; it may be lost.
    dialled: tokio::sync::Mutex<Option<quinn::Connection>>,
    /// Streams of back-fill that have waited for long behind what happens now.
    starving: AtomicUsize,
}

impl Connection {
    /// Prepares a connection; nothing is sent before the first stream opens.
    ///
    /// # Errors
    /// [`ConnectError::Trust`] where the trusted certificate cannot be read.
    pub fn new(options: ConnectionOptions) -> Result<Arc<Self>, ConnectError> {
        Self::with_clock(options, Arc::new(SystemClock::default()))
    }

    /// The same, with the clock that latencies are measured by.
    ///
    /// # Errors
    /// As [`Connection::new`].
    pub fn with_clock(options: ConnectionOptions, clock: Arc<dyn Clock>) -> Result<Arc<Self>, ConnectError> {
        let config = client_config(&options)?;
        let (dialled, starving) = (tokio::sync::Mutex::default(), AtomicUsize::new(0));
        Ok(Arc::new(Self { options, config, clock, dialled, starving }))
    }

    /// The clock that latencies are measured by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Options of the connection.
    pub fn options(&self) -> &ConnectionOptions {
        &self.options
    }

    /// Bytes that the present link takes in a second, by its congestion window and round trips so far; `None` where there is no link. At the beginning of a
    /// link it is less than the link can.
    pub async fn bytes_per_second(&self) -> Option<u64> {
        let dialled = self.dialled.lock().await;
        let path = dialled.as_ref().filter(|link| link.close_reason().is_none())?.stats().path;
        let per_second = u128::from(path.cwnd) * 1_000_000 / path.rtt.as_micros().max(1);
        Some(u64::try_from(per_second).unwrap_or(u64::MAX))
    }

    /// True where back-fill has waited for long behind what happens now.
    pub(crate) fn is_back_fill_starving(&self) -> bool {
        // Relaxed: it decides an order of packets, and orders nothing in memory.
        self.starving.load(Ordering::Relaxed) > 0
    }

    /// Drops the present link, as a broken network would; streams come back by themselves.
    pub async fn cut(&self) {
        if let Some(link) = self.dialled.lock().await.take() {
            link.close(VarInt::from_u32(CLOSE_NORMAL), b"cut");
        }
    }

    /// Tells the server that all is done, and waits until it knows; where sockets are shared, until all of their
    /// connections have ended.
    pub async fn close(&self) {
        let mut dialled = self.dialled.lock().await;
        if let Some(link) = dialled.take() {
            link.close(VarInt::from_u32(CLOSE_NORMAL), b"done");
        }
        self.options.sockets.wait_idle().await;
    }

    /// The living link, or a new one. Callers wait for each other, so that one dials for all.
    pub(crate) async fn link(&self) -> Result<quinn::Connection, ConnectError> {
        // The lock is held while dialling, so that one stream dials and the others get its link.
        let mut dialled = self.dialled.lock().await;
        if let Some(link) = &*dialled
            && link.close_reason().is_none()
        {
            return Ok(link.clone());
        }
        *dialled = None;
        let link = self.dial().await?;
        *dialled = Some(link.clone());
        Ok(link)
    }

    /// Dials all addresses of the server, each a little later than the one before, and takes the first that answers: a
    /// name often has an IPv6 address too at which nobody listens.
    async fn dial(&self) -> Result<quinn::Connection, ConnectError> {
        let server = &self.options.server;
        let unreachable = |reason: String| ConnectError::Unreachable { server: server.clone(), reason };
        let (host, _) = server
            .rsplit_once(':')
            .ok_or_else(|| ConnectError::Address { server: server.clone(), reason: "it is not host:port".into() })?;
        let name = self.options.server_name.as_deref().unwrap_or(host.trim_matches(['[', ']']));
        let addresses =
            tokio::net::lookup_host(server.as_str()).await.map_err(|error| unreachable(error.to_string()))?;
        let mut failure = unreachable("the host has no address".into());
        let mut dials = FuturesUnordered::new();
        for (index, address) in (0..).zip(addresses) {
            match self.options.sockets.reaching(address) {
                Ok(endpoint) => dials.push(self.dial_one(endpoint, address, name, DIAL_STEP * index)),
                Err(error) => failure = error,
            }
        }
        while let Some(dialled) = dials.next().await {
            match dialled {
                Ok(link) => return Ok(link),
                // An answer that says no tells more than no answer.
                Err(error) if matches!(failure, ConnectError::Unreachable { .. }) => failure = error,
                // The first refusal is as good as another.
                Err(_refused) => {}
            }
        }
        Err(failure)
    }

    async fn dial_one(
        &self,
        endpoint: Endpoint,
        address: SocketAddr,
        name: &str,
        wait: Duration,
    ) -> Result<quinn::Connection, ConnectError> {
        tokio::time::sleep(wait).await;
        let server = &self.options.server;
        let connecting = endpoint
            .connect_with(self.config.clone(), address, name)
            .map_err(|error| ConnectError::Address { server: server.clone(), reason: error.to_string() })?;
        match tokio::time::timeout(self.options.answer_timeout, connecting).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => Err(self.dial_error(error)),
            Err(_elapsed) => {
                Err(ConnectError::Unreachable { server: server.clone(), reason: "no answer in time".into() })
            }
        }
    }

    fn dial_error(&self, error: ConnectionError) -> ConnectError {
        let server = self.options.server.clone();
        let reason = error.to_string();
        let alert = match &error {
            ConnectionError::TransportError(error) => alert_of(u64::from(error.code)),
            ConnectionError::ConnectionClosed(close) => alert_of(u64::from(close.error_code)),
            _ => None,
        };
        match (error, alert) {
            (ConnectionError::VersionMismatch, _) | (_, Some(NO_APPLICATION_PROTOCOL)) => {
                ConnectError::Version { server, reason }
            }
            (ConnectionError::TransportError(_), Some(_)) => ConnectError::NotTrusted { server, reason },
            _ => ConnectError::Unreachable { server, reason },
        }
    }
}

/// Whether a stream of back-fill is starving, as long as it is open.
#[derive(Debug)]
pub(crate) struct Hunger<'a> {
    connection: &'a Connection,
    is_starving: bool,
}

impl<'a> Hunger<'a> {
    /// Of a stream that is not starving yet.
    pub(crate) fn on(connection: &'a Connection) -> Self {
        Self { connection, is_starving: false }
    }

    /// Takes whether it is starving now.
    pub(crate) fn set(&mut self, is_starving: bool) {
        match (self.is_starving, is_starving) {
            (false, true) => drop(self.connection.starving.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.connection.starving.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        self.is_starving = is_starving;
    }
}

impl Drop for Hunger<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// Pause between dialling one address and the next.
const DIAL_STEP: Duration = Duration::from_millis(250);
/// TLS alert by which a server says that it does not speak the offered protocols.
const NO_APPLICATION_PROTOCOL: u64 = 120;

/// The TLS alert in a QUIC transport error code (RFC 9001, section 4.8).
fn alert_of(code: u64) -> Option<u64> {
    (0x100..0x200).contains(&code).then(|| code - 0x100)
}

fn client_config(options: &ConnectionOptions) -> Result<ClientConfig, ConnectError> {
    let wrong = |reason: String| ConnectError::Trust { what: format!("{:?}", options.trust), reason };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = options.trust.verifier(&provider)?;
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| wrong(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| wrong(error.to_string()))?;
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(options.keep_alive));
    let idle = IdleTimeout::try_from(options.idle_timeout)
        .map_err(|error| wrong(format!("idle timeout {:?}: {error}", options.idle_timeout)))?;
    transport.max_idle_timeout(Some(idle));
    // Only the server's half of our own streams comes down: nothing else is to be opened towards us.
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    transport.max_concurrent_uni_streams(VarInt::from_u32(0));
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Ok(config)
}
