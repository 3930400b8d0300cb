//! Receive windows: the bytes that connections may have in flight and unread.
//!
//! All large windows together are bounded. A connection that comes when they are given out has a small one, in which its
//! streams have smaller windows too: in either, a stream that is not read leaves three quarters to the others. The
//! window of a stream is said in the handshake and stays, so the choice is made before the connection is accepted.
//! Connections without a token have at most half of the large windows, and use them only once they have shown one.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::stream_limits::UNAUTHENTICATED_WINDOW_BYTES;

/// Windows of all connections.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    large_bytes: u32,
    /// Free part of the large windows, KiB.
    free_kib: Arc<Semaphore>,
    /// The same of the part that unauthenticated connections may have.
    free_of_strangers_kib: Arc<Semaphore>,
}

/// Window of one connection.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: u32,
    permit: Option<OwnedSemaphorePermit>,
    /// Given back when it is authenticated.
    of_stranger: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Windows {
    /// Windows of `large_bytes` each, and of `bytes_max` together.
    pub(crate) fn new(large_bytes: u32, bytes_max: u64) -> Self {
        let kib = usize::try_from(bytes_max / 1024).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let (free_kib, of_strangers) = (Semaphore::new(kib), Semaphore::new(kib / 2));
        Self { large_bytes, free_kib: Arc::new(free_kib), free_of_strangers_kib: Arc::new(of_strangers) }
    }

    /// The window of a new connection: a large one where one is free, and a small one otherwise.
    pub(crate) fn take(&self) -> Window {
        let more = self.large_bytes.saturating_sub(UNAUTHENTICATED_WINDOW_BYTES).div_ceil(1024);
        let of_stranger = Arc::clone(&self.free_of_strangers_kib).try_acquire_many_owned(more).ok();
        let permit = of_stranger.as_ref().and_then(|_| Arc::clone(&self.free_kib).try_acquire_many_owned(more).ok());
        if permit.is_none() {
            return Window { bytes: self.small_bytes(), permit: None, of_stranger: Mutex::new(None) };
        }
        Window { bytes: self.large_bytes, permit, of_stranger: Mutex::new(of_stranger) }
    }

    /// Bytes of a small window, and of every window before a token is shown.
    pub(crate) fn small_bytes(&self) -> u32 {
        self.large_bytes.min(UNAUTHENTICATED_WINDOW_BYTES)
    }
}

impl Window {
    /// Bytes that one stream may have unread in a window: both lanes of a table leave half of it to others.
    pub(crate) fn stream_bytes(window_bytes: u32) -> u32 {
        window_bytes / STREAM_SHARE
    }

    /// True for a window that grows once the connection is authenticated.
    pub(crate) fn is_large(&self) -> bool {
        self.permit.is_some()
    }

    /// Notes a valid token; gives back the bytes that the window grows to, where it does.
    pub(crate) fn handle_authenticated(&self) -> Option<u32> {
        self.of_stranger.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.is_large().then_some(self.bytes)
    }
}

/// Divisor of a connection's receive window for one stream.
const STREAM_SHARE: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u32 = 1 << 20;

    #[test]
    fn large_windows_are_given_out_up_to_their_sum_and_a_stream_has_a_quarter_of_either() {
        let windows = Windows::new(LARGE, 4 * u64::from(LARGE));
        let taken: Vec<Window> = std::iter::repeat_with(|| windows.take())
            .take(6)
            .inspect(|window| assert_eq!(window.handle_authenticated(), window.is_large().then_some(LARGE)))
            .collect();
        assert_eq!(taken.iter().filter(|window| window.is_large()).count(), 4);
        assert_eq!(Window::stream_bytes(windows.small_bytes()), UNAUTHENTICATED_WINDOW_BYTES / 4);
        drop(taken);
        assert!(windows.take().is_large(), "they are given back");
    }

    #[test]
    fn connections_without_a_token_leave_half_of_the_large_windows() {
        let windows = Windows::new(LARGE, 4 * u64::from(LARGE));
        let strangers: Vec<Window> = (0..4).map(|_| windows.take()).collect();
        assert_eq!(strangers.iter().filter(|window| window.is_large()).count(), 2);
        strangers[0].handle_authenticated();
        assert!(windows.take().is_large(), "who has shown a token is authenticated");
    }
}
