//! What a password is recognised by over SCRAM-SHA-256 (RFC 5802, RFC 7677), as the PostgreSQL protocol asks for it: keys
//! derived from the password, from which neither the password nor what a client proves itself with can be made.
//!
//! Stored, 84 bytes, numbers big-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | iterations |
//! | 4 | 16 | salt |
//! | 20 | 32 | StoredKey |
//! | 52 | 32 | ServerKey |
//!
//! Clients normalise a password by SASLprep (RFC 4013), which leaves ASCII as it is, and characters in their composed form.
//! Here a password is taken as it was set: one with characters that SASLprep changes does not open this door.

use std::fmt;

use crate::RegistryError;
use crate::credentials::secret::{Sha256Digest, digests_are_equal, random, sha256};

/// Bytes of the salt.
pub const SCRAM_SALT_BYTES: usize = 16;
/// Times that HMAC is applied. PostgreSQL has 4,096; each connection costs a client so many, about 10 ms here, and
/// whoever has the file so many for each guess.
const ITERATIONS: u32 = 32_768;
/// Bytes of the stored form.
const STORED_BYTES: usize = 4 + SCRAM_SALT_BYTES + 32 + 32;
/// Bytes of a block of SHA-256.
const BLOCK_BYTES: usize = 64;

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
        f.debug_struct("ScramVerifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl ScramVerifier {
    /// The keys of a password, under a new salt. Takes tens of milliseconds.
    pub(crate) fn of_password(password: &str) -> Result<Self, RegistryError> {
        Ok(Self::derive(password, random()?, ITERATIONS))
    }

    fn derive(password: &str, salt: [u8; SCRAM_SALT_BYTES], iterations: u32) -> Self {
        let salted = salted_password(password.as_bytes(), &salt, iterations);
        let stored_key = sha256(&[&hmac(&salted, &[b"Client Key"])]);
        Self { salt, iterations, stored_key, server_key: hmac(&salted, &[b"Server Key"]) }
    }

    /// Whether `proof` is that of a client which knows the password, over the messages of the exchange; if so, the
    /// signature by which the server proves itself.
    pub fn server_signature(&self, messages: &[u8], proof: &Sha256Digest) -> Option<Sha256Digest> {
        let client_signature = hmac(&self.stored_key, &[messages]);
        let client_key: Sha256Digest = std::array::from_fn(|index| proof[index] ^ client_signature[index]);
        digests_are_equal(&sha256(&[&client_key]), &self.stored_key).then(|| hmac(&self.server_key, &[messages]))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [&self.iterations.to_be_bytes()[..], &self.salt, &self.stored_key, &self.server_key].concat()
    }

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
}

/// The salt that a user is shown who does not exist: made of the name and a secret, so that it is the same each time.
pub fn made_up_salt(secret: &[u8; 32], user: &str) -> [u8; SCRAM_SALT_BYTES] {
    let whole = hmac(secret, &[user.as_bytes()]);
    std::array::from_fn(|index| whole[index])
}

/// PBKDF2 with HMAC-SHA-256 and one block (RFC 8018, section 5.2).
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Sha256Digest {
    let mut last = hmac(password, &[salt, &1u32.to_be_bytes()]);
    let mut all = last;
    for _ in 1..iterations {
        last = hmac(password, &[&last]);
        all.iter_mut().zip(last).for_each(|(all, last)| *all ^= last);
    }
    all
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], parts: &[&[u8]]) -> Sha256Digest {
    let mut block = [0u8; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&sha256(&[key]));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner_key = block.map(|byte| byte ^ 0x36);
    let outer_key = block.map(|byte| byte ^ 0x5c);
    let inner: Vec<&[u8]> = std::iter::once(&inner_key[..]).chain(parts.iter().copied()).collect();
    sha256(&[&outer_key, &sha256(&inner)])
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let verifier = ScramVerifier::of_password("correct horse").unwrap();
        let bytes = verifier.to_bytes();
        assert_eq!(ScramVerifier::from_bytes(&bytes).as_ref(), Some(&verifier));
        assert_eq!(ScramVerifier::from_bytes(&bytes[1..]), None);
        assert_eq!(ScramVerifier::from_bytes(&[0; 84]), None);
    }
}
