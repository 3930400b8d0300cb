//! A connection as a stream of messages: reads them one at a time, gathers what is to be sent, and notices a client that
//! has gone while nothing is read.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::protocol::messages::{ClientMessage, ProtocolError, take_message};

/// A connection, plain or under TLS.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// Why nothing more is read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The connection has failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The client breaks the protocol.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    /// The client has ended the connection.
    #[error("the client has gone")]
    Gone,
}

/// Messages over a connection.
pub(crate) struct Wire {
    stream: Box<dyn Transport>,
    input: BytesMut,
    /// What is to be sent; [`Wire::flush`] sends it.
    pub out: BytesMut,
    /// Longest message that is taken.
    pub message_bytes_max: usize,
}

/// Bytes that are gathered before they are sent.
pub(crate) const FLUSH_BYTES: usize = 64 * 1024;
/// Bytes that are read ahead while a statement runs.
const AHEAD_BYTES_MAX: usize = 1 << 20;

impl Wire {
    pub(crate) fn new(stream: Box<dyn Transport>, message_bytes_max: usize) -> Self {
        Self { stream, input: BytesMut::new(), out: BytesMut::new(), message_bytes_max }
    }

    /// The next message. It may be dropped and called again without loss.
    pub(crate) async fn read(&mut self) -> Result<ClientMessage, WireError> {
        loop {
            if let Some(message) = take_message(&mut self.input, self.message_bytes_max)? {
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(WireError::Gone);
            }
        }
    }

    /// Whether a message has arrived already, in whole or in part.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Returns when the client has gone. What it sends meanwhile is kept, up to a limit.
    pub(crate) async fn gone(&mut self) -> WireError {
        while self.input.len() < AHEAD_BYTES_MAX {
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return WireError::Gone,
                Ok(_) => {}
                Err(error) => return error.into(),
            }
        }
        std::future::pending().await
    }

    /// Sends what was gathered.
    pub(crate) async fn flush(&mut self) -> Result<(), WireError> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        self.stream.flush().await?;
        Ok(())
    }

    /// Sends what was gathered where that is much.
    pub(crate) async fn flush_if_full(&mut self) -> Result<(), WireError> {
        if self.out.len() >= FLUSH_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Ends the connection.
    pub(crate) async fn close(&mut self) {
        // The client may have gone first.
        drop(self.stream.shutdown().await);
    }
}
