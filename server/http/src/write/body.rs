//! The body of a request: read within a limit of bytes and as long as it comes on, decompressed within a limit of bytes.

use std::io::Read;

use axum::body::BodyDataStream;
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use zonelake_ingest::DecodeLimits;

use super::error::HttpError;

/// A body as it was sent.
pub(super) struct Body {
    bytes: Bytes,
    is_gzip: bool,
}

/// Whether the body of a request is compressed.
///
/// # Errors
/// Where it is, in a form that is not known.
pub(super) fn is_gzip(request: &Request) -> Result<bool, HttpError> {
    let encoding = request.headers().get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?"));
    // Names of codings have no case (RFC 9110, section 8.4.1).
    match encoding.map(|name| name.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "identity") => Ok(false),
        Some("gzip" | "x-gzip") => Ok(true),
        Some(other) => Err(HttpError::unsupported_encoding(other)),
    }
}

/// Reads a body of at most `bytes_max` bytes.
pub(super) async fn read(request: Request, bytes_max: usize, limits: &DecodeLimits) -> Result<Body, HttpError> {
    let is_gzip = is_gzip(&request)?;
    // As large as it may become: a client that sends less has memory promised, and none taken.
    let mut bytes = BytesMut::with_capacity(bytes_max);
    let mut chunks = request.into_body().into_data_stream();
    let mut is_whole = false;
    while !is_whole {
        // Judged by progress: a slow line may take its time, and one that hardly moves holds nothing for long.
        let more = read_more(&mut chunks, &mut bytes, bytes_max);
        is_whole =
            tokio::time::timeout(limits.body_timeout, more).await.map_err(|_elapsed| HttpError::too_slow())??;
    }
    Ok(Body { bytes: bytes.freeze(), is_gzip })
}

/// Reads [`PROGRESS_BYTES`] or up to the end; true at the end.
async fn read_more(chunks: &mut BodyDataStream, bytes: &mut BytesMut, bytes_max: usize) -> Result<bool, HttpError> {
    let before = bytes.len();
    while bytes.len() - before < PROGRESS_BYTES {
        let Some(chunk) = chunks.next().await else { return Ok(true) };
        let chunk = chunk.map_err(|error| HttpError::invalid(format!("the body broke off: {error}")))?;
        // A client may send more than it states; memory was taken for what it states.
        if bytes.len() + chunk.len() > bytes_max {
            return Err(HttpError::too_large(bytes_max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(false)
}

/// Bytes of a body as the request states them, or the maximum where it does not.
pub(super) fn stated_bytes(request: &Request, limits: &DecodeLimits) -> Result<usize, HttpError> {
    let stated = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let bytes_max = stated.unwrap_or(limits.frame_bytes_max);
    if bytes_max > limits.frame_bytes_max { Err(HttpError::too_large(limits.frame_bytes_max)) } else { Ok(bytes_max) }
}

impl Body {
    /// Bytes of memory that it takes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Decompresses a body where it is compressed. `hold` is told the bytes of memory that it takes before they are taken,
/// step by step, and may refuse.
pub(super) fn decompress(
    body: Body,
    limits: &DecodeLimits,
    mut hold: impl FnMut(usize) -> Result<(), HttpError>,
) -> Result<Bytes, HttpError> {
    let Body { bytes, is_gzip } = body;
    if !is_gzip {
        return Ok(bytes);
    }
    let mut decoder = MultiGzDecoder::new(&bytes[..]);
    let mut plain = Vec::new();
    loop {
        // Reserved exactly: doubling would take twice what is counted.
        hold(bytes.len() + plain.len() + STEP_BYTES)?;
        plain.reserve_exact(STEP_BYTES);
        let before = plain.len();
        (&mut decoder)
            .take(STEP_BYTES as u64)
            .read_to_end(&mut plain)
            .map_err(|error| HttpError::invalid(format!("the body is not valid gzip: {error}")))?;
        // Within one step of the limit, so that a bomb is stopped while it is small.
        if plain.len() > limits.decompressed_bytes_max {
            return Err(HttpError::too_large(limits.decompressed_bytes_max));
        }
        // A step that is not filled was the last one.
        if plain.len() - before < STEP_BYTES {
            return Ok(plain.into());
        }
    }
}

/// Bytes that must come within each `body_timeout`, unless the body ends.
const PROGRESS_BYTES: usize = 64 << 10;
/// Bytes that a body is decompressed by at a time.
const STEP_BYTES: usize = 1 << 20;
