//! What the author of a rule may see of a table: a rule sees that and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use zonelake_registry::{Place, Registry};
use zonelake_schemas::Location;

/// Author of rules that come from whoever has the data folder; no role has this name.
pub const LOCAL_AUTHOR: &str = "@local";

/// Devices whose rows an author sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All.
    Everywhere,
    /// Those of these provinces and zones.
    Places { provinces: BTreeSet<Arc<str>>, zones: BTreeSet<Arc<str>> },
    /// None: the author is gone, or nothing of the table is granted.
    Nothing,
}

impl Sight {
    /// What an author sees of a table now. Rows that are granted by a value of theirs are not seen: whether a device is silent, its other rows would tell.
    pub(crate) fn of(registry: &Registry, author: &str, table: &str) -> Self {
        if author == LOCAL_AUTHOR {
            return Self::Everywhere;
        }
        let Some(role) = registry.role(author) else { return Self::Nothing };
        if role.is_admin() {
            return Self::Everywhere;
        }
        // As for statements: grants that name the table take the place of those of all tables.
        let is_named = role.grants.iter().any(|grant| grant.key.table.as_deref() == Some(table));
        let wanted = is_named.then_some(table);
        let grants = role.grants.iter().filter(|grant| grant.key.table.as_deref() == wanted);
        let (mut provinces, mut zones) = (BTreeSet::new(), BTreeSet::new());
        for grant in grants.filter(|grant| grant.key.only.is_none()) {
            match &grant.key.place {
                Place::Everywhere => return Self::Everywhere,
                Place::Province(code) => drop(provinces.insert(Arc::clone(code))),
                Place::Zone(code) => drop(zones.insert(Arc::clone(code))),
            }
        }
        match provinces.is_empty() && zones.is_empty() {
            true => Self::Nothing,
            false => Self::Places { provinces, zones },
        }
    }

    /// True where rows of this place are seen.
    pub(crate) fn has(&self, at: &Location) -> bool {
        let among = |codes: &BTreeSet<Arc<str>>, code: &Option<Arc<str>>| {
            code.as_ref().is_some_and(|code| codes.contains(code))
        };
        match self {
            Self::Everywhere => true,
            Self::Nothing => false,
            Self::Places { provinces, zones } => among(provinces, &at.province) || among(zones, &at.zone),
        }
    }
}
