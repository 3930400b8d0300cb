//! The watch over rights: a statement ends soon after its role was removed or its rights were changed. What it would still
//! show may be what was taken away.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zonelake_registry::{Registry, Role};

use crate::engine::cancellation::Cancellation;
use crate::engine::watch_thread::watch;
use crate::error::{QueryError, QueryErrorCode};

/// Time between two looks. A statement is to end within a second of the change.
const PERIOD: Duration = Duration::from_millis(100);

/// Statements in flight, each with the role that it began under.
pub(crate) struct RightsWatch {
    registry: Arc<Registry>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: u64,
    statements: BTreeMap<u64, (Arc<Role>, Arc<Cancellation>)>,
}

/// Place of a statement among those that are watched; dropping it leaves them.
#[derive(Debug)]
pub(crate) struct GuardedStatement {
    watch: Arc<RightsWatch>,
    id: u64,
}

impl fmt::Debug for RightsWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RightsWatch").finish_non_exhaustive()
    }
}

impl RightsWatch {
    /// Watch on a thread of its own, which ends with the last reference.
    ///
    /// # Errors
    /// Where the thread cannot be made.
    pub(crate) fn start(registry: Arc<Registry>) -> std::io::Result<Arc<Self>> {
        let watched = Arc::new(Self { registry, state: Mutex::default() });
        let mut seen = None;
        watch("query-rights", PERIOD, &watched, move |watched| {
            // A load of a pointer; statements are looked at only where rights have changed since.
            let epoch = watched.registry.rights_epoch();
            if seen != Some(epoch) {
                watched.handle_change();
                seen = Some(epoch);
            }
        })?;
        Ok(watched)
    }

    /// Watches a statement that began under `role`.
    pub(crate) fn add(self: &Arc<Self>, role: Arc<Role>, cancellation: Arc<Cancellation>) -> GuardedStatement {
        let id = {
            let mut state = self.state();
            state.last += 1;
            let id = state.last;
            state.statements.insert(id, (Arc::clone(&role), Arc::clone(&cancellation)));
            id
        };
        // The rights may have changed between the look at the role and this one, and the thread may have looked then.
        if !self.is_as_before(&role) {
            cancellation.end(changed(&role));
        }
        GuardedStatement { watch: Arc::clone(self), id }
    }

    /// Ends the statements whose rights are no longer those that they began with.
    fn handle_change(&self) {
        let state = self.state();
        for (role, cancellation) in state.statements.values() {
            if !self.is_as_before(role) {
                cancellation.end(changed(role));
            }
        }
    }

    fn is_as_before(&self, role: &Role) -> bool {
        self.registry.role(&role.name).is_some_and(|now| now.has_rights_of(role))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for GuardedStatement {
    fn drop(&mut self) {
        self.watch.state().statements.remove(&self.id);
    }
}

fn changed(role: &Role) -> QueryError {
    let message = format!("the rights of role \"{}\" were changed while the statement ran; send it again", role.name);
    QueryError::new(QueryErrorCode::NotAllowed, message).with_sqlstate("57014")
}
