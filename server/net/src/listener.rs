//! TCP listener of an interface: bound with a message that helps, and accepting within the connection limits.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::connection_limits::{ConnectionLimits, ConnectionPermit, LimitReached};

/// Listener that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "{interface} cannot listen on tcp {address}: {error}; is another server running, or the address not of this machine?"
)]
pub struct BindError {
    /// Interface in the user's terms.
    interface: &'static str,
    /// Address that the settings name.
    address: SocketAddr,
    /// Error of the system.
    error: std::io::Error,
}

/// Listening socket and limits of one interface.
#[derive(Debug)]
pub struct Listener {
    interface: &'static str,
    socket: TcpListener,
    address: SocketAddr,
    limits: ConnectionLimits,
}

/// Connection that came in.
#[derive(Debug)]
pub enum Incoming {
    /// Connection within the limits.
    Accepted {
        /// Socket, with Nagle's delay off.
        stream: TcpStream,
        /// Permit to be held for as long as the connection is open.
        permit: ConnectionPermit,
    },
    /// Connection over a limit, to be told so without waiting and closed.
    Refused {
        /// Socket.
        stream: TcpStream,
        /// Address of the client.
        peer: IpAddr,
        /// Limit.
        limit: LimitReached,
    },
}

impl Listener {
    /// Binds the socket of `interface`, which is named in messages.
    ///
    /// # Errors
    /// Where the address is taken, or not of this machine.
    pub async fn bind(
        interface: &'static str,
        address: SocketAddr,
        limits: ConnectionLimits,
    ) -> Result<Self, BindError> {
        let failed = |error| BindError { interface, address, error };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { interface, socket, address, limits })
    }

    /// Address that the socket is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Next connection; `None` once `stopping` is true.
    pub async fn accept(&self, stopping: &mut watch::Receiver<bool>) -> Option<Incoming> {
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => None,
            incoming = self.next() => Some(incoming),
        }
    }

    async fn next(&self) -> Incoming {
        loop {
            let (stream, peer) = match self.socket.accept().await {
                Ok((stream, from)) => (stream, from.ip()),
                Err(error) => {
                    tracing::warn!("a connection of {} could not be accepted: {error}", self.interface);
                    // Without file descriptors accept fails at once, again and again.
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                    continue;
                }
            };
            find_dead_peers(&stream);
            return match self.limits.try_acquire(peer) {
                Ok(permit) => {
                    // Responses are gathered before they are written; waiting to fill a packet only delays them. A socket
                    // that is closed already says so at its first read.
                    drop(stream.set_nodelay(true));
                    Incoming::Accepted { stream, permit }
                }
                Err(limit) => Incoming::Refused { stream, peer, limit },
            };
        }
    }
}

/// Pause after a failed accept.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Has the system ask a silent peer whether it is there: one that went without a word, as at a loss of power, would hold its
/// place for ever.
fn find_dead_peers(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!("a connection has no keepalive: {error}");
    }
}

/// Silence after which a peer is asked whether it is there, and the time between two questions. The system closes a
/// connection whose peer leaves nine of them unanswered.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
