//! The body of a request: read within limits of bytes and time, decompressed within a limit of bytes.

use std::io::Read;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zonelake_ingest::{DecodeLimits, WriteError};

use super::error::HttpError;

/// A body as it was sent, with its permit of the budget.
pub(super) struct Body {
    bytes: Bytes,
    is_gzip: bool,
    permit: OwnedSemaphorePermit,
}

/// Reads a body. Its bytes are taken from the budget first: the stated ones, or the maximum where none are stated.
pub(super) async fn read(request: Request, limits: &DecodeLimits, budget: &Arc<Semaphore>) -> Result<Body, HttpError> {
    let encoding = request.headers().get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").to_owned());
    let is_gzip = match encoding.as_deref().map(str::trim) {
        None | Some("" | "identity") => false,
        Some("gzip" | "x-gzip") => true,
        Some(other) => return Err(HttpError::unsupported_encoding(other)),
    };
    let bytes_max = stated_bytes(&request, limits)?;
    let read = async {
        let permit = Arc::clone(budget).acquire_many_owned(permits(bytes_max)).await;
        let permit = permit.map_err(|_closed| HttpError::not_written(WriteError::ShuttingDown))?;
        let mut bytes = BytesMut::new();
        let mut chunks = request.into_body().into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| HttpError::invalid(format!("the body broke off: {error}")))?;
            // A client may send more than it states; the budget was taken for what it states.
            if bytes.len() + chunk.len() > bytes_max {
                return Err(HttpError::too_large(bytes_max));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes: bytes.freeze(), is_gzip, permit })
    };
    tokio::time::timeout(limits.body_timeout, read).await.map_err(|_elapsed| HttpError::too_slow())?
}

/// Bytes of a body as the request states them, or the maximum where it does not.
pub(super) fn stated_bytes(request: &Request, limits: &DecodeLimits) -> Result<usize, HttpError> {
    let stated = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let bytes_max = stated.unwrap_or(limits.frame_bytes_max);
    if bytes_max > limits.frame_bytes_max { Err(HttpError::too_large(limits.frame_bytes_max)) } else { Ok(bytes_max) }
}

/// Decompresses a body where it is compressed. Its growth is taken from the budget step by step. Where the budget is
/// used up, the request is refused: waiting with bytes in hand, requests could wait for one another for ever.
pub(super) fn decompress(
    body: Body,
    limits: &DecodeLimits,
    budget: &Arc<Semaphore>,
) -> Result<(Bytes, OwnedSemaphorePermit), HttpError> {
    let Body { bytes, is_gzip, mut permit } = body;
    if !is_gzip {
        return Ok((bytes, permit));
    }
    let mut decoder = MultiGzDecoder::new(&bytes[..]);
    let mut plain = Vec::new();
    loop {
        let more = Arc::clone(budget).try_acquire_many_owned(permits(STEP_BYTES));
        permit.merge(more.map_err(|_used_up| HttpError::busy())?);
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
            return Ok((plain.into(), permit));
        }
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1_024)).unwrap_or(u32::MAX)
}

/// Bytes that a body is decompressed by at a time.
const STEP_BYTES: usize = 1 << 20;
