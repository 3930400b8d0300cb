//! A connection as its streams share it: authenticated or not, and the bytes that it may hold.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quinn::{Connection, SendStream, VarInt};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::admission::places::PlaceHolder;
use crate::frames::NotWritten;
use crate::windows::Window;

/// State of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    connection: Connection,
    /// Bytes that its batches may hold until they are acknowledged.
    unacked: Arc<Semaphore>,
    /// Window that it has once it is authenticated.
    window: Window,
    place: PlaceHolder,
    /// Set with the first valid token.
    authenticated: OnceLock<()>,
    /// True once a wrong token was shown. Held while one is looked up, so that one look-up is made for a connection that
    /// shows wrong ones on many streams.
    was_refused: Mutex<bool>,
}

impl ConnectionState {
    /// An unauthenticated connection.
    pub(crate) fn new(connection: Connection, unacked_bytes_max: usize, window: Window, place: PlaceHolder) -> Self {
        Self {
            connection,
            unacked: Arc::new(Semaphore::new(unacked_bytes_max)),
            window,
            place,
            authenticated: OnceLock::new(),
            was_refused: Mutex::new(false),
        }
    }

    /// Address of the client. It may change while the connection roams.
    pub(crate) fn peer(&self) -> IpAddr {
        self.connection.remote_address().ip()
    }

    /// Reserves a frame's bytes until its batch is acknowledged; `bytes_max` is the most that the connection may have.
    pub(crate) async fn reserve_unacked(&self, bytes: usize, bytes_max: usize) -> OwnedSemaphorePermit {
        // A batch of no bytes takes memory too, until its acknowledgement is written.
        let bytes = bytes.max(FRAME_BYTES_MIN).min(bytes_max);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.unacked).acquire_many_owned(bytes).await.expect("it is never closed")
    }

    /// True once a stream was opened with a valid token.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.authenticated.get().is_some()
    }

    /// Result of a look-up of a token; `None`, without a look-up, once a wrong one was shown.
    pub(crate) async fn check_token<T, E>(&self, look_up: impl Future<Output = Result<T, E>>) -> Option<Result<T, E>> {
        let mut was_refused = self.was_refused.lock().await;
        if *was_refused {
            return None;
        }
        let found = look_up.await;
        *was_refused = found.is_err();
        Some(found)
    }

    /// Notes a valid token: the connection keeps its place, and may send further ahead where its window allows it.
    pub(crate) fn handle_authenticated(&self) {
        self.authenticated.get_or_init(|| {
            self.place.handle_authenticated();
            if let Some(bytes) = self.window.handle_authenticated() {
                self.connection.set_receive_window(VarInt::from_u32(bytes));
            }
        });
    }

    /// Closes a connection on which a wrong token was shown, once the refusal has arrived: who has no token has no
    /// second try on the same connection, and begins with a handshake again.
    pub(crate) async fn close_without_token(&self, refusal: &mut SendStream) {
        // A close sent at once would overtake the refusal. Whether it has arrived makes no difference to the server.
        tokio::time::timeout(TELL_BEFORE_CLOSING, refusal.stopped()).await.ok();
        self.connection.close(VarInt::from_u32(CLOSE_PROTOCOL), b"no stream was opened with a token that is known");
    }

    /// Closes a connection whose client does not read what is written to it; one that has gone needs no close.
    pub(crate) fn handle_not_written(&self, reason: NotWritten) {
        if reason == NotWritten::NotRead {
            tracing::info!(address = %self.peer(), "connection closed: what the server writes is not read");
            self.connection.close(VarInt::from_u32(CLOSE_PROTOCOL), b"acknowledgements were not read in time");
        }
    }
}

/// Bytes that a frame counts for at least, so that the number of batches without an acknowledgement is bounded too.
const FRAME_BYTES_MIN: usize = 4 << 10;
/// Time for a refusal to arrive before its connection is closed.
const TELL_BEFORE_CLOSING: Duration = Duration::from_secs(1);
/// Close code for a gateway that does not keep to the protocol.
pub(crate) const CLOSE_PROTOCOL: u32 = 1;
