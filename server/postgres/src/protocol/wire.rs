//! Wire: a connection as a stream of messages. It reads one message at a time, buffers output, and notices that the
//! client has closed the connection while a statement runs.

use std::time::Duration;
use std::{fmt, io};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::protocol::messages::{ClientMessage, ProtocolError, take_message};

/// Connection, plain or under TLS.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// Reason that nothing more is read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// Failure of the connection.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Message that breaks the protocol.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    /// End of the connection that another one asked for.
    #[error("terminating connection due to administrator command")]
    Terminated,
    /// End of the connection by the client.
    #[error("the client has gone")]
    Closed,
}

/// Messages over a connection, with their buffers.
pub(crate) struct Wire {
    stream: Box<dyn Transport>,
    input: BytesMut,
    /// Buffered output; [`Wire::flush`] sends it.
    pub out: BytesMut,
    /// Longest message that is accepted.
    pub message_bytes_max: usize,
    /// Longest wait for more of a message that has begun.
    stall_timeout: Duration,
    /// True while output is being sent: how much of it has gone nobody knows before it has all gone.
    is_sending: bool,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("input", &self.input.len()).field("out", &self.out.len()).finish_non_exhaustive()
    }
}

/// Bytes of output that are buffered before they are sent.
pub(crate) const FLUSH_BYTES: usize = 64 * 1024;
/// Bytes of input that are buffered while a statement runs; beyond them the client waits.
const AHEAD_BYTES_MAX: usize = 1 << 20;

impl Wire {
    pub(crate) fn new(stream: Box<dyn Transport>, message_bytes_max: usize, stall_timeout: Duration) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            out: BytesMut::new(),
            message_bytes_max,
            stall_timeout,
            is_sending: false,
        }
    }

    /// Reads the next message. The future may be dropped and made again without loss.
    pub(crate) async fn read(&mut self) -> Result<ClientMessage, WireError> {
        loop {
            if let Some(message) = take_message(&mut self.input, self.message_bytes_max)? {
                return Ok(message);
            }
            // A session may be silent for as long as it likes, but not amid a message, which takes memory.
            let is_within = !self.input.is_empty();
            // `read_buf` is cancel safe: bytes are in the buffer or still in the socket.
            let read = self.stream.read_buf(&mut self.input);
            let read = match is_within {
                true => timeout(self.stall_timeout, read).await.map_err(|_elapsed| stalled())?,
                false => read.await,
            };
            if read? == 0 {
                return Err(WireError::Closed);
            }
        }
    }

    /// True where a message has arrived already, in whole or in part.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Returns when the client has closed the connection. Input that comes before is buffered up to a limit, and then
    /// the end goes unnoticed until a message is read.
    pub(crate) async fn closed(&mut self) -> WireError {
        while self.input.len() < AHEAD_BYTES_MAX {
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return WireError::Closed,
                Ok(_) => {}
                Err(error) => return error.into(),
            }
        }
        // The buffer is full of pipelined messages. TCP makes the client wait, and its end shows when the statement is
        // done.
        std::future::pending().await
    }

    /// Sends the buffered output.
    pub(crate) async fn flush(&mut self) -> Result<(), WireError> {
        self.is_sending = true;
        self.stream.write_all(&self.out).await?;
        self.is_sending = false;
        // Cleared behind the write, and kept as an allocation for the next responses.
        self.out.clear();
        self.stream.flush().await?;
        Ok(())
    }

    /// Drops the output that is buffered; false where some of it was being sent, and nothing may follow it.
    pub(crate) fn drop_output(&mut self) -> bool {
        self.out.clear();
        !self.is_sending
    }

    /// Sends the buffered output where there is much of it.
    pub(crate) async fn flush_if_full(&mut self) -> Result<(), WireError> {
        if self.out.len() >= FLUSH_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Closes the connection.
    pub(crate) async fn close(&mut self) {
        // The client may have closed it first, which is no failure.
        self.stream.shutdown().await.ok();
    }
}

fn stalled() -> WireError {
    io::Error::new(io::ErrorKind::TimedOut, "the rest of a message did not come").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_message_ends_the_connection_in_time_and_silence_between_messages_does_not() {
        let limit = Duration::from_millis(100);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (near, mut far) = tokio::io::duplex(1_024);
            let mut wire = Wire::new(Box::new(near), 1_024, limit);
            assert!(timeout(4 * limit, wire.read()).await.is_err(), "nothing came, and nothing is owed");
            // A query of 11 bytes, of which 5 come.
            far.write_all(&[b'Q', 0, 0, 0, 10]).await.unwrap();
            let ended = timeout(50 * limit, wire.read()).await.unwrap();
            assert!(
                matches!(&ended, Err(WireError::Io(error)) if error.kind() == io::ErrorKind::TimedOut),
                "{ended:?}"
            );
        });
    }
}
