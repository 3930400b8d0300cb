//! Tokens that hold, by their digest and by their owner, as one snapshot.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;
use zonelake_schemas::GatewayId;

use crate::credentials::scram::ScramVerifier;
use crate::credentials::secret::{Sha256Digest, digests_are_equal};

/// A token of the registry. No token gets the number of one that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub u32);

/// What a token opens: one gateway, or one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeldBy {
    Gateway(GatewayId),
    Role { id: u32, name: Arc<str> },
}

/// A token that is not revoked.
pub(crate) struct HeldToken {
    pub(crate) id: TokenId,
    pub(crate) held_by: HeldBy,
    pub(crate) expires_us: Option<i64>,
    /// Keys of SCRAM; those of a role only.
    pub(crate) scram: Option<ScramVerifier>,
    digest: Sha256Digest,
    last_use: Arc<LastUse>,
}

impl fmt::Debug for HeldToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without digest and keys, which must not get into the server log.
        f.debug_struct("HeldToken").field("id", &self.id).field("held_by", &self.held_by).finish_non_exhaustive()
    }
}

impl HeldToken {
    /// True until the token expires.
    pub(crate) fn holds_at(&self, now_us: i64) -> bool {
        self.expires_us.is_none_or(|expires_us| now_us < expires_us)
    }

    /// Notes that the token was shown.
    pub(crate) fn note_use(&self, now_us: i64) {
        // Thousands of streams may show one token at once; most of them find the second noted already.
        if now_us - self.last_use.noted_us.load(Ordering::Relaxed) >= USE_RESOLUTION_US {
            self.last_use.noted_us.store(now_us, Ordering::Relaxed);
        }
    }
}

/// Time of the last use of a token: as it is known, and as it is stored.
#[derive(Debug, Default)]
struct LastUse {
    noted_us: AtomicI64,
    stored_us: AtomicI64,
}

/// Microseconds by which a last use may be too early.
const USE_RESOLUTION_US: i64 = 1_000_000;

/// All tokens that are not revoked, as one snapshot.
#[derive(Debug, Default)]
pub(crate) struct TokenIndex {
    by_digest: HashMap<LookupPart, Arc<HeldToken>>,
    by_id: BTreeMap<TokenId, Arc<HeldToken>>,
    by_role: HashMap<u32, Vec<Arc<HeldToken>>>,
}

/// The first half of a digest: 128 bits, so that no two tokens share it.
type LookupPart = [u8; 16];

fn lookup_part(digest: &Sha256Digest) -> LookupPart {
    *digest.first_chunk().expect("a digest is longer than its half")
}

impl TokenIndex {
    /// The token of a digest.
    pub(crate) fn by_digest(&self, digest: &Sha256Digest) -> Option<&Arc<HeldToken>> {
        let held = self.by_digest.get(&lookup_part(digest))?;
        // The time of a lookup tells at most the first half; the second half is compared without telling anything.
        digests_are_equal(&held.digest, digest).then_some(held)
    }

    /// The token of an id.
    pub(crate) fn by_id(&self, id: TokenId) -> Option<&Arc<HeldToken>> {
        self.by_id.get(&id)
    }

    /// Tokens of a role, the newest first.
    pub(crate) fn of_role(&self, role: u32) -> &[Arc<HeldToken>] {
        self.by_role.get(&role).map_or(&[], Vec::as_slice)
    }

    /// Time of the last use of a token, as memory knows it.
    pub(crate) fn last_use_us(&self, id: TokenId) -> Option<i64> {
        self.by_id.get(&id).map(|held| held.last_use.noted_us.load(Ordering::Relaxed)).filter(|&us| us > 0)
    }

    /// Tokens that were used since their last use was stored.
    pub(crate) fn uses_to_store(&self) -> Vec<(TokenId, i64)> {
        let unstored = |held: &Arc<HeldToken>| {
            let noted = held.last_use.noted_us.load(Ordering::Relaxed);
            (noted > held.last_use.stored_us.load(Ordering::Relaxed)).then_some((held.id, noted))
        };
        self.by_id.values().filter_map(unstored).collect()
    }

    /// Notes that these uses are stored.
    pub(crate) fn set_stored(&self, uses: &[(TokenId, i64)]) {
        for (id, us) in uses {
            if let Some(held) = self.by_id.get(id) {
                held.last_use.stored_us.store(*us, Ordering::Relaxed);
            }
        }
    }

    /// Reads all tokens that are not revoked. What memory knows of their use stays known.
    pub(crate) fn read(connection: &Connection, before: &Self) -> rusqlite::Result<Self> {
        let mut index = Self::default();
        let mut statement = connection.prepare_cached(
            "SELECT tokens.id, gateway, role, sha256, tokens.scram, expires_us, last_used_us, roles.name
             FROM tokens LEFT JOIN roles ON roles.id = role WHERE revoked_us IS NULL ORDER BY tokens.id DESC",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = TokenId(row.get(0)?);
            let (gateway, role): (Option<u32>, Option<u32>) = (row.get(1)?, row.get(2)?);
            let held_by = match (gateway, role, row.get::<_, Option<String>>(7)?) {
                (Some(gateway), None, _) => HeldBy::Gateway(GatewayId(gateway)),
                (None, Some(id), Some(name)) => HeldBy::Role { id, name: name.into() },
                // The file has rules against it.
                _ => continue,
            };
            let scram: Option<Vec<u8>> = row.get(4)?;
            let last_use = before.by_id.get(&id).map_or_else(Arc::default, |known| Arc::clone(&known.last_use));
            let stored: i64 = row.get::<_, Option<i64>>(6)?.unwrap_or_default();
            last_use.stored_us.store(stored, Ordering::Relaxed);
            last_use.noted_us.fetch_max(stored, Ordering::Relaxed);
            let scram = scram.as_deref().and_then(ScramVerifier::from_bytes);
            let held = HeldToken { id, held_by, expires_us: row.get(5)?, scram, digest: row.get(3)?, last_use };
            index.insert(Arc::new(held));
        }
        Ok(index)
    }

    fn insert(&mut self, held: Arc<HeldToken>) {
        self.by_digest.insert(lookup_part(&held.digest), Arc::clone(&held));
        self.by_id.insert(held.id, Arc::clone(&held));
        if let HeldBy::Role { id, .. } = held.held_by {
            self.by_role.entry(id).or_default().push(held);
        }
    }
}
