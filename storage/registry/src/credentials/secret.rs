//! Secrets: random text, digests, and comparison in constant time.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::RegistryError;

/// Beginning of every gateway's token.
pub(crate) const GATEWAY_TOKEN_PREFIX: &str = "zl_";
/// Beginning of every role's token.
pub(crate) const ROLE_TOKEN_PREFIX: &str = "zr_";
/// Random bytes in a token: 256 bits.
const TOKEN_BYTES: usize = 32;
/// Random bytes in a first password: 120 bits.
const PASSWORD_BYTES: usize = 15;
/// Letters of base32: lower case, and without what looks alike (l and 1, o and 0).
const ALPHABET: &str = "abcdefghijkmnpqrstuvwxyz23456789";

/// SHA-256.
pub(crate) type Sha256Digest = [u8; 32];

/// A new token, as text.
pub(crate) fn new_token(prefix: &str) -> Result<String, RegistryError> {
    Ok(format!("{prefix}{}", text(&random::<TOKEN_BYTES>()?)))
}

/// A new password of 24 characters.
pub(crate) fn new_password() -> Result<String, RegistryError> {
    Ok(text(&random::<PASSWORD_BYTES>()?))
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], RegistryError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RegistryError::Random)?;
    Ok(bytes)
}

/// The digest of all parts, one behind the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> Sha256Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Compares two digests in a time that does not depend on where they differ.
pub(crate) fn digests_are_equal(left: &Sha256Digest, right: &Sha256Digest) -> bool {
    left.ct_eq(right).into()
}

/// Five bits a character, the first bits first; a rest of less than five bits is filled with zeros.
fn text(bytes: &[u8]) -> String {
    static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str(ALPHABET);
        specification.encoding().expect("32 different ASCII letters, without padding, are an encoding")
    });
    BASE32.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_256_bits_in_52_letters_and_no_two_are_equal() {
        let new = || new_token(GATEWAY_TOKEN_PREFIX).unwrap();
        let (one, other) = (new(), new());
        assert_eq!(one.len(), GATEWAY_TOKEN_PREFIX.len() + 52);
        assert_ne!(one, other);
        assert_eq!(new_password().unwrap().len(), 24);
    }

    #[test]
    fn every_bit_shows_in_the_text() {
        assert_eq!(text(&[0, 0, 0, 0, 0]), "aaaaaaaa");
        assert_eq!(text(&[0xff]), "96");
        let base = [0u8; TOKEN_BYTES];
        for bit in 0..TOKEN_BYTES * 8 {
            let mut changed = base;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(text(&changed), text(&base), "bit {bit}");
        }
    }

    #[test]
    fn text_is_base32_of_rfc_4648_in_letters_of_our_own() {
        // Section 10 of the RFC, without its padding.
        let rfc = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        for (bytes, expected) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            let ours = expected.bytes().map(|letter| {
                let value = rfc.iter().position(|other| *other == letter).unwrap();
                char::from(ALPHABET.as_bytes()[value])
            });
            assert_eq!(text(bytes.as_bytes()), ours.collect::<String>(), "{bytes}");
        }
    }

    #[test]
    fn digests_are_of_all_parts_and_compared_whole() {
        // FIPS 180-2, appendix B.1: "abc".
        let abc = sha256(&[b"a", b"", b"bc"]);
        assert_eq!(abc[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert!(digests_are_equal(&abc, &sha256(&[b"abc"])));
        for index in 0..abc.len() {
            let mut other = abc;
            other[index] ^= 0x80;
            assert!(!digests_are_equal(&abc, &other));
        }
    }
}
