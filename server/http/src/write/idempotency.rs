//! The key of a request, under which it is stored once however often it is repeated, also while the first one is still in flight.
//!
//! | request | key |
//! |---|---|
//! | with the header `Idempotency-Key` | the header and the content: 1 to 255 visible ASCII characters, with or without double quotes |
//! | without it, where each line has a time | the content: the same lines again are the same rows |
//! | without it, where a line takes the server's time | none: each request is rows of its own |
//!
//! The content is the lines after decompression, the precision, and the rules for tags. So a header that never changes, which is all that some
//! clients can set, does no harm. A key belongs to the gateway of the token, and is remembered for `http.idempotency_seconds` and up to
//! `http.idempotency_keys_max`, through restarts. A repeated request is answered as if it were stored now, with `Idempotency-Replayed: true`.
//!
//! A request with a key is stored in one step, all its tables or none. After any response but 204 and 400, or none, nothing is known to be
//! stored, and the same request may be repeated. After 400 the good lines are stored; the fixed ones are another request. A request without the
//! header that is too large for one step is stored table by table, and has no key.

use axum::http::HeaderMap;
use twox_hash::{XxHash3_64, XxHash3_128};
use zonelake_ingest::{Precision, TagRules};
use zonelake_schemas::{GatewayId, Principal};
use zonelake_storage::RequestKey;

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

/// The key of a request's content, after decompression: a repeated request may be compressed in another way. `header` is the hash of the
/// header, where it has one.
pub(super) fn of_content(
    gateway: GatewayId,
    header: Option<u128>,
    lines: &[u8],
    precision: Precision,
    tags: &TagRules,
) -> RequestKey {
    let mut hasher = XxHash3_128::with_seed(precision as u64);
    // Each part has a length that is known, or stands last.
    hasher.write(&header.map_or(0, |_| 1u64).to_le_bytes());
    hasher.write(&header.unwrap_or(0).to_le_bytes());
    hasher.write(&XxHash3_64::oneshot(tags.canonical().as_bytes()).to_le_bytes());
    hasher.write(lines);
    let digest = XxHash3_64::oneshot_with_seed(precision as u64, lines);
    RequestKey { principal: Principal::Gateway(gateway), key: hasher.finish_128(), digest }
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
    fn precision_header_rules_gateway_and_lines_count_into_the_key() {
        let key = |gateway, header, lines: &str, precision, ignored: &str| {
            let tags = TagRules::for_senders(ignored, "").unwrap();
            of_content(GatewayId(gateway), header, lines.as_bytes(), precision, &tags)
        };
        let first = key(1, None, "x", Precision::Seconds, "");
        assert_eq!(key(1, None, "x", Precision::Seconds, ""), first);
        for other in [
            key(2, None, "x", Precision::Seconds, ""),
            key(1, Some(0), "x", Precision::Seconds, ""),
            key(1, None, "y", Precision::Seconds, ""),
            key(1, None, "x", Precision::Hours, ""),
            key(1, None, "x", Precision::Seconds, "host"),
        ] {
            assert_ne!(other, first);
        }
    }
}
