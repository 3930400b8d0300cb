//! The keys of a password for SCRAM-SHA-256 (RFC 5802, RFC 7677), as the PostgreSQL protocol asks for it. Neither the
//! password nor what a client proves itself with can be made from them.
//!
//! Stored, 84 bytes, numbers big-endian, version 1 (a length other than 84 is not read):
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | iterations, at least 1 |
//! | 4 | 16 | salt |
//! | 20 | 32 | StoredKey |
//! | 52 | 32 | ServerKey |
//!
//! Clients normalise a password by SASLprep (RFC 4013), which leaves ASCII as it is, and characters in their composed form.
//! Here a password is taken as it was set: one with characters that SASLprep changes is refused over SCRAM.

use std::array;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::credentials::secret::{Sha256Digest, digests_are_equal, random, sha256};
use crate::error::RegistryError;

/// Bytes of the salt.
pub const SCRAM_SALT_BYTES: usize = 16;
/// Applications of HMAC. PostgreSQL has 4,096. Each connection costs a client so many, about 10 ms here, and an attacker
/// who has the file so many for each guess.
const ITERATIONS: u32 = 32_768;
/// Bytes of the stored form.
const STORED_BYTES: usize = 4 + SCRAM_SALT_BYTES + 32 + 32;

/// The keys of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramVerifier {
    /// Salt that the client is told.
    pub salt: [u8; SCRAM_SALT_BYTES],
    /// Iterations that the client is told.
    pub iterations: u32,
    stored_key: Sha256Digest,
    server_key: Sha256Digest,
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the keys, which must not get into the server log.
        f.debug_struct("ScramVerifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl ScramVerifier {
    /// The signature by which the server proves itself, over the messages of the exchange; `None` where `proof` is not that
    /// of a client which knows the password.
    pub fn server_signature(&self, messages: &[u8], proof: &Sha256Digest) -> Option<Sha256Digest> {
        let client_signature = hmac(&self.stored_key, &[messages]);
        let client_key: Sha256Digest = array::from_fn(|index| proof[index] ^ client_signature[index]);
        digests_are_equal(&sha256(&[&client_key]), &self.stored_key).then(|| hmac(&self.server_key, &[messages]))
    }

    /// The keys of a password, under a new salt. Takes tens of milliseconds.
    pub(crate) fn from_password(password: &str) -> Result<Self, RegistryError> {
        Ok(Self::derive(password, random()?, ITERATIONS))
    }

    /// The keys of a password or token that is verified in one exchange with another one, under the same salt.
    pub(crate) fn with_salt_of(password: &str, other: &Self) -> Self {
        Self::derive(password, other.salt, other.iterations)
    }

    /// True where a client can prove itself by either in one exchange.
    pub(crate) fn has_salt_of(&self, other: &Self) -> bool {
        (self.salt, self.iterations) == (other.salt, other.iterations)
    }

    /// The stored form.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [&self.iterations.to_be_bytes()[..], &self.salt, &self.stored_key, &self.server_key].concat()
    }

    /// Reads the stored form; `None` where it is damaged.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != STORED_BYTES {
            return None;
        }
        let (iterations, rest) = bytes.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (stored_key, rest) = rest.split_first_chunk()?;
        let server_key = rest.first_chunk()?;
        let iterations = u32::from_be_bytes(*iterations);
        (iterations > 0).then_some(Self { salt: *salt, iterations, stored_key: *stored_key, server_key: *server_key })
    }

    fn derive(password: &str, salt: [u8; SCRAM_SALT_BYTES], iterations: u32) -> Self {
        let salted = salted_password(password.as_bytes(), &salt, iterations);
        // RFC 5802, section 3: the client's key is stored hashed, so that the file does not let anyone in.
        let stored_key = sha256(&[&hmac(&salted, &[b"Client Key"])]);
        Self { salt, iterations, stored_key, server_key: hmac(&salted, &[b"Server Key"]) }
    }
}

/// The salt that a client is told for a user who does not exist: made of the name and a secret, so that it is the same each
/// time and nobody finds out which names there are.
pub fn made_up_salt(secret: &[u8; 32], user: &str) -> [u8; SCRAM_SALT_BYTES] {
    let whole = hmac(secret, &[user.as_bytes()]);
    array::from_fn(|index| whole[index])
}

/// PBKDF2 with HMAC-SHA-256 and one block (RFC 8018, section 5.2).
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Sha256Digest {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations)
}

/// HMAC-SHA-256 (RFC 2104) of all parts, one behind the other.
fn hmac(key: &[u8], parts: &[&[u8]]) -> Sha256Digest {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pbkdf2_is_that_of_rfc_7914() {
        // Section 11, the first 32 of 64 bytes: one block is the same whatever follows it.
        let once = salted_password(b"passwd", b"salt", 1);
        assert_eq!(hex(&once), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
        let often = salted_password(b"Password", b"NaCl", 80_000);
        assert_eq!(hex(&often), "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        // Test cases 2 and 6: a short key, and one longer than a block.
        let short = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&short), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = hmac(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
        assert_eq!(hex(&long), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn the_exchange_of_rfc_7677_is_accepted_and_no_other_proof_is() {
        let salt = *b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
        let verifier = ScramVerifier::derive("pencil", salt, 4_096);
        let messages = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        // p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=
        let mut proof = [
            0x74, 0x7c, 0xdb, 0x65, 0xaa, 0x56, 0x22, 0x4e, 0x23, 0x52, 0x13, 0x7e, 0x52, 0xd7, 0xbd, 0xca, 0xd6, 0xa0,
            0xf7, 0x38, 0xdf, 0x30, 0x78, 0x2c, 0xaa, 0x69, 0xa2, 0xcf, 0xb0, 0x27, 0x75, 0x54,
        ];
        let signature = verifier.server_signature(messages, &proof).expect("the password is right");
        // v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
        assert_eq!(hex(&signature[..8]), "eabae24d1062db75");
        proof[31] ^= 1;
        assert_eq!(verifier.server_signature(messages, &proof), None);
    }

    #[test]
    fn what_is_stored_reads_back_and_a_damaged_one_does_not() {
        let verifier = ScramVerifier::from_password("correct horse").unwrap();
        let bytes = verifier.to_bytes();
        assert_eq!(ScramVerifier::from_bytes(&bytes).as_ref(), Some(&verifier));
        assert_eq!(ScramVerifier::from_bytes(&bytes[1..]), None);
        assert_eq!(ScramVerifier::from_bytes(&[0; 84]), None);
    }
}
