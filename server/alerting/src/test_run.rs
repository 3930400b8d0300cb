//! A rule over history: the same machines, over rows that are read by SQL as its author sees them.

use std::sync::Arc;

use zonelake_alerts::Transition;
use zonelake_query::{Caller, QueryEngine};
use zonelake_registry::{ADMIN_USER, AlertRule};
use zonelake_schemas::Location;
use zonelake_storage::Store;

use crate::active_rule::{ActiveRule, NotActive};
use crate::history::{History, HistoryError, HistorySpan};
use crate::sight::LOCAL_AUTHOR;
use crate::watched::Watched;

/// A transition that would have been.
#[derive(Debug, Clone, PartialEq)]
pub struct Fired {
    /// Where the device is now.
    pub place: Arc<Location>,
    /// The transition.
    pub transition: Transition,
}

/// Why a rule could not be tested.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The rule cannot be looked at.
    #[error(transparent)]
    Rule(#[from] NotActive),
    /// Rows could not be read.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// Runs a rule over the rows from an instant on and before another one, as if each row had come at its time. Silence is looked at up to the end.
///
/// # Errors
/// [`TestError`].
pub async fn test_rule(
    engine: &QueryEngine,
    store: &Store,
    author: &str,
    declaration: &str,
    (from_us, until_us): (i64, i64),
) -> Result<Vec<Fired>, TestError> {
    let stored = AlertRule {
        name: "test".into(),
        version: 1,
        author: author.into(),
        declaration: declaration.into(),
        is_enabled: true,
        // Rows before the span fill windows and change no state.
        changed_us: from_us.saturating_sub(1),
    };
    let rule = ActiveRule::new(store, &Arc::new(stored))?;
    let name = if author == LOCAL_AUTHOR { ADMIN_USER } else { author };
    let history = History { engine, caller: Caller { name: name.into() } };
    let table = &store.tables()[&rule.def.table];
    let from_us = from_us.saturating_sub(rule.compiled.reach_us());
    let span = HistorySpan { from_us, until_us: Some(until_us), as_received: false, found_max: TRANSITIONS_MAX };
    let locations = store.registry().locations();
    let mut watched = Watched::new(vec![rule], TESTED_MACHINES_MAX);
    let mut found = Vec::new();
    history.replay(&table.registered.def, &span, &locations, &mut watched, &mut found).await?;
    watched.handle_clock(until_us.min(store.clock().wall_us()), &mut found);
    found.sort_by_key(|one| (one.transition.at_us, one.device, one.transition.number));
    let fired = found
        .into_iter()
        .filter_map(|one| Some(Fired { place: Arc::clone(locations.get(one.device)?), transition: one.transition }));
    Ok(fired.collect())
}

/// Transitions that a test tells.
const TRANSITIONS_MAX: usize = 100_000;
/// Devices that a test looks at.
const TESTED_MACHINES_MAX: usize = 100_000;
