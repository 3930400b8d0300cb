//! Whom alerts are sent to: hooks with their secrets, how far each has got, and what could not be delivered.

use rusqlite::{Connection, Row, params};
use zonelake_schemas::GroupSequence;

use crate::credentials::secret::new_token;
use crate::error::RegistryError;
use crate::registry::Registry;

/// Hooks that there may be.
const HOOKS_MAX: usize = 32;
/// Dead letters that are kept of all hooks; the oldest go first.
const DEAD_LETTERS_MAX: usize = 10_000;
/// Beginning of every hook's secret.
const HOOK_SECRET_PREFIX: &str = "zh_";

/// An address that alerts are sent to.
#[derive(Clone, PartialEq, Eq)]
pub struct AlertHook {
    /// Name.
    pub name: String,
    /// Address, http or https.
    pub url: String,
    /// Key of the signatures.
    pub secret: String,
    /// How far it has got.
    pub place: HookPlace,
    /// When it was added, microseconds.
    pub created_us: i64,
}

/// How far a hook has got in the table `alerts`: rows before it were delivered or put aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HookPlace {
    /// Sequence of the group of its last row; absent before the first look, and in registries of before.
    pub sequence: Option<GroupSequence>,
    /// When that row was received, or the hook was added, µs. A clock that was ahead may have said so.
    pub received_us: i64,
}

impl std::fmt::Debug for AlertHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlertHook").field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}

/// An alert that could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Name of the hook.
    pub hook: String,
    /// Key of the alert, the same in each attempt.
    pub key: String,
    /// What was sent.
    pub body: String,
    /// Why it was given up.
    pub error: String,
    /// Attempts.
    pub attempts: u32,
    /// When it was given up, microseconds.
    pub at_us: i64,
}

impl Registry {
    /// Adds a hook with a new secret. It is sent what is found from now on.
    ///
    /// # Errors
    /// [`RegistryError::Exists`], [`RegistryError::Limit`], and errors of the file.
    pub fn add_alert_hook(&self, name: &str, url: &str) -> Result<AlertHook, RegistryError> {
        let secret = new_token(HOOK_SECRET_PREFIX)?;
        self.write(&[], |connection, _| {
            let known = read_hooks(connection).map_err(|source| self.sqlite(source))?;
            if known.iter().any(|hook| hook.name == name) {
                return Err(RegistryError::Exists { what: "alert hook", name: name.into() });
            }
            if known.len() >= HOOKS_MAX {
                return Err(RegistryError::Limit { what: "alert hooks", name: name.into(), limit: HOOKS_MAX });
            }
            let now_us = self.clock.wall_us();
            connection
                .execute(
                    "INSERT INTO alert_hooks (name, url, secret, cursor_us, created_us) VALUES (?1, ?2, ?3, ?4, ?4)",
                    params![name, url, secret, now_us],
                )
                .map_err(|source| self.sqlite(source))?;
            Ok(AlertHook {
                name: name.into(),
                url: url.into(),
                secret,
                place: HookPlace { sequence: None, received_us: now_us },
                created_us: now_us,
            })
        })
    }

