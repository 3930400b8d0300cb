//! Wire: a connection as a stream of messages. It reads one message at a time, buffers output, and notices that the
//! client has closed the connection while a statement runs.

use std::{fmt, io};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

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
    pub(crate) fn new(stream: Box<dyn Transport>, message_bytes_max: usize) -> Self {
        Self { stream, input: BytesMut::new(), out: BytesMut::new(), message_bytes_max }
    }

    /// Reads the next message. The future may be dropped and made again without loss.
    pub(crate) async fn read(&mut self) -> Result<ClientMessage, WireError> {
        loop {
            if let Some(message) = take_message(&mut self.input, self.message_bytes_max)? {
                return Ok(message);
            }
            // `read_buf` is cancel safe: bytes are in the buffer or still in the socket.
            if self.stream.read_buf(&mut self.input).await? == 0 {
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
        self.stream.write_all(&self.out).await?;
        // Cleared behind the write, and kept as an allocation for the next responses.
        self.out.clear();
        self.stream.flush().await?;
        Ok(())
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
