//! Writes that a peer does not take: a socket whose peer reads nothing for too long ends its connection. The time is judged
//! by progress: a peer that reads slowly may take as long as it needs.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Stream whose writes fail once the peer has taken nothing for a time.
pub struct StallTimeout<S> {
    stream: S,
    limit: Duration,
    /// Runs while a write waits; none while writes go through.
    stalled: Option<Pin<Box<Sleep>>>,
    progress: Arc<StreamProgress>,
}

/// Counts of what moved over a stream, for whoever watches it.
#[derive(Debug, Default)]
pub struct StreamProgress {
    reads: AtomicU64,
    waited_writes: AtomicU64,
}

// Relaxed throughout: each count is looked at alone, and orders nothing else.
impl StreamProgress {
    /// Reads that gave bytes.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Writes that went through after they had waited for the peer.
    pub fn waited_writes(&self) -> u64 {
        self.waited_writes.load(Ordering::Relaxed)
    }
}

impl<S> StallTimeout<S> {
    /// The stream under a limit on the time without progress of a write.
    pub fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, stalled: None, progress: Arc::default() }
    }

    /// Counts of what moves over the stream.
    pub fn progress(&self) -> Arc<StreamProgress> {
        Arc::clone(&self.progress)
    }

    /// The result of a write, or its end where it has waited too long.
    fn watched<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            if self.stalled.take().is_some() {
                self.progress.waited_writes.fetch_add(1, Ordering::Relaxed);
            }
            return result;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, format!("the peer has read nothing for {limit:?}"))))
    }
}

impl<S> std::fmt::Debug for StallTimeout<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StallTimeout").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallTimeout<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.progress.reads.fetch_add(1, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watched(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watched(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watched(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn a_peer_that_reads_nothing_ends_the_write_and_one_that_reads_slowly_does_not() {
        runtime().block_on(async {
            let limit = Duration::from_millis(200);
            let (near, far) = duplex(1_024);
            let mut near = StallTimeout::new(near, limit);
            let error = near.write_all(&[0; 4_096]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
            drop(far);

            let (near, mut far) = duplex(1_024);
            let mut near = StallTimeout::new(near, limit);
            let progress = near.progress();
            let reading = async {
                // Takes four times the limit in all.
                for _ in 0..16 {
                    sleep(limit / 4).await;
                    far.read_exact(&mut [0; 256]).await.unwrap();
                }
            };
            let (written, ()) = tokio::join!(near.write_all(&[0; 4_096]), reading);
            written.unwrap();
            assert!(progress.waited_writes() > 0);
        });
    }

    #[test]
    fn silence_of_a_peer_that_owes_nothing_ends_nothing() {
        runtime().block_on(async {
            let (near, mut far) = duplex(1_024);
            let mut near = StallTimeout::new(near, LIMIT);
            far.write_all(b"ab").await.unwrap();
            near.read_exact(&mut [0; 2]).await.unwrap();
            assert_eq!(near.progress().reads(), 1);
        });
    }
}
