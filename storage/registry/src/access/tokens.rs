//! Tokens of gateways and of roles. Each may have several, so that one is replaced by another without an outage. A token is 256
//! random bits as the text `zl_…` or `zr_…`; its SHA-256 is stored, which is enough against guessing since nobody can try 2^256
//! of them, and for a role the keys of SCRAM, by which the token is a password of PostgreSQL's clients.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::credentials::scram::ScramVerifier;
use crate::credentials::secret::{GATEWAY_TOKEN_PREFIX, ROLE_TOKEN_PREFIX, new_token, sha256};
use crate::error::RegistryError;
use crate::index::gateways::Gateway;
use crate::index::roles::Role;
use crate::index::tokens::{HeldBy, HeldToken, TokenId};
use crate::names::check_name;
use crate::registry::Registry;
use crate::sqlite::database::Load;

/// Tokens of one owner that hold at the same time; more are refused.
const TOKENS_MAX: u32 = 16;
/// Tokens of one owner that hold no more and are still listed; the oldest make room.
const ENDED_TOKENS_MAX: u32 = 64;
/// Longest time that a token may be given.
const LIFETIME_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// Owner of tokens, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenOwner {
    /// A gateway.
    Gateway(String),
    /// A role.
    Role(String),
}

impl TokenOwner {
    fn name(&self) -> &str {
        match self {
            Self::Gateway(name) | Self::Role(name) => name,
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Gateway(_) => "gateway",
            Self::Role(_) => "role",
        }
    }

    fn prefix(&self) -> &'static str {
        match self {
            Self::Gateway(_) => GATEWAY_TOKEN_PREFIX,
            Self::Role(_) => ROLE_TOKEN_PREFIX,
        }
    }
}

/// What a new token is to be.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// Name of the token; without one it is called after its number.
    pub name: Option<String>,
    /// Time after which it expires; without one it holds until it is revoked.
    pub lifetime: Option<Duration>,
    /// Time after which the owner's other tokens end; they never end later for it.
    pub others_end: Option<Duration>,
    /// Who makes it.
    pub created_by: String,
}

/// A token just made. Its text is stored nowhere.
#[derive(Clone)]
pub struct NewToken {
    /// The token as it is listed.
    pub info: TokenInfo,
    /// The text.
    pub token: String,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the token, which must not get into the server log.
        f.debug_struct("NewToken").field("info", &self.info).finish_non_exhaustive()
    }
}

/// A token as an operator sees it. Times are microseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Id of the token.
    pub id: TokenId,
    /// Name of the token, unique among those of its owner.
    pub name: String,
    /// Time at which it was made.
    pub created_us: i64,
    /// Who has made it; empty where a version has that did not write it down.
    pub created_by: String,
    /// Time of its end, if it has one.
    pub expires_us: Option<i64>,
    /// Time of its last use, to about a second; after a crash it may be a minute too early.
    pub last_used_us: Option<i64>,
    /// Time of its revocation, if it is revoked.
    pub revoked_us: Option<i64>,
}

/// Keys by which a role proves itself over SCRAM: those of its password, or of a token.
#[derive(Debug, Clone)]
pub struct RoleKeys {
    /// The keys. All of a role have one salt and one number of iterations.
    pub verifier: ScramVerifier,
    /// The token that they are of; `None` for the password.
    pub token: Option<TokenId>,
}

impl Registry {
    /// Makes a token and returns its text, which is stored nowhere.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an owner that there is not, [`RegistryError::Invalid`] for a name or time that cannot be
    /// and for a role without keys of SCRAM, [`RegistryError::Exists`], [`RegistryError::Limit`], [`RegistryError::Random`], and
    /// errors of the file.
    pub fn add_token(&self, owner: &TokenOwner, request: &TokenRequest) -> Result<NewToken, RegistryError> {
        if let Some(name) = &request.name {
            check_name("token", name)?;
        }
        let invalid = |why| RegistryError::Invalid { what: "token of", name: owner.name().into(), why };
        let times = [request.lifetime, request.others_end];
        if request.lifetime == Some(Duration::ZERO) || times.iter().flatten().any(|time| *time > LIFETIME_MAX) {
            return Err(invalid("a token holds for a second at least and a hundred years at most"));
        }
        let token = new_token(owner.prefix())?;
        // Takes some milliseconds, during which nobody else should wait for the file.
        let scram = match owner {
            TokenOwner::Gateway(_) => None,
            TokenOwner::Role(name) => {
                let keys = self.role_scram(name);
                if keys.is_none() && self.role(name).is_some() {
                    return Err(invalid("its password was set by a version without SCRAM; set it again first"));
                }
                keys.map(|password| ScramVerifier::with_salt_of(&token, &password))
            }
        };
        let new = Token { text: &token, scram: scram.as_ref(), request };
        let info = self.write(&[Load::Tokens], |connection, _| self.insert_token(connection, owner, &new))?;
        Ok(NewToken { info, token })
    }

