//! The token of a request, in each form in which clients send it.
//!
//! | where | form |
//! |---|---|
//! | `Authorization` | `Token zl_…`, `Token user:zl_…`, `Bearer zl_…`, or `Basic` with the token as password |
//! | parameter `p` | the token; `u` is ignored |

use std::collections::HashMap;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The token of a request. An `Authorization` that cannot be read counts as no token, whatever the parameters say.
pub(super) fn find(headers: &HeaderMap, parameters: &HashMap<String, String>) -> Option<String> {
    let Some(header) = headers.get(AUTHORIZATION) else { return parameters.get("p").cloned() };
    let (scheme, value) = header.to_str().ok()?.trim().split_once(' ')?;
    let value = value.trim();
    let after_user = |credentials: &str| credentials.rsplit(':').next().map(str::to_owned);
    match scheme.to_ascii_lowercase().as_str() {
        "token" => after_user(value),
        "bearer" => Some(value.to_owned()),
        "basic" => after_user(&String::from_utf8(LENIENT.decode(value).ok()?).ok()?),
        _ => None,
    }
}

/// Base64 of RFC 4648, section 4, with or without its padding, which some clients leave out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: Option<&str>, parameter: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        find(&headers, &parameter.map(|p| ("p".to_owned(), p.to_owned())).into_iter().collect())
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
