//! Credentials in the `Authorization` header of a request.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What a request says of who sent it.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `Basic`: a user's name and password (RFC 7617).
    Basic {
        /// Name of the user.
        user: String,
        /// Password.
        password: String,
    },
    /// `Bearer` (RFC 6750), or `Token` as clients of InfluxDB send it.
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
    /// Reads the header's value; `None` where it is of no such form.
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            let pair = String::from_utf8(LENIENT.decode(rest).ok()?).ok()?;
            let (user, password) = pair.split_once(':')?;
            return Some(Self::Basic { user: user.to_owned(), password: password.to_owned() });
        }
        let is_token = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        (is_token && !rest.is_empty()).then(|| Self::Token(rest.to_owned()))
    }
}

/// Base64 of RFC 4648, section 4, with or without its padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_schemes_are_read() {
        let basic = Credentials::parse("Basic YWRtaW46YTpi");
        assert_eq!(basic, Some(Credentials::Basic { user: "admin".into(), password: "a:b".into() }));
        assert_eq!(Credentials::parse("bearer zl_x"), Some(Credentials::Token("zl_x".into())));
        assert_eq!(Credentials::parse("Token zl_x"), Some(Credentials::Token("zl_x".into())));
        for wrong in ["", "Basic", "Basic !!", "Basic YWRtaW4=", "Digest a", "Bearer "] {
            assert_eq!(Credentials::parse(wrong), None, "{wrong}");
        }
    }
}
