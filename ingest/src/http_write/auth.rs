//! Where clients put their token.
//!
//! | where | form |
//! |---|---|
//! | `Authorization` | `Token zl_…`, `Token user:zl_…`, `Bearer zl_…`, or `Basic` with the token as password |
//! | parameter `p` | the token; `u` is ignored |

use std::collections::HashMap;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

/// The token of a request. A header that cannot be read counts as none, whatever the parameters say.
pub(super) fn token(headers: &HeaderMap, parameters: &HashMap<String, String>) -> Option<String> {
    let Some(header) = headers.get(AUTHORIZATION) else { return parameters.get("p").cloned() };
    let (scheme, value) = header.to_str().ok()?.trim().split_once(' ')?;
    let value = value.trim();
    let after_user = |credentials: &str| credentials.rsplit(':').next().map(str::to_owned);
    match scheme.to_ascii_lowercase().as_str() {
        "token" => after_user(value),
        "bearer" => Some(value.to_owned()),
        "basic" => after_user(&String::from_utf8(base64_decoded(value)?).ok()?),
        _ => None,
    }
}

/// Decodes base64 (RFC 4648, section 4), with or without its padding.
fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(((bits >> count) & 0xFF) as u8);
        }
    }
    (count < 6).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: Option<&str>, parameter: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        token(&headers, &parameter.map(|p| ("p".to_owned(), p.to_owned())).into_iter().collect())
    }

    #[test]
    fn a_token_is_found_in_each_place_where_clients_put_it() {
        assert_eq!(of(Some("Token zl_abc"), None).as_deref(), Some("zl_abc"));
        assert_eq!(of(Some("token user:zl_abc"), None).as_deref(), Some("zl_abc"));
        assert_eq!(of(Some("Bearer  zl_abc"), None).as_deref(), Some("zl_abc"));
        assert_eq!(of(Some("Basic dXNlcjp6bF9hYmM="), None).as_deref(), Some("zl_abc"));
        assert_eq!(of(Some("Basic dXNlcjp6bF9hYmM"), None).as_deref(), Some("zl_abc"));
        assert_eq!(of(None, Some("zl_abc")).as_deref(), Some("zl_abc"));
    }

    #[test]
    fn what_is_no_token_counts_as_none() {
        assert_eq!(of(None, None), None);
        assert_eq!(of(Some("Digest x"), Some("zl_abc")), None);
        assert_eq!(of(Some("Basic !!!"), None), None);
        assert_eq!(of(Some("Token"), None), None);
    }
}
