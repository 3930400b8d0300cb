//! Credentials in the `Authorization` header of a request.

use headers::authorization::{Basic, Bearer, Credentials as Scheme};
use headers::{Authorization, HeaderValue};

/// Credentials of the client that sent a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `Basic`: a user's name and password (RFC 7617).
    Basic {
        /// Name of the user.
        user: String,
        /// Password.
        password: String,
    },
    /// `Bearer` (RFC 6750), or `Token` as clients of InfluxDB send it, there also behind a user's name and a colon.
    Token(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
            Self::Token(_) => f.debug_tuple("Token").finish_non_exhaustive(),
        }
    }
}

impl Credentials {
    /// Credentials in the header's value; `None` where it is of no such form.
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case(Basic::SCHEME) {
            let value = HeaderValue::try_from(format!("{} {}", Basic::SCHEME, padded(rest))).ok()?;
            let basic = Basic::decode(&value)?;
            return Some(Self::Basic { user: basic.username().to_owned(), password: basic.password().to_owned() });
        }
        // Clients of InfluxDB send what others send as Bearer under a scheme of their own.
        let token = match scheme {
            scheme if scheme.eq_ignore_ascii_case(Bearer::SCHEME) => rest,
            scheme if scheme.eq_ignore_ascii_case("token") => rest.rsplit(':').next().unwrap_or(rest),
            _ => return None,
        };
        if token.is_empty() {
            return None;
        }
        Some(Self::Token(Authorization::bearer(token).ok()?.token().to_owned()))
    }
}

/// Base64 with its padding, which some clients leave out and the crate `headers` wants.
fn padded(base64: &str) -> String {
    let digits = base64.trim_end_matches('=');
    // A length that no padding makes whole is left to the decoder to refuse.
    if base64.len() - digits.len() > 2 || base64.len() > digits.len().next_multiple_of(4) {
        return base64.to_owned();
    }
    format!("{digits}{}", "=".repeat(digits.len().next_multiple_of(4) - digits.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_its_padding() {
        let expected = Some(Credentials::Basic { user: "a".into(), password: "bcd".into() });
        assert_eq!(Credentials::parse("Basic YTpiY2Q="), expected);
        assert_eq!(Credentials::parse(" basic  YTpiY2Q "), expected);
        assert_eq!(Credentials::parse("Basic YTpiY2Q=="), None);
        let half_padded = Some(Credentials::Basic { user: "a".into(), password: "bc".into() });
        assert_eq!(Credentials::parse("Basic YTpiYw="), half_padded);
    }

    #[test]
    fn the_three_schemes_are_read() {
        let basic = Credentials::parse("Basic YWRtaW46YTpi");
        assert_eq!(basic, Some(Credentials::Basic { user: "admin".into(), password: "a:b".into() }));
        assert_eq!(Credentials::parse("bearer zl_x"), Some(Credentials::Token("zl_x".into())));
        assert_eq!(Credentials::parse("Token zl_x"), Some(Credentials::Token("zl_x".into())));
        assert_eq!(Credentials::parse("Token user:zl_x"), Some(Credentials::Token("zl_x".into())));
        assert_eq!(Credentials::parse("Bearer user:zl_x"), Some(Credentials::Token("user:zl_x".into())));
        for wrong in ["", "Basic", "Basic !!", "Basic YWRtaW4=", "Digest a", "Bearer ", "Token user:"] {
            assert_eq!(Credentials::parse(wrong), None, "{wrong}");
        }
    }
}
