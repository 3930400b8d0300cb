//! Frames read from a stream and written to it, within limits of length and of time. Time is judged by progress: a peer
//! on a slow link may take as long as it needs for a large frame, one that moves next to nothing is given up.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use quinn::{ReadExactError, RecvStream, SendStream};
use tokio::io::AsyncReadExt;
use zonelake_ingest::Refusal;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::wire::frame::{FrameError, FrameHeader, FrameKind, HEADER_BYTES};

/// Reads a whole frame; the caller says how long that may take.
pub(crate) async fn read_frame(
    receive: &mut RecvStream,
    bytes_max: usize,
    wait: Duration,
) -> Result<Option<(FrameKind, Bytes)>, Refusal> {
    let Some(header) = read_header(receive, bytes_max, Duration::MAX).await? else { return Ok(None) };
    Ok(Some((header.kind, read_body(receive, header.body_bytes, wait).await?)))
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

/// Reads the body of a frame: within each `wait`, [`READ_STEP_BYTES`] of it or what is left.
pub(crate) async fn read_body(receive: &mut RecvStream, bytes: usize, wait: Duration) -> Result<Bytes, Refusal> {
    // `read_buf` fills the spare capacity, so that the buffer need not be zeroed first.
    let mut body = BytesMut::with_capacity(bytes);
    while body.len() < bytes {
        let step_end = bytes.min(body.len() + READ_STEP_BYTES);
        let step = async {
            while body.len() < step_end {
                let rest = bytes - body.len();
                let read = receive.read_buf(&mut (&mut body).limit(rest)).await;
                if !read.is_ok_and(|read| read > 0) {
                    return Err(truncated());
                }
            }
            Ok(())
        };
        let step = tokio::time::timeout(wait, step).await;
        step.map_err(|_elapsed| match bytes <= READ_STEP_BYTES {
            true => too_slow(wait),
            false => stalled(wait, body.len(), bytes),
        })??;
    }
    Ok(body.freeze())
}

/// Writes a frame: within each `wait`, [`WRITE_STEP_BYTES`] of it or what is left.
pub(crate) async fn write_frame(send: &mut SendStream, frame: &[u8], wait: Duration) -> Result<(), NotWritten> {
    for step in frame.chunks(WRITE_STEP_BYTES) {
        match tokio::time::timeout(wait, send.write_all(step)).await {
            Ok(Ok(())) => {}
            Ok(Err(_gone)) => return Err(NotWritten::Gone),
            Err(_elapsed) => return Err(NotWritten::NotRead),
        }
    }
    Ok(())
}

/// Reasons for which a frame cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotWritten {
    /// The gateway has gone, or wants nothing more of this stream.
    Gone,
    /// The gateway reads next to nothing.
    NotRead,
}

/// The refusal of a frame that did not arrive in time.
fn too_slow(wait: Duration) -> Refusal {
    Refusal::new(RefusedCode::Protocol, format!("a frame did not arrive whole within {wait:?}"))
}

fn stalled(wait: Duration, have: usize, bytes: usize) -> Refusal {
    let message = format!(
        "a frame did not arrive whole: {have} of {bytes} bytes are here, and fewer than {READ_STEP_BYTES} came within {wait:?}"
    );
    Refusal::new(RefusedCode::Protocol, message)
}

fn truncated() -> Refusal {
    Refusal::new(RefusedCode::Protocol, "the stream ended in the middle of a frame; nothing of that frame is stored")
}

/// Bytes of a body that must arrive within the time of a frame: 1 kbit/s at 30 seconds, which is left for back-fill beside what happens now where a
/// link of 64 kbit/s loses packets. What a sender holds meanwhile is its own part of the buffers.
const READ_STEP_BYTES: usize = 4 << 10;
/// Bytes of a frame that the gateway must read within the time of a frame.
const WRITE_STEP_BYTES: usize = 4 << 10;
