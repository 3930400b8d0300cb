//! Key of the data folder under which personal data are hashed for roles that may not read them.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, params};
use sha2::Sha256;
use zonelake_schemas::Personal;

use crate::credentials::secret::random;
use crate::error::RegistryError;

/// Bytes of the key: 256 bits.
const KEY_BYTES: usize = 32;
/// Bytes of a hash that are shown: 128 bits, so that no two values share one.
const HASH_BYTES: usize = 16;
/// Name of the fact that holds the key.
const PERSONAL_KEY: &str = "personal_key";

/// Key under which personal data are hashed. It belongs to the data folder: the same value has the same hash for all roles and
/// in all tables, and another one in another folder.
#[derive(Clone)]
pub struct PersonalKey(Hmac<Sha256>);

impl fmt::Debug for PersonalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key, which must not get into the server log.
        f.debug_struct("PersonalKey").finish_non_exhaustive()
    }
}

impl PersonalKey {
    fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// Keyed hash of a value, as 32 characters. Values of different kinds have different hashes.
    pub fn hash(&self, kind: Personal, value: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(kind.name().as_bytes());
        // No name of a kind has this byte, so no two inputs are the same bytes.
        mac.update(&[0]);
        mac.update(value.as_bytes());
        HEXLOWER.encode(&mac.finalize().into_bytes()[..HASH_BYTES])
    }
}

/// The key of a registry's file; the first call makes it.
pub(crate) fn personal_key(connection: &Connection) -> rusqlite::Result<Result<PersonalKey, RegistryError>> {
    let stored = |connection: &Connection| {
        let mut statement = connection.prepare("SELECT value FROM facts WHERE name = ?1")?;
        let mut rows = statement.query([PERSONAL_KEY])?;
        rows.next()?.map(|row| row.get::<_, String>(0)).transpose()
    };
    if stored(connection)?.is_none() {
        let key = match random::<KEY_BYTES>() {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        // Another process may be faster; then its key is the one that is read below.
        connection.execute(
            "INSERT INTO facts (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![PERSONAL_KEY, HEXLOWER.encode(&key)],
        )?;
    }
    let text = stored(connection)?.unwrap_or_default();
    Ok(match HEXLOWER.decode(text.as_bytes()) {
        Ok(key) if key.len() == KEY_BYTES => Ok(PersonalKey::new(&key)),
        // Without its text, which may be most of the key.
        _ => Err(RegistryError::Invalid {
            what: "fact",
            name: PERSONAL_KEY.into(),
            why: "the key of personal data is no 64 hexadecimal digits; restore the registry from a backup",
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_rfc_2104_over_kind_and_value() {
        let key = PersonalKey::new(&[7; KEY_BYTES]);
        let other = PersonalKey::new(&[8; KEY_BYTES]);
        let hash = key.hash(Personal::Plate, "38A-123.45");
        // python3: hmac.new(bytes([7]) * 32, b"plate\0" + b"38A-123.45", "sha256").hexdigest()[:32]
        assert_eq!(hash, "dd1d216ee07dd52d5159d438990f4926");
        assert_ne!(hash, other.hash(Personal::Plate, "38A-123.45"));
        assert_ne!(hash, key.hash(Personal::Person, "38A-123.45"));
        assert_ne!(hash, key.hash(Personal::Plate, "38A-123.46"));
        assert_eq!(format!("{key:?}"), "PersonalKey { .. }");
    }
}
