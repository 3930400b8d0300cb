//! TCP listener of an interface: bound with a message that helps, and accepting within the connection limits.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

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

/// Behaviour of a listener whose connections in all have reached their limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// A further connection waits in the system's queue until another one ends.
    Wait,
    /// A further connection is told so and closed.
    Refuse,
}

/// Listening socket and limits of one interface.
#[derive(Debug)]
pub struct Listener {
    interface: &'static str,
    socket: TcpListener,
    address: SocketAddr,
    limits: ConnectionLimits,
    when_full: WhenFull,
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
        when_full: WhenFull,
    ) -> Result<Self, BindError> {
        let failed = |error| BindError { interface, address, error };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { interface, socket, address, limits, when_full })
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
        // Dropping this future between the steps loses nothing: the permit frees itself, and no connection is taken yet.
        let mut of_all = match self.when_full {
            WhenFull::Wait => self.limits.of_all().await,
            WhenFull::Refuse => None,
        };
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
            return match self.limits.try_acquire(peer, of_all.take()) {
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
