//! Frames read from a stream, within limits of length and time.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use quinn::{ReadExactError, RecvStream};
use tokio::io::AsyncReadExt;
use zonelake_ingest::Refusal;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::wire::frame::{FrameError, FrameHeader, FrameKind, HEADER_BYTES};

/// Reads a whole frame; the caller says how long that may take.
pub(crate) async fn read_frame(
    receive: &mut RecvStream,
    bytes_max: usize,
) -> Result<Option<(FrameKind, Bytes)>, Refusal> {
    let Some(header) = read_header(receive, bytes_max, Duration::MAX).await? else { return Ok(None) };
    Ok(Some((header.kind, read_body(receive, header.body_bytes).await?)))
}

/// Reads a frame's header; `None` at the end of the stream between two frames. Once its first byte has come, the rest
/// must arrive within `wait`.
pub(crate) async fn read_header(
    receive: &mut RecvStream,
    bytes_max: usize,
    wait: Duration,
) -> Result<Option<FrameHeader>, Refusal> {
    let mut bytes = [0; HEADER_BYTES];
    // Otherwise the end; or the connection is lost, or the gateway has reset the stream, and nobody is left to tell.
    let Ok(Some(begun)) = receive.read(&mut bytes).await else { return Ok(None) };
    let rest = tokio::time::timeout(wait, receive.read_exact(&mut bytes[begun..])).await;
    match rest.map_err(|_elapsed| too_slow(wait))? {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(_)) => return Err(truncated()),
        Err(ReadExactError::ReadError(_)) => return Ok(None),
    }
    FrameHeader::decode(bytes, bytes_max).map(Some).map_err(|error| {
        let code = match error {
            FrameError::TooLong { .. } => RefusedCode::TooLarge,
            _ => RefusedCode::Protocol,
        };
        Refusal::new(code, error.to_string())
    })
}

/// Reads the body of a frame.
pub(crate) async fn read_body(receive: &mut RecvStream, bytes: usize) -> Result<Bytes, Refusal> {
    // `read_buf` fills the spare capacity, so that the buffer need not be zeroed first.
    let mut body = BytesMut::with_capacity(bytes);
    while body.len() < bytes {
        let rest = bytes - body.len();
        let read = receive.read_buf(&mut (&mut body).limit(rest)).await;
        if !read.is_ok_and(|read| read > 0) {
            return Err(truncated());
        }
    }
    Ok(body.freeze())
}

/// The refusal of a frame that did not arrive in time.
pub(crate) fn too_slow(wait: Duration) -> Refusal {
    Refusal::new(RefusedCode::Protocol, format!("a frame did not arrive whole within {wait:?}"))
}

fn truncated() -> Refusal {
    Refusal::new(RefusedCode::Protocol, "the stream ended in the middle of a frame; nothing of that frame is stored")
}
