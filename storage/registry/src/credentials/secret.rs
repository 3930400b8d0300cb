//! Secrets: random text, digests, and comparison in constant time.

use sha2::{Digest, Sha256};

use crate::RegistryError;

/// What every gateway's token begins with.
pub(crate) const TOKEN_PREFIX: &str = "zl_";
/// Random bytes in a token: 256 bits.
const TOKEN_BYTES: usize = 32;
/// Random bytes in a first password: 120 bits.
const PASSWORD_BYTES: usize = 15;
/// Five bits a character; what looks alike (l and 1, o and 0) is left out.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// SHA-256.
pub(crate) type Sha256Digest = [u8; 32];

/// A new token, as text.
pub(crate) fn new_token() -> Result<String, RegistryError> {
    Ok(format!("{TOKEN_PREFIX}{}", text(&random::<TOKEN_BYTES>()?)))
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

/// Whether two digests are equal, in a time that does not depend on where they differ.
pub(crate) fn digests_are_equal(left: &Sha256Digest, right: &Sha256Digest) -> bool {
    let difference = left.iter().zip(right).fold(0u8, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// Five bits a character, the first bits first; a rest of less than five bits is filled with zeros.
fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(letter(bits >> held));
        }
    }
    if held > 0 {
        text.push(letter(bits << (5 - held)));
    }
    text
}

fn letter(bits: u32) -> char {
    char::from(ALPHABET[(bits & 31) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_256_bits_in_52_letters_and_no_two_are_equal() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(one.len(), TOKEN_PREFIX.len() + 52);
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
