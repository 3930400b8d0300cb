//! The header `Idempotency-Key`: a client's own name for one request, so that the request is stored once however often
//! it is repeated, also while the first one is still in flight.
//!
//! | what | how |
//! |---|---|
//! | key | 1 to 255 visible ASCII characters, with or without double quotes around them; a UUID is a good one |
//! | belongs to | the gateway of the token |
//! | remembered | for `http.idempotency_seconds` and up to `http.idempotency_keys_max`, through restarts |
//! | same key, same body and precision | the response as if it were stored now, with `Idempotency-Replayed: true` |
//! | same key, other body or precision | 422, nothing is stored |
//!
//! A request with a key is stored in one step, all its tables or none. After any response but 204 and 400, or none,
//! nothing is known to be stored, and the same request may be repeated under the same key. After 400 the good lines are
//! stored; the fixed ones are a new request, with a key of its own.

use axum::http::HeaderMap;
use twox_hash::{XxHash3_64, XxHash3_128};
use zonelake_ingest::Precision;

use super::error::HttpError;

/// Name of the header.
const HEADER: &str = "idempotency-key";
/// Maximum length of a key.
const KEY_BYTES_MAX: usize = 255;

/// The hash of a request's key; none where it has none.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<u128>, HttpError> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bytes = value.as_bytes();
    let key = bytes.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\"")).unwrap_or(bytes);
    let is_key = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    if !is_key || values.next().is_some() {
        let message = format!("Idempotency-Key: one of 1 to {KEY_BYTES_MAX} visible ASCII characters is possible");
        return Err(HttpError::invalid(message));
    }
    // 128 bits: only the hash is remembered, and two keys of one hash would be taken for the same.
    Ok(Some(XxHash3_128::oneshot(key)))
}

/// Digest of what was sent, after decompression: a repeated request may be compressed in another way.
pub(super) fn digest(lines: &[u8], precision: Precision) -> u64 {
    XxHash3_64::oneshot_with_seed(precision as u64, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Option<u128>, HttpError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        key(&headers)
    }

    #[test]
    fn a_key_is_the_same_with_and_without_quotes_and_what_is_none_is_refused() {
        let plain = of(&["8e03978e-40d5-43dd-bc93-6894a57f9324"]).unwrap();
        assert!(plain.is_some());
        assert_eq!(of(&["\"8e03978e-40d5-43dd-bc93-6894a57f9324\""]).unwrap(), plain);
        assert_ne!(of(&["8e03978e-40d5-43dd-bc93-6894a57f9325"]).unwrap(), plain);
        assert_eq!(of(&[]).unwrap(), None);
        for wrong in [&[""][..], &["\"\""], &["a b"], &["a", "a"], &[&"x".repeat(256)]] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
        assert!(of(&[&"x".repeat(255)]).is_ok());
    }

    #[test]
    fn the_precision_counts_into_the_digest() {
        assert_eq!(digest(b"x", Precision::Seconds), digest(b"x", Precision::Seconds));
        assert_ne!(digest(b"x", Precision::Seconds), digest(b"x", Precision::Hours));
        assert_ne!(digest(b"x", Precision::Seconds), digest(b"y", Precision::Seconds));
    }
}
