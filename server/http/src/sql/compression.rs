//! Compressed responses. Each piece is flushed, so that rows arrive when they are known; a response that breaks off has no
//! end of its stream.
//!
//! `tower-http` compresses on the connection's thread, next to those that take readings, and in frames of 4 KiB; here it
//! is done piece by piece on the threads of statements, which run at lower priority.

use std::io::{self, Write};

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use bytes::Bytes;
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

/// Compression of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// None.
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// Encoding with the highest weight in `Accept-Encoding`; of equal ones zstd, then gzip.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let named = |name: &str| {
            let of = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
            let of = of.flat_map(|value| value.split(',')).find_map(|item| weight(item, name));
            of.unwrap_or(0.0)
        };
        let (zstd, gzip) = (named("zstd"), named("gzip").max(named("x-gzip")));
        match (zstd > 0.0 && zstd >= gzip, gzip > 0.0) {
            (true, _) => Self::Zstd,
            (false, true) => Self::Gzip,
            (false, false) => Self::Identity,
        }
    }

    /// Name in `Content-Encoding`.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    pub(crate) fn encoder(self) -> io::Result<Compressor> {
        Ok(match self {
            Self::Identity => Compressor::Identity,
            Self::Gzip => Compressor::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::fast())),
            Self::Zstd => Compressor::Zstd(ZstdEncoder::new(Vec::new(), ZSTD_LEVEL)?),
        })
    }
}

/// Weight of an item of `Accept-Encoding`, where it is of that name.
fn weight(item: &str, name: &str) -> Option<f32> {
    let mut parts = item.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(name) {
        return None;
    }
    let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
    Some(weight.unwrap_or(1.0))
}

/// Compressor of one response, piece by piece.
pub(crate) enum Compressor {
    Identity,
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Compressor {
    /// Bytes to send for this piece.
    pub(crate) fn piece(&mut self, piece: Bytes) -> io::Result<Bytes> {
        Ok(match self {
            Self::Identity => piece,
            Self::Gzip(encoder) => {
                encoder.write_all(&piece)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut()).into()
            }
            Self::Zstd(encoder) => {
                encoder.write_all(&piece)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut()).into()
            }
        })
    }

    /// Bytes to send for the last piece, and the end.
    pub(crate) fn end(self, piece: Bytes) -> io::Result<Bytes> {
        Ok(match self {
            Self::Identity => piece,
            Self::Gzip(mut encoder) => {
                encoder.write_all(&piece)?;
                encoder.finish()?.into()
            }
            Self::Zstd(mut encoder) => {
                encoder.write_all(&piece)?;
                encoder.finish()?.into()
            }
        })
    }
}

/// Level that costs the least time.
const ZSTD_LEVEL: i32 = 1;
