//! A connection as its streams share it: authenticated or not, and the bytes that it may hold.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use quinn::{Connection, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::stream_limits::UNAUTHENTICATED_WINDOW_BYTES;

/// State of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    connection: Connection,
    /// Bytes that its batches may hold until they are acknowledged.
    unacked: Arc<Semaphore>,
    /// Bytes that its receive window grows by with the first valid token.
    more_bytes: u32,
    /// Free part of the receive windows of all connections, KiB.
    windows: Arc<Semaphore>,
    /// Set with the first valid token: the permit for the grown window, where one was free.
    authenticated: OnceLock<Option<OwnedSemaphorePermit>>,
}

impl ConnectionState {
    /// An unauthenticated connection. `windows` is the free part of the receive windows of all connections, in KiB.
    pub(crate) fn new(
        connection: Connection,
        unacked_bytes_max: usize,
        more_bytes: u32,
        windows: Arc<Semaphore>,
    ) -> Self {
        let unacked = Arc::new(Semaphore::new(unacked_bytes_max));
        Self { connection, unacked, more_bytes, windows, authenticated: OnceLock::new() }
    }

    /// Address of the client. It may change while the connection roams.
    pub(crate) fn peer(&self) -> IpAddr {
        self.connection.remote_address().ip()
    }

    /// Permits for the bytes that its batches may hold until they are acknowledged.
    pub(crate) fn unacked(&self) -> &Arc<Semaphore> {
        &self.unacked
    }

    /// True once a stream was opened with a valid token.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.authenticated.get().is_some()
    }

    /// Notes a valid token: the gateway may send further ahead, where the windows of all connections leave that free.
    pub(crate) fn handle_authenticated(&self) {
        self.authenticated.get_or_init(|| {
            // Never waits: a connection whose window cannot grow is slower on a distant link, and still goes on.
            let permit = Arc::clone(&self.windows).try_acquire_many_owned(self.more_bytes.div_ceil(1024)).ok()?;
            self.connection.set_receive_window(VarInt::from_u32(UNAUTHENTICATED_WINDOW_BYTES + self.more_bytes));
            Some(permit)
        });
    }
}
