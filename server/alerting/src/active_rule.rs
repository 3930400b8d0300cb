//! A rule that is looked at, over the fields of its table.

use std::sync::Arc;

use zonelake_alerts::{CompiledRule, RuleDef};
use zonelake_registry::{AlertRule, Registry};
use zonelake_schemas::alerts::is_written_by_server;
use zonelake_storage::Store;

use crate::sight::Sight;

/// A rule of the registry with what it means now.
#[derive(Debug, Clone)]
pub(crate) struct ActiveRule {
    pub(crate) stored: Arc<AlertRule>,
    pub(crate) def: RuleDef,
    pub(crate) compiled: CompiledRule,
    pub(crate) sight: Sight,
}

/// Why a rule cannot be looked at, in words for its author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotActive {
    /// The declaration is wrong, or does not fit its table.
    #[error("{0}")]
    Rule(String),
    /// There is no such table for the author.
    #[error("there is no table {0} for rules of this author")]
    NoTable(String),
    /// The data folder has another table of the name that alerts need.
    #[error("this data folder has a table alerts of your own, so there are no alert rules: rename that table first")]
    NoAlerts,
}

/// Reads a declaration and checks it against its table and the rights of its author.
///
/// # Errors
/// [`NotActive`].
pub fn check_rule(store: &Store, author: &str, declaration: &str) -> Result<RuleDef, NotActive> {
    if store.alerts().is_none() {
        return Err(NotActive::NoAlerts);
    }
    let def = RuleDef::from_toml(declaration).map_err(|fault| NotActive::Rule(fault.0))?;
    compile(store, author, &def).map(|_| def)
}

fn compile(store: &Store, author: &str, def: &RuleDef) -> Result<(CompiledRule, Sight), NotActive> {
    let sight = Sight::of(store.registry(), author, &def.table);
    let table = store.tables().get(&def.table).filter(|table| !is_written_by_server(&table.registered.def));
    // A table that is not granted does not exist.
    let table = table.filter(|_| sight != Sight::Nothing).ok_or_else(|| NotActive::NoTable(def.table.clone()))?;
    let compiled = def.compiled(&table.registered.def).map_err(|fault| NotActive::Rule(fault.0))?;
    Ok((compiled, sight))
}

impl ActiveRule {
    /// A rule of the registry, where its author may look at what it names.
    ///
    /// # Errors
    /// [`NotActive`], where it cannot be looked at (any more).
    pub(crate) fn new(store: &Store, stored: &Arc<AlertRule>) -> Result<Self, NotActive> {
        let def = RuleDef::from_toml(&stored.declaration).map_err(|fault| NotActive::Rule(fault.0))?;
        let (compiled, sight) = compile(store, &stored.author, &def)?;
        Ok(Self { stored: Arc::clone(stored), def, compiled, sight })
    }

    /// What it may see now.
    pub(crate) fn sight_now(&self, registry: &Registry) -> Sight {
        Sight::of(registry, &self.stored.author, &self.def.table)
    }
}
