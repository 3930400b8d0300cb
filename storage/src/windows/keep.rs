//! How a table's view gets its windows, and from when on they are begun anew.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use arrow::error::ArrowError;
use zonelake_registry::Registry;
use zonelake_schemas::{Locations, Lsn, ShardId};

use crate::store::Store;
use crate::table::table::Table;
use crate::table::view::TableView;
use crate::windows::fold::AHEAD_US;
use crate::windows::live_windows::{LiveWindows, WindowsState};

impl Store {
    /// Takes live rows of a table into its windows. True where there were any.
    ///
    /// # Errors
    /// For rows of a device that the registry does not know.
    pub fn fold_windows(&self, table: &Table) -> Result<bool, ArrowError> {
        table.fold_windows(self.registry(), self.clock().wall_us())
    }
}

impl Table {
    /// As [`Store::fold_windows`], at a time by the wall clock.
    fn fold_windows(&self, registry: &Registry, now_us: i64) -> Result<bool, ArrowError> {
        if !self.keeps_last_rows() {
            return Ok(false);
        }
        let _one_folder = self.windowing.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.view();
        // Behind the view, so that they have the device of every row.
        let Some(folded) = view.windows.folded(view.chunks(), &registry.locations(), now_us)? else {
            return Ok(false);
        };
        if folded.state() == WindowsState::NotKept && view.windows.state() != WindowsState::NotKept {
            tracing::warn!(
                table = self.name(),
                "windows are not kept: its rows are of too many places; statements read the table's rows"
            );
        }
        self.store_windows(&view.windows, folded);
        Ok(true)
    }

    /// Begins windows anew where what they know has drifted from the clock: it has stepped back behind them, or the time of a row that was far
    /// ahead comes near.
    pub(super) fn check_windows(&self, now_us: i64) {
        let (from_us, to_us) = self.view().windows.span_us();
        let is_ahead = from_us > now_us.saturating_add(2 * AHEAD_US);
        if is_ahead || to_us < now_us.saturating_add(AHEAD_US / 2) {
            self.change_view(|view| self.begin_windows_anew(view, &BTreeMap::new()));
        }
    }

    /// Begins windows anew in a view, from its files and then its live rows. `lsns` are in files too, beside what is committed.
    pub(crate) fn begin_windows_anew(&self, view: &mut TableView, lsns: &BTreeMap<ShardId, Lsn>) {
        let mut covered = self.all_committed();
        covered.extend(lsns);
        let generation = view.windows.generation + 1;
        view.windows = Arc::new(match self.keeps_last_rows() {
            true => LiveWindows::begin(&self.layout, &view.files, covered, generation),
            false => LiveWindows { state: WindowsState::NotKept, generation, ..LiveWindows::default() },
        });
    }

    /// Joins windows that were read from the files that `since` had. False where they have begun anew meanwhile.
    pub(super) fn complete_windows(&self, since: &LiveWindows, of_files: &LiveWindows) -> bool {
        let _one_folder = self.windowing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Arc::clone(&self.view().windows);
        now.generation == since.generation
            && now.state() == WindowsState::Filling
            && self.store_windows(&now, now.completed_by(of_files))
    }

    /// Publishes windows that were made of `before`, unless those have been begun anew since. Nothing but a beginning takes their place
    /// while the lock of folding is held.
    fn store_windows(&self, before: &LiveWindows, made: LiveWindows) -> bool {
        let mut is_stored = false;
        self.change_view(|view| {
            is_stored = view.windows.generation == before.generation;
            if is_stored {
                view.windows = Arc::new(made);
            }
        });
        is_stored
    }
}

impl TableView {
    /// The windows of all files and all live rows, at a time by the wall clock; `None` where they do not know all rows of a span. `locations`
    /// were taken after the view.
    ///
    /// # Errors
    /// For live rows of a device that there is not.
    pub fn live_windows(
        &self,
        locations: &Locations,
        now_us: i64,
        (from_us, to_us): (i64, i64),
    ) -> Result<Option<Arc<LiveWindows>>, ArrowError> {
        // Known before anything is folded: what folding finds can only be less.
        if !self.windows.know(from_us, to_us) || self.hides_rows_from(from_us) {
            return Ok(None);
        }
        let folded = self.windows.folded(self.chunks(), locations, now_us)?;
        let whole = folded.map_or_else(|| Arc::clone(&self.windows), Arc::new);
        Ok(whole.know(from_us, to_us).then_some(whole))
    }
}
