//! One opened QUIC stream of batches: its handshake, and reading and writing frames. It ends with the link.

use std::time::Duration;

use bytes::Bytes;
use quinn::{ConnectionError, ReadError, ReadExactError, RecvStream, SendStream, VarInt, WriteError};
use zonelake_schemas::Lane;
use zonelake_schemas::wire::control::{Ack, Open, Opened, Pushed, Pushes, Refused};
use zonelake_schemas::wire::frame::{CONTROL_BYTES_MAX, FrameHeader, FrameKind, HEADER_BYTES, control_frame};

use crate::connection::{CLOSE_PROTOCOL, Connection};
use crate::error::StreamError;

/// Response of the server on an open stream of batches.
#[derive(Debug)]
pub(crate) enum Response {
    /// Batches have become durable.
    Ack(Ack),
    /// The server has finished its side.
    End,
}

/// The half that goes up. Dropped before it was finished, it resets the stream, so that the server never takes half a
/// frame for the end.
#[derive(Debug)]
pub(crate) struct Up {
    stream: SendStream,
    finished: bool,
}

/// The half that comes down.
#[derive(Debug)]
pub(crate) struct Down {
    stream: RecvStream,
}

/// Opens a stream of batches: `Open` up, `Opened` down.
pub(crate) async fn open(connection: &Connection, open: &Open) -> Result<(Up, Down, Opened), StreamError> {
    let link = connection.link().await?;
    let answer = async {
        // Half of the time, so that a connection out of streams is told from one that is silent.
        let opening = tokio::time::timeout(connection.options().answer_timeout / 2, link.open_bi()).await;
        let (send, recv) = opening.map_err(|_elapsed| too_many_streams())?.map_err(lost)?;
        // What happens now goes in front of what happened before.
        send.set_priority(i32::from(open.lane == Lane::Live as u32))
            .map_err(|error| StreamError::Link(error.to_string()))?;
        let (mut up, mut down) = (Up { stream: send, finished: false }, Down { stream: recv });
        up.write(vec![control_frame(FrameKind::Open, open).into()]).await?;
        let opened = down.read_opened().await?;
        Ok((up, down, opened))
    };
    tokio::time::timeout(connection.options().answer_timeout, answer)
        .await
        .unwrap_or_else(|_| Err(StreamError::Link("the stream was not opened in time".into())))
}

/// Asks about what was pushed: `Pushes` up, `Pushed` down.
pub(crate) async fn ask(connection: &Connection, pushes: &Pushes) -> Result<Pushed, StreamError> {
    let link = connection.link().await?;
    let answer = async {
        let (send, recv) = link.open_bi().await.map_err(lost)?;
        let (mut up, mut down) = (Up { stream: send, finished: false }, Down { stream: recv });
        up.write(vec![control_frame(FrameKind::Pushes, pushes).into()]).await?;
        up.finish()?;
        match down.read_frame().await? {
            Some((FrameKind::Pushed, body)) => message(&body),
            Some((FrameKind::Refused, body)) => Err(message::<Refused>(&body)?.into()),
            Some((other, _)) => Err(StreamError::Protocol(format!("a frame {other:?} in answer to Pushes"))),
            None => Err(StreamError::Link("the server closed the stream without an answer".into())),
        }
    };
    tokio::time::timeout(connection.options().answer_timeout, answer)
        .await
        .unwrap_or_else(|_| Err(StreamError::Link("a question about what was pushed was not answered in time".into())))
}

impl Up {
    /// Writes pieces of frames.
    pub(crate) async fn write(&mut self, mut pieces: Vec<Bytes>) -> Result<(), StreamError> {
        match self.stream.write_all_chunks(&mut pieces).await {
            Ok(()) => Ok(()),
            Err(WriteError::ConnectionLost(error)) => Err(lost(error)),
            // The server reads no more; why, comes on the other half.
            Err(error @ WriteError::Stopped(_)) => {
                tokio::time::sleep(REFUSAL_WAIT).await;
                Err(StreamError::Link(error.to_string()))
            }
            Err(error) => Err(StreamError::Link(error.to_string())),
        }
    }

    /// Says whether what is written goes in front of what other streams of the connection write, or takes turns with it.
    pub(crate) fn go_first(&self, is_first: bool) {
        // An error says that the stream is closed, which the next write finds.
        self.stream.set_priority(i32::from(is_first)).ok();
    }

    /// Says that no batch follows.
    pub(crate) fn finish(&mut self) -> Result<(), StreamError> {
        self.finished = true;
        self.stream.finish().map_err(|error| StreamError::Link(error.to_string()))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if !self.finished {
            // An error says that the stream is closed already, which is what is wanted.
            drop(self.stream.reset(VarInt::from_u32(0)));
        }
    }
}

impl Down {
    /// The next answer.
    pub(crate) async fn read_response(&mut self) -> Result<Response, StreamError> {
        let Some((kind, body)) = self.read_frame().await? else { return Ok(Response::End) };
        match kind {
            FrameKind::Ack => Ok(Response::Ack(message(&body)?)),
            FrameKind::Refused => Err(message::<Refused>(&body)?.into()),
            other => Err(StreamError::Protocol(format!("a frame {other:?} on an open stream"))),
        }
    }

    async fn read_opened(&mut self) -> Result<Opened, StreamError> {
        match self.read_frame().await? {
            Some((FrameKind::Opened, body)) => message(&body),
            Some((FrameKind::Refused, body)) => Err(message::<Refused>(&body)?.into()),
            Some((other, _)) => Err(StreamError::Protocol(format!("a frame {other:?} in answer to Open"))),
            None => Err(StreamError::Link("the server closed the stream without an answer".into())),
        }
    }

    /// One frame; `None` where the server has finished its side between frames.
    async fn read_frame(&mut self) -> Result<Option<(FrameKind, Bytes)>, StreamError> {
        let mut header = [0; HEADER_BYTES];
        match self.stream.read_exact(&mut header).await {
            Ok(()) => {}
            Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
            Err(error) => return Err(unread(error)),
        }
        let header =
            FrameHeader::decode(header, CONTROL_BYTES_MAX).map_err(|error| StreamError::Protocol(error.to_string()))?;
        let mut body = vec![0; header.body_bytes];
        self.stream.read_exact(&mut body).await.map_err(unread)?;
        Ok(Some((header.kind, body.into())))
    }
}

/// Time that a stopped writer waits for the refusal that tells the reason.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);

fn too_many_streams() -> StreamError {
    StreamError::Link(
        "the server lets no further stream be opened on this connection (quic.streams_per_connection_max)".into(),
    )
}

fn message<M: prost::Message + Default>(body: &Bytes) -> Result<M, StreamError> {
    M::decode(body.clone()).map_err(|error| StreamError::Protocol(error.to_string()))
}

fn unread(error: ReadExactError) -> StreamError {
    match error {
        ReadExactError::ReadError(ReadError::ConnectionLost(error)) => lost(error),
        ReadExactError::ReadError(error) => StreamError::Link(error.to_string()),
        ReadExactError::FinishedEarly(_) => StreamError::Link("the server closed the stream within a frame".into()),
    }
}

fn lost(error: ConnectionError) -> StreamError {
    match &error {
        ConnectionError::ApplicationClosed(close) if close.error_code == VarInt::from_u32(CLOSE_PROTOCOL) => {
            StreamError::Protocol(format!(
                "it closed the connection, since this side broke it: {}",
                String::from_utf8_lossy(&close.reason)
            ))
        }
        _ => StreamError::Link(error.to_string()),
    }
}
