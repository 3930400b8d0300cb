//! The token of a request, in each form in which clients send it.
//!
//! | where | form |
//! |---|---|
//! | `Authorization` | `Token zl_…`, `Token user:zl_…`, `Bearer zl_…`, or `Basic` with the token as password |
//! | parameter `p` | the token; `u` is ignored |

use std::collections::HashMap;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use zonelake_net::Credentials;

/// The token of a request. An `Authorization` that cannot be read counts as no token, whatever the parameters say.
pub(super) fn find(headers: &HeaderMap, parameters: &HashMap<String, String>) -> Option<String> {
    let Some(header) = headers.get(AUTHORIZATION) else { return parameters.get("p").cloned() };
    Some(match Credentials::parse(header.to_str().ok()?)? {
        Credentials::Token(token) => token,
        Credentials::Basic { password, .. } => password,
    })
}

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
        assert_eq!(of(Some("Basic emxfYWJj"), None), None, "a token without a user in front of it");
        assert_eq!(of(Some("Token"), None), None);
    }
}
