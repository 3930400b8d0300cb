//! Alert rules with their versions and authors. The registry keeps their text; what it means, and whether its author may say it, is known above.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::RegistryError;
use crate::index::alert_rules::AlertRule;
use crate::registry::Registry;
use crate::sqlite::database::Load;

/// Rules that there may be.
pub const ALERT_RULES_MAX: usize = 20_000;

impl Registry {
    /// All alert rules by name, from memory. A change makes another value.
    pub fn alert_rules(&self) -> Arc<BTreeMap<Arc<str>, Arc<AlertRule>>> {
        self.alert_rules.load_full()
    }

    /// Stores a rule, or a further version of one. `may_replace` is asked for the author of the version before.
    ///
    /// # Errors
    /// [`RegistryError::Exists`] where the rule is another author's, [`RegistryError::Limit`], and errors of the file.
    pub fn set_alert_rule(
        &self,
        name: &str,
        declaration: &str,
        author: &str,
        is_enabled: bool,
        may_replace: impl Fn(&str) -> bool,
    ) -> Result<AlertRule, RegistryError> {
        self.write(&[Load::AlertRules], |connection, _| {
            let rules = self.alert_rules();
            match rules.get(name) {
                Some(known) if !may_replace(&known.author) => {
                    return Err(RegistryError::Exists { what: "alert rule", name: name.into() });
                }
                None if rules.len() >= ALERT_RULES_MAX => {
                    return Err(RegistryError::Limit {
                        what: "alert rules",
                        name: author.into(),
                        limit: ALERT_RULES_MAX,
                    });
                }
                _ => {}
            }
            self.insert_version(connection, name, Some(declaration), author, is_enabled)
        })
    }

    /// Removes a rule; its versions stay in the file.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for a rule that there is not or that is another author's, and errors of the file.
    pub fn remove_alert_rule(
        &self,
        name: &str,
        author: &str,
        may_remove: impl Fn(&str) -> bool,
    ) -> Result<(), RegistryError> {
        self.write(&[Load::AlertRules], |connection, _| {
            let known = self.alert_rules().get(name).cloned().filter(|known| may_remove(&known.author));
            if known.is_none() {
                return Err(RegistryError::Unknown { what: "alert rule", name: name.into() });
            }
            self.insert_version(connection, name, None, author, false).map(drop)
        })
    }

    fn insert_version(
        &self,
        connection: &Connection,
        name: &str,
        declaration: Option<&str>,
        author: &str,
        is_enabled: bool,
    ) -> Result<AlertRule, RegistryError> {
        let changed_us = self.clock.wall_us();
        let insert = || -> rusqlite::Result<u32> {
            let last: Option<u32> = connection
                .query_row("SELECT max(version) FROM alert_rules WHERE name = ?1", [name], |row| row.get(0))
                .optional()?
                .flatten();
            let version = last.unwrap_or(0) + 1;
            connection.execute(
                "INSERT INTO alert_rules (name, version, author, declaration, enabled, changed_us)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![name, version, author, declaration, is_enabled, changed_us],
            )?;
            Ok(version)
        };
        let version = insert().map_err(|source| self.sqlite(source))?;
        Ok(AlertRule {
            name: name.into(),
            version,
            author: author.into(),
            declaration: declaration.unwrap_or_default().into(),
            is_enabled,
            changed_us,
        })
    }
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::clock::SystemClock;

    use super::*;

    #[test]
    fn a_rule_has_versions_that_count_on_and_is_there_after_a_start() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("registry.sqlite");
        let open = || Registry::open(&path, Arc::new(SystemClock::default())).expect("the registry opens");
        let registry = open();
        let mine = |author: &str| author == "me";
        let first = registry.set_alert_rule("hot", "a = 1", "me", true, mine).expect("it is stored");
        assert_eq!((first.version, &*first.author), (1, "me"));
        let theirs = registry.set_alert_rule("hot", "a = 2", "you", true, |author| author == "you");
        assert!(matches!(theirs, Err(RegistryError::Exists { .. })), "a rule is its author's");
        assert_eq!(registry.set_alert_rule("hot", "a = 2", "me", false, mine).expect("it is stored").version, 2);
        drop(registry);
        let registry = open();
        let known = Arc::clone(&registry.alert_rules()["hot"]);
        assert_eq!((known.version, &*known.declaration, known.is_enabled), (2, "a = 2", false));
        assert!(registry.remove_alert_rule("hot", "you", |author| author == "you").is_err());
        registry.remove_alert_rule("hot", "me", mine).expect("it is removed");
        assert!(registry.alert_rules().is_empty());
        assert!(registry.remove_alert_rule("hot", "me", mine).is_err(), "it is gone");
        assert_eq!(registry.set_alert_rule("hot", "a = 3", "you", true, mine).expect("it is stored").version, 4);
    }
}
