//! Credentials in the `Authorization` header of a request.

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
            let pair = String::from_utf8(decode_base64(rest)?).ok()?;
            let (user, password) = pair.split_once(':')?;
            return Some(Self::Basic { user: user.to_owned(), password: password.to_owned() });
        }
        let is_token = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        (is_token && !rest.is_empty()).then(|| Self::Token(rest.to_owned()))
    }
}

/// Base64 of the standard alphabet (RFC 4648), padded or not.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for &digit in group {
            bits = bits << 6 | u32::from(digit_value(digit)?);
        }
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn digit_value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_decodes_as_in_rfc_4648() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
            ("Zm9vYg", "foob"),
        ] {
            assert_eq!(decode_base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for wrong in ["Z", "Zg=a", "Zm9v!", "Zg===", "Zm 9v"] {
            assert_eq!(decode_base64(wrong), None, "{wrong}");
        }
    }

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