    /// Writes a token of an owner that the file has.
    pub(super) fn insert_token(
        &self,
        connection: &Connection,
        owner: &TokenOwner,
        new: &Token<'_>,
    ) -> Result<TokenInfo, RegistryError> {
        let Token { text, scram, request } = new;
        let (column, id) = self.owner_id(connection, owner)?;
        let now_us = self.clock.wall_us();
        let sqlite = |source| self.sqlite(source);
        if let Some(scram) = scram
            && self.role_scram_in(connection, id)?.is_none_or(|now| !now.has_salt_of(scram))
        {
            // Removed and added again since the keys were made.
            return Err(RegistryError::Unknown { what: owner.what(), name: owner.name().into() });
        }
        let live: u32 = connection
            .query_row(
                &format!(
                    "SELECT count(*) FROM tokens WHERE {column} = ?1 AND revoked_us IS NULL
                     AND (expires_us IS NULL OR expires_us > ?2)"
                ),
                params![id, now_us],
                |row| row.get(0),
            )
            .map_err(sqlite)?;
        if live >= TOKENS_MAX {
            let name = owner.name().into();
            return Err(RegistryError::Limit { what: "tokens", name, limit: TOKENS_MAX as usize });
        }
        self.drop_ended_tokens(connection, column, id, now_us)?;
        if let Some(others_end) = request.others_end {
            connection
                .execute(
                    &format!(
                        "UPDATE tokens SET expires_us = min(coalesce(expires_us, ?2), ?2)
                         WHERE {column} = ?1 AND revoked_us IS NULL"
                    ),
                    params![id, later(now_us, others_end)],
                )
                .map_err(sqlite)?;
        }
        let next: u32 = connection
            .query_row("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'tokens'", [], |row| {
                row.get(0)
            })
            .map_err(sqlite)?;
        let info = TokenInfo {
            id: TokenId(next),
            name: request.name.clone().unwrap_or_else(|| format!("token-{next}")),
            created_us: now_us,
            created_by: request.created_by.clone(),
            expires_us: request.lifetime.map(|lifetime| later(now_us, lifetime)),
            last_used_us: None,
            revoked_us: None,
        };
        let inserted = connection
            .execute(
                &format!(
                    "INSERT INTO tokens (id, {column}, name, sha256, scram, created_us, created_by, expires_us)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT ({column}, name) DO NOTHING"
                ),
                params![
                    next,
                    id,
                    info.name,
                    sha256(&[text.as_bytes()]),
                    scram.map(ScramVerifier::to_bytes),
                    info.created_us,
                    info.created_by,
                    info.expires_us,
                ],
            )
            .map_err(sqlite)?;
        match inserted {
            0 => Err(RegistryError::Exists { what: "token", name: info.name }),
            _ => Ok(info),
        }
    }

    /// Tokens of an owner, the newest first; those that hold no more too.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an owner that there is not, and errors of the file.
    pub fn tokens(&self, owner: &TokenOwner) -> Result<Vec<TokenInfo>, RegistryError> {
        self.refresh()?;
        let held = self.tokens.load_full();
        self.read(|connection| {
            let (column, id) = self.owner_id_or_revoked(connection, owner)?;
            let read = || {
                let mut statement = connection.prepare(&format!(
                    "SELECT id, name, created_us, created_by, expires_us, last_used_us, revoked_us FROM tokens
                     WHERE {column} = ?1 ORDER BY id DESC"
                ))?;
                let infos = statement.query_map([id], |row| {
                    let id = TokenId(row.get(0)?);
                    let stored: Option<i64> = row.get(5)?;
                    Ok(TokenInfo {
                        id,
                        name: row.get(1)?,
                        created_us: row.get(2)?,
                        created_by: row.get(3)?,
                        expires_us: row.get(4)?,
                        last_used_us: held.last_use_us(id).max(stored),
                        revoked_us: row.get(6)?,
                    })
                })?;
                infos.collect::<rusqlite::Result<Vec<_>>>()
            };
            read().map_err(|source| self.sqlite(source))
        })
    }

