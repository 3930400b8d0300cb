//! The chain: each entry has the hash of the one before it, so that none can be changed, taken out or put in without all that follow being
//! made anew.
//!
//! The hash of an entry is SHA-256 over these bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 17 | `zonelake audit 1\n` |
//! | 32 | hash of the entry before it; zeros before the first one |
//! | 8 | sequence, from 1: i64, little-endian |
//! | 8 | time, microseconds since 1970, UTC: i64, little-endian |
//! | … | the texts in the order of [`TEXTS`](crate::audit::row::TEXTS), each: 0 for null; or 1, its length in bytes as u32, little-endian, and its UTF-8 |

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use zonelake_schemas::audit::AuditEntry;

use crate::audit::row::AuditRow;

/// First bytes of what is hashed: another use of the same function never has the same.
const DOMAIN: &[u8] = b"zonelake audit 1\n";

/// Hash of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct EntryHash(pub [u8; 32]);

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no hash of an entry, which is 64 letters of 0 to 9 and a to f")]
pub struct NoHash;

impl FromStr for EntryHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let digit = |letter: u8| match letter {
            b'0'..=b'9' => Ok(letter - b'0'),
            b'a'..=b'f' => Ok(letter - b'a' + 10),
            _ => Err(NoHash),
        };
        let mut hash = [0; 32];
        if text.len() != 64 {
            return Err(NoHash);
        }
        for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
        }
        Ok(Self(hash))
    }
}

/// End of a chain: what the next entry follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainEnd {
    /// Number of the last entry; 0 where there is none.
    pub sequence: i64,
    /// Its hash.
    pub hash: EntryHash,
    /// Its time, microseconds since 1970, UTC.
    pub time_us: i64,
}

/// Microseconds by which the wall clock may step back before times of entries follow it. The same as for times of receipt (decision 0045).
const LEAD_US_MAX: i64 = 300_000_000;

impl ChainEnd {
    /// The entry that follows, of a moment. Times of entries do not go back, unless the clock has gone back far.
    #[must_use]
    pub fn followed_by(&self, entry: AuditEntry, now_us: i64) -> AuditRow {
        let time_us = if self.time_us - now_us > LEAD_US_MAX { now_us } else { now_us.max(self.time_us) };
        let sequence = self.sequence + 1;
        let texts = AuditRow::texts_of(entry);
        let hash = hash_of(&self.hash, sequence, time_us, &texts);
        AuditRow { sequence, time_us, texts, previous: self.hash.to_string(), hash: hash.to_string() }
    }

    /// The end behind a row that was made by [`followed_by`](Self::followed_by).
    #[must_use]
    pub fn behind(row: &AuditRow) -> Option<Self> {
        let hash = row.hash.parse().ok()?;
        Some(Self { sequence: row.sequence, hash, time_us: row.time_us })
    }
}

/// The hash over the hash before it and all else of an entry.
pub(crate) fn hash_of(previous: &EntryHash, sequence: i64, time_us: i64, texts: &[Option<String>]) -> EntryHash {
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    hasher.update(previous.0);
    hasher.update(sequence.to_le_bytes());
    hasher.update(time_us.to_le_bytes());
    for text in texts {
        match text {
            None => hasher.update([0_u8]),
            Some(text) => {
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                hasher.update([1_u8]);
                hasher.update(length.to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
    }
    EntryHash(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::TableSchemas;
    use zonelake_schemas::audit::{AuditOutcome, audit_table};

    use super::*;

    #[test]
    fn rows_read_back_as_they_were_written() {
        let mut end = ChainEnd::default();
        let mut rows = Vec::new();
        for number in 0..3 {
            let entry = AuditEntry::new("http", "sign_in", AuditOutcome::Refused).of_role("admin");
            let entry = if number == 1 { entry } else { entry.about("x").because("wrong_password") };
            let row = end.followed_by(entry, 1_767_225_600_000_000 + number);
            end = ChainEnd::behind(&row).expect("a row that was made has a hash");
            rows.push(row);
        }
        let batch = AuditRow::to_batch(&rows, &TableSchemas::new(&audit_table()).log).expect("rows of the table");
        assert_eq!(AuditRow::from_batch(&batch).expect("the columns are there"), rows);
    }

    #[test]
    fn the_hash_is_that_of_the_bytes_which_are_described() {
        let texts = [None, Some("é".to_owned())];
        let hash = hash_of(&EntryHash::default(), 1, 2, &texts);
        // python3: hashlib.sha256(b"zonelake audit 1\n" + bytes(32) + struct.pack("<qq", 1, 2) + b"\0" + b"\1" +
        //          struct.pack("<I", 2) + "é".encode()).hexdigest()
        assert_eq!(hash.to_string(), "45009d3af8a6560e4e91541d95dbaf48e323213f4fa9e4d44a5c2a7c0821aa87");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("zz".parse::<EntryHash>(), Err(NoHash));
    }

    #[test]
    fn times_do_not_go_back_with_a_clock_that_steps_back_a_little_and_do_with_one_that_was_wrong() {
        let entry = || AuditEntry::new("http", "sign_in", AuditOutcome::Allowed);
        let first = ChainEnd::default().followed_by(entry(), 1_000_000_000);
        let end = ChainEnd::behind(&first).expect("a row that was made has a hash");
        assert_eq!((end.sequence, end.time_us), (1, 1_000_000_000));
        assert_eq!(end.followed_by(entry(), 900_000_000).time_us, 1_000_000_000);
        assert_eq!(end.followed_by(entry(), 600_000_000).time_us, 600_000_000);
    }
}
