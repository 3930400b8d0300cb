//! All tables as they are now, and what changes in them. Changes of a table are found once for all of its followers, by one task that
//! looks at its view every [`TICK`] while anybody follows.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::broadcast;
use zonelake_registry::Role;
use zonelake_timeseries::WindowSpan;

use crate::catalog::source::Pinned;
use crate::engine::query_engine::QueryEngine;
use crate::engine::session::Caller;
use crate::error::QueryError;
use crate::live::error::LiveError;
use crate::live::live_table::LiveTable;
use crate::live::live_window::LiveWindow;
use crate::live::rights::LiveRights;
use crate::scan::telemetry_table::TelemetryTable;
use crate::windows::source::readings;

/// The last values of all tables, for any number of followers.
pub struct LiveTables {
    engine: Arc<QueryEngine>,
    /// Followers of each table.
    followed: Mutex<HashMap<String, broadcast::Sender<Arc<LiveTable>>>>,
    is_stopping: AtomicBool,
}

impl fmt::Debug for LiveTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveTables").finish_non_exhaustive()
    }
}

impl LiveTables {
    /// Tables that an engine reads.
    pub fn new(engine: &Arc<QueryEngine>) -> Arc<Self> {
        Arc::new(Self { engine: Arc::clone(engine), followed: Mutex::default(), is_stopping: AtomicBool::new(false) })
    }

    /// Wall clock, µs since 1970.
    pub fn now_us(&self) -> i64 {
        self.engine.source().registry().clock().wall_us()
    }

    /// A table as it is now for a client, the last acknowledged row included.
    ///
    /// # Errors
    /// [`LiveError`].
    pub fn table(&self, name: &str, caller: &Caller) -> Result<LiveTable, LiveError> {
        let provider = self.engine.readings_of(caller, name)?.ok_or(LiveError::UnknownTable)?;
        let (readings, _) = readings(&provider).ok_or(LiveError::UnknownTable)?;
        let rights = LiveRights::of(&provider).map_err(|_by_more| LiveError::InPart)?;
        Ok(LiveTable::new(readings)?.seen_with(rights.as_ref())?)
    }

    /// What places of a table have measured in a window up to now, for a client, the last acknowledged row included.
    ///
    /// # Errors
    /// [`LiveError`].
    pub fn window(&self, name: &str, caller: &Caller, span: WindowSpan) -> Result<LiveWindow, LiveError> {
        // So that each row is folded once for all who ask, and not by each of them.
        self.engine.source().fold_windows(name);
        let provider = self.engine.readings_of(caller, name)?.ok_or(LiveError::UnknownTable)?;
        LiveWindow::new(&provider, span, self.now_us())
    }

    /// The role of a client as it is now, for [`LiveTables::may_go_on`].
    pub fn role(&self, caller: &Caller) -> Option<Arc<Role>> {
        self.engine.source().registry().role(&caller.name)
    }

    /// True where a client that began as `role` with such rights still sees the table as it did.
    pub fn may_go_on(
        &self,
        name: &str,
        caller: &Caller,
        role: &mut Option<Arc<Role>>,
        rights: Option<&Arc<LiveRights>>,
    ) -> bool {
        let now = self.role(caller);
        let (is_same, has_same_rights) = match (&now, &*role) {
            (Some(now), Some(role)) => (Arc::ptr_eq(now, role), now.has_rights_of(role)),
            _ => (false, false),
        };
        *role = now;
        // A role that has changed in any way is looked at anew; what it saw a part of, it may see another part of.
        match is_same || has_same_rights {
            true => true,
            false => match self.table(name, caller) {
                Ok(table) => rights.is_none() && table.rights().is_none(),
                Err(LiveError::NotKnown) => rights.is_none(),
                Err(LiveError::UnknownTable | LiveError::Repeats | LiveError::InPart | LiveError::Query(_)) => false,
            },
        }
    }

    fn whole_table(&self, name: &str) -> Result<LiveTable, LiveError> {
        let Pinned { tables, locations } = self.engine.source().pin();
        let pinned = tables.into_iter().find(|table| table.def.name == name).ok_or(LiveError::UnknownTable)?;
        LiveTable::new(&TelemetryTable::new(pinned, locations, Arc::clone(self.engine.location_cache())))
    }

    /// Follows a table, which [`LiveTables::table`] has shown to the client: each state that differs from the one before. A follower that falls behind loses the oldest, and is told how
    /// many.
    ///
    /// # Errors
    /// As [`LiveTables::table`].
    pub fn follow(self: &Arc<Self>, name: &str) -> Result<broadcast::Receiver<Arc<LiveTable>>, LiveError> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_stopping() {
            return Err(QueryError::stopping().into());
        }
        if let Some(sender) = followed.get(name) {
            return Ok(sender.subscribe());
        }
        let first = Arc::new(self.whole_table(name)?);
        let (sender, receiver) = broadcast::channel(STATES_AHEAD);
        followed.insert(name.to_owned(), sender);
        tokio::spawn(watch(Arc::downgrade(self), name.to_owned(), first));
        Ok(receiver)
    }

    /// True once followers are to end.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Ends all followers.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Sends a state to the followers of a table; false where there are none any more.
    fn send(&self, name: &str, state: Option<Arc<LiveTable>>) -> bool {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = followed.get(name) else { return false };
        if sender.receiver_count() == 0 {
            followed.remove(name);
            return false;
        }
        if let Some(state) = state {
            // The last follower may have gone just now.
            drop(sender.send(state));
        }
        true
    }
}

/// Looks for changes of one table as long as anybody follows it. Between two looks it keeps nothing open: a store that is stopped can be
/// opened anew at once.
async fn watch(tables: Weak<LiveTables>, name: String, mut before: Arc<LiveTable>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(tables) = tables.upgrade() else { return };
        // A table whose last rows are read anew is followed again once they are known.
        let state = tables.whole_table(&name).ok().and_then(|mut now| {
            now.changed = Arc::new(now.kept().changed_since(before.kept()));
            (!now.changed.is_empty()).then(|| Arc::new(now))
        });
        if let Some(state) = &state {
            before = Arc::clone(state);
        }
        if !tables.send(&name, state) {
            return;
        }
    }
}

/// Interval at which changes are looked for.
const TICK: Duration = Duration::from_millis(100);
/// States that a follower may be behind.
const STATES_AHEAD: usize = 8;