    /// Revokes a token. It is refused immediately in this process, and what runs under it ends; in others after their next
    /// [`Registry::refresh`].
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an owner or token that there is not, or one that is revoked, and errors of the file.
    pub fn revoke_token(&self, owner: &TokenOwner, name: &str) -> Result<(), RegistryError> {
        // Memory forgets a token that is revoked, and whether it was used last is what its operator asks.
        self.store_token_uses()?;
        self.write(&[Load::Tokens], |connection, _| {
            let (column, id) = self.owner_id(connection, owner)?;
            let revoked = connection.execute(
                &format!("UPDATE tokens SET revoked_us = ?3 WHERE {column} = ?1 AND name = ?2 AND revoked_us IS NULL"),
                params![id, name, self.clock.wall_us()],
            );
            match revoked.map_err(|source| self.sqlite(source))? {
                0 => Err(RegistryError::Unknown { what: "token", name: name.into() }),
                _ => Ok(()),
            }
        })
    }

    /// Gateway of a token and the token's id, from memory; `None` where the token is unknown, has expired or is revoked.
    pub fn gateway_token(&self, token: &str) -> Option<(Arc<Gateway>, TokenId)> {
        let held = self.held_token(token, GATEWAY_TOKEN_PREFIX)?;
        let HeldBy::Gateway(id) = held.held_by else { return None };
        Some((self.gateway(id)?, held.id))
    }

    /// Role of a token and the token's id, from memory; `None` where the token is unknown, has expired or is revoked.
    pub fn role_token(&self, token: &str) -> Option<(Arc<Role>, TokenId)> {
        let held = self.held_token(token, ROLE_TOKEN_PREFIX)?;
        let HeldBy::Role { id, name } = &held.held_by else { return None };
        let role = self.role(name).filter(|role| role.id == *id)?;
        Some((role, held.id))
    }

    /// True for a text that may be the token of a role, and is no password.
    pub fn is_role_token(text: &str) -> bool {
        text.starts_with(ROLE_TOKEN_PREFIX)
    }

    /// True for a text that may be the token of a gateway, and is no password.
    pub fn is_gateway_token(text: &str) -> bool {
        text.starts_with(GATEWAY_TOKEN_PREFIX)
    }

    fn held_token(&self, token: &str, prefix: &str) -> Option<Arc<HeldToken>> {
        // Passwords and other text are refused without a digest.
        if !token.starts_with(prefix) {
            return None;
        }
        let now_us = self.clock.wall_us();
        let tokens = self.tokens.load();
        let held = tokens.by_digest(&sha256(&[token.as_bytes()])).filter(|held| held.holds_at(now_us))?;
        held.note_use(now_us);
        Some(Arc::clone(held))
    }

    /// Notes the use of a token that proved itself by its keys, which tell no digest.
    pub fn note_token_use(&self, id: TokenId) {
        if let Some(held) = self.tokens.load().by_id(id) {
            held.note_use(self.clock.wall_us());
        }
    }

    /// True as long as a token is neither revoked nor expired and its owner is there, from memory.
    pub fn token_holds(&self, id: TokenId) -> bool {
        let tokens = self.tokens.load();
        let Some(held) = tokens.by_id(id).filter(|held| held.holds_at(self.clock.wall_us())) else { return false };
        match &held.held_by {
            HeldBy::Gateway(id) => self.gateway(*id).is_some(),
            HeldBy::Role { id, name } => self.role(name).is_some_and(|role| role.id == *id),
        }
    }

    /// Time until a token expires; `None` where it has no end.
    pub fn token_time_left(&self, id: TokenId) -> Option<Duration> {
        let expires_us = self.tokens.load().by_id(id)?.expires_us?;
        let left_us = expires_us.saturating_sub(self.clock.wall_us());
        Some(Duration::from_micros(u64::try_from(left_us).unwrap_or_default()))
    }

