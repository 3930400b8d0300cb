//! A connection as its streams share it: whether a gateway is known behind it, and what it may hold.

use std::sync::{Arc, OnceLock};

use quinn::{Connection, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::endpoint::STRANGER_WINDOW_BYTES;

/// One connection.
#[derive(Debug)]
pub struct Peer {
    connection: Connection,
    /// What its batches may hold until they are acknowledged.
    unacked: Arc<Semaphore>,
    /// What its receive window grows by once a gateway is known.
    more_bytes: u32,
    windows: Arc<Semaphore>,
    /// Set once a gateway is known: its share of the windows of all connections.
    known: OnceLock<Option<OwnedSemaphorePermit>>,
}

impl Peer {
    /// A connection of a stranger. `windows` is what is left of the receive windows of all connections, in KiB.
    pub(crate) fn new(
        connection: Connection,
        unacked_bytes_max: usize,
        more_bytes: u32,
        windows: Arc<Semaphore>,
    ) -> Self {
        let unacked = Arc::new(Semaphore::new(unacked_bytes_max));
        Self { connection, unacked, more_bytes, windows, known: OnceLock::new() }
    }

    /// What its batches may hold until they are acknowledged, bytes.
    pub(crate) fn unacked(&self) -> &Arc<Semaphore> {
        &self.unacked
    }

    /// Whether a gateway has shown its token.
    pub(crate) fn is_known(&self) -> bool {
        self.known.get().is_some()
    }

    /// A gateway has shown its token: it may send further ahead, where the windows of all connections leave room.
    pub(crate) fn handle_known(&self) {
        self.known.get_or_init(|| {
            let share = Arc::clone(&self.windows).try_acquire_many_owned(self.more_bytes.div_ceil(1024)).ok()?;
            self.connection.set_receive_window(VarInt::from_u32(STRANGER_WINDOW_BYTES + self.more_bytes));
            Some(share)
        });
    }
}
