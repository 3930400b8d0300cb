//! Alert rules by name, as one snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;

/// An alert rule as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// Name.
    pub name: Arc<str>,
    /// Version, from 1. A rule that was removed and added again counts on.
    pub version: u32,
    /// Role that has written this version, or `@local` for whoever has the data folder.
    pub author: Arc<str>,
    /// Declaration, TOML.
    pub declaration: Arc<str>,
    /// False where nobody is to look.
    pub is_enabled: bool,
    /// When this version was written, microseconds.
    pub changed_us: i64,
}

/// Rules by name.
pub(crate) type AlertRuleIndex = BTreeMap<Arc<str>, Arc<AlertRule>>;

/// Reads the rules that hold.
pub(crate) fn read_alert_rules(connection: &Connection) -> rusqlite::Result<AlertRuleIndex> {
    let mut statement = connection.prepare_cached(
        "SELECT name, version, author, declaration, enabled, changed_us FROM alert_rules AS rule
         WHERE declaration IS NOT NULL
           AND version = (SELECT max(version) FROM alert_rules AS other WHERE other.name = rule.name)",
    )?;
    let rules = statement.query_map([], |row| {
        let text = |at: usize| row.get::<_, String>(at).map(Arc::from);
        let rule = AlertRule {
            name: text(0)?,
            version: row.get(1)?,
            author: text(2)?,
            declaration: text(3)?,
            is_enabled: row.get(4)?,
            changed_us: row.get(5)?,
        };
        Ok((Arc::clone(&rule.name), Arc::new(rule)))
    })?;
    rules.collect()
}