    /// Removes a hook and its dead letters.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`], and errors of the file.
    pub fn remove_alert_hook(&self, name: &str) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let removed = connection
                .execute("DELETE FROM alert_dead_letters WHERE hook = ?1", [name])
                .and_then(|_| connection.execute("DELETE FROM alert_hooks WHERE name = ?1", [name]));
            match removed.map_err(|source| self.sqlite(source))? {
                0 => Err(RegistryError::Unknown { what: "alert hook", name: name.into() }),
                _ => Ok(()),
            }
        })
    }

    /// All hooks by name.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn alert_hooks(&self) -> Result<Vec<AlertHook>, RegistryError> {
        self.read(|connection| read_hooks(connection).map_err(|source| self.sqlite(source)))
    }

    /// Notes how far a hook has got, with the dead letter that it has left, durably and in one step.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn advance_alert_hook(
        &self,
        name: &str,
        place: HookPlace,
        dead: Option<&DeadLetter>,
    ) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let advance = || -> rusqlite::Result<()> {
                connection.execute(
                    "UPDATE alert_hooks SET sequence = ?2, cursor_us = ?3
                     WHERE name = ?1 AND (sequence IS NULL OR sequence <= ?2)",
                    params![name, place.sequence.map(|sequence| sequence.0.cast_signed()), place.received_us],
                )?;
                let Some(dead) = dead else { return Ok(()) };
                connection.execute(
                    "INSERT INTO alert_dead_letters (hook, key, body, error, attempts, at_us)
                     SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM alert_hooks WHERE name = ?1)
                     ON CONFLICT DO NOTHING",
                    params![name, dead.key, dead.body, dead.error, dead.attempts, dead.at_us],
                )?;
                let limit = i64::try_from(DEAD_LETTERS_MAX).unwrap_or(i64::MAX);
                connection.execute(
                    "DELETE FROM alert_dead_letters WHERE id <= (SELECT max(id) FROM alert_dead_letters) - ?1",
                    [limit],
                )?;
                Ok(())
            };
            advance().map_err(|source| self.sqlite(source))
        })
    }

    /// What could not be delivered, oldest first.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, RegistryError> {
        self.read(|connection| read_dead_letters(connection).map_err(|source| self.sqlite(source)))
    }
}

fn read_hooks(connection: &Connection) -> rusqlite::Result<Vec<AlertHook>> {
    let mut statement = connection
        .prepare_cached("SELECT name, url, secret, sequence, cursor_us, created_us FROM alert_hooks ORDER BY name")?;
    let read = |row: &Row<'_>| {
        Ok(AlertHook {
            name: row.get(0)?,
            url: row.get(1)?,
            secret: row.get(2)?,
            place: HookPlace {
                sequence: row.get::<_, Option<i64>>(3)?.map(|sequence| GroupSequence(sequence.unsigned_abs())),
                received_us: row.get(4)?,
            },
            created_us: row.get(5)?,
        })
    };
    statement.query_map([], read)?.collect()
}

fn read_dead_letters(connection: &Connection) -> rusqlite::Result<Vec<DeadLetter>> {
    let mut statement = connection
        .prepare_cached("SELECT hook, key, body, error, attempts, at_us FROM alert_dead_letters ORDER BY id")?;
    let read = |row: &Row<'_>| {
        Ok(DeadLetter {
            hook: row.get(0)?,
            key: row.get(1)?,
            body: row.get(2)?,
            error: row.get(3)?,
            attempts: row.get(4)?,
            at_us: row.get(5)?,
        })
    };
    statement.query_map([], read)?.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zonelake_schemas::clock::SystemClock;

    use super::*;

    #[test]
    fn a_hook_knows_how_far_it_has_got_and_what_it_gave_up_after_a_start() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("registry.sqlite");
        let open = || Registry::open(&path, Arc::new(SystemClock::default())).expect("the registry opens");
        let registry = open();
        let hook = registry.add_alert_hook("duty", "http://127.0.0.1:1/").expect("it is added");
        assert!(hook.secret.starts_with("zh_") && !format!("{hook:?}").contains(&hook.secret));
        assert!(registry.add_alert_hook("duty", "http://127.0.0.1:2/").is_err());
        let dead = DeadLetter {
            hook: "duty".into(),
            key: "k".into(),
            body: "{}".into(),
            error: "410".into(),
            attempts: 3,
            at_us: 7,
        };
        let at = |sequence, received_us| HookPlace { sequence: Some(GroupSequence(sequence)), received_us };
        for _ in 0..2 {
            registry.advance_alert_hook("duty", at(5, 900), Some(&dead)).expect("it is noted");
        }
        registry.advance_alert_hook("duty", at(4, 1_000), None).expect("it is noted");
        // The clock was ahead before.
        registry.advance_alert_hook("duty", at(7, 800), None).expect("it is noted");
        drop(registry);
        let registry = open();
        let known = registry.alert_hooks().expect("they are read");
        assert_eq!(known, [AlertHook { place: at(7, 800), ..hook }], "it never goes back");
        assert_eq!(registry.dead_letters().expect("they are read"), [dead]);
        registry.remove_alert_hook("duty").expect("it is removed");
        assert!(registry.remove_alert_hook("duty").is_err());
        assert!(registry.dead_letters().expect("they are read").is_empty());
    }
}