    /// Keys by which a role may prove itself over SCRAM: those of its password, and of its tokens that hold.
    pub fn role_keys(&self, name: &str) -> Vec<RoleKeys> {
        let Some(password) = self.role_scram(name) else { return Vec::new() };
        let Some(role) = self.role(name) else { return Vec::new() };
        let now_us = self.clock.wall_us();
        let tokens = self.tokens.load();
        let held = tokens.of_role(role.id).iter().filter(|held| held.holds_at(now_us));
        let keys = held.filter_map(|held| Some(RoleKeys { verifier: held.scram.clone()?, token: Some(held.id) }));
        std::iter::once(RoleKeys { verifier: password, token: None }).chain(keys).collect()
    }

    /// Stores when tokens were used last; nothing is written where none was used since the call before.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn store_token_uses(&self) -> Result<(), RegistryError> {
        let tokens = self.tokens.load_full();
        let uses = tokens.uses_to_store();
        if uses.is_empty() {
            return Ok(());
        }
        self.write(&[], |connection, _| {
            let store = || {
                let mut update = connection.prepare_cached("UPDATE tokens SET last_used_us = ?2 WHERE id = ?1")?;
                uses.iter().try_for_each(|(id, us)| update.execute(params![id.0, us]).map(drop))
            };
            store().map_err(|source| self.sqlite(source))
        })?;
        tokens.set_stored(&uses);
        Ok(())
    }

    /// Column and id of an owner that may get tokens.
    fn owner_id(&self, connection: &Connection, owner: &TokenOwner) -> Result<(&'static str, u32), RegistryError> {
        let found = self.owner_id_or_revoked(connection, owner)?;
        let is_revoked = matches!(owner, TokenOwner::Gateway(_)) && self.gateway_is_revoked(connection, found.1)?;
        match is_revoked {
            true => Err(RegistryError::Unknown { what: owner.what(), name: owner.name().into() }),
            false => Ok(found),
        }
    }

    fn owner_id_or_revoked(
        &self,
        connection: &Connection,
        owner: &TokenOwner,
    ) -> Result<(&'static str, u32), RegistryError> {
        let (column, sql) = match owner {
            TokenOwner::Gateway(_) => ("gateway", "SELECT id FROM gateways WHERE name = ?1"),
            TokenOwner::Role(_) => ("role", "SELECT id FROM roles WHERE name = ?1"),
        };
        let mut statement = connection.prepare_cached(sql).map_err(|source| self.sqlite(source))?;
        match statement.query_row([owner.name()], |row| row.get(0)) {
            Ok(id) => Ok((column, id)),
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                Err(RegistryError::Unknown { what: owner.what(), name: owner.name().into() })
            }
            Err(source) => Err(self.sqlite(source)),
        }
    }

    fn gateway_is_revoked(&self, connection: &Connection, id: u32) -> Result<bool, RegistryError> {
        let sql = "SELECT revoked_us IS NOT NULL FROM gateways WHERE id = ?1";
        connection.query_row(sql, [id], |row| row.get(0)).map_err(|source| self.sqlite(source))
    }

    fn role_scram_in(&self, connection: &Connection, id: u32) -> Result<Option<ScramVerifier>, RegistryError> {
        let sql = "SELECT scram FROM roles WHERE id = ?1";
        let stored: Option<Vec<u8>> =
            connection.query_row(sql, [id], |row| row.get(0)).map_err(|source| self.sqlite(source))?;
        Ok(stored.as_deref().and_then(ScramVerifier::from_bytes))
    }

    /// Forgets the oldest tokens that hold no more.
    fn drop_ended_tokens(
        &self,
        connection: &Connection,
        column: &str,
        id: u32,
        now_us: i64,
    ) -> Result<(), RegistryError> {
        let ended = format!("{column} = ?1 AND (revoked_us IS NOT NULL OR expires_us <= ?2)");
        let sql = format!(
            "DELETE FROM tokens WHERE {ended} AND id NOT IN
             (SELECT id FROM tokens WHERE {ended} ORDER BY id DESC LIMIT {ENDED_TOKENS_MAX})"
        );
        connection.execute(&sql, params![id, now_us]).map(drop).map_err(|source| self.sqlite(source))
    }
}

/// Parts of a token that is to be written.
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) scram: Option<&'a ScramVerifier>,
    pub(super) request: &'a TokenRequest,
}

fn later(now_us: i64, by: Duration) -> i64 {
    now_us.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}
