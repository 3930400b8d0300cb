//! What places have measured in a window up to now.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use zonelake_storage::WindowKey;
use zonelake_timeseries::WindowSpan;

use crate::error::{QueryError, QueryErrorCode};
use crate::live::error::LiveError;
use crate::live::selection::LiveSelection;
use crate::windows::columns::{Buckets, WindowColumns};
use crate::windows::source::{KnownWindow, Window, readings};

/// The window of a table at one moment, as a client sees it.
#[derive(Debug)]
pub struct LiveWindow {
    columns: WindowColumns,
    known: KnownWindow,
    window: Window,
}

impl LiveWindow {
    /// That of a table, or of a part of one.
    pub(crate) fn new(provider: &Arc<dyn TableProvider>, span: WindowSpan, now_us: i64) -> Result<Self, LiveError> {
        let (table, _) = readings(provider).ok_or(LiveError::UnknownTable)?;
        if !table.def().on_repeat.keeps_all() {
            return Err(LiveError::Repeats);
        }
        let columns = table.window_columns(&provider.schema());
        let window = Window::at(span, now_us);
        let known = KnownWindow::new(provider, &columns, window, now_us).map_err(QueryError::from)?;
        Ok(Self { columns, known: known.ok_or(LiveError::NotKnown)?, window })
    }

    /// Rows that [`LiveWindow::rows`] has at most.
    pub fn rows_max(&self, selection: &LiveSelection) -> usize {
        let Window { from_us, to_us, bucket_us } = self.window;
        let length = |us: i64| usize::try_from(us).unwrap_or_default();
        // One bucket more where the window does not begin with one.
        let buckets = bucket_us.map_or(1, |width| length(to_us - from_us).div_ceil(length(width).max(1)) + 1);
        self.known.places(|key| is_chosen(selection, key)).saturating_mul(buckets)
    }

    /// The chosen places as rows: province, zone, time, rows by quality, and for each chosen field what is known of it; for each field that one
    /// of them had a value of where none is chosen.
    ///
    /// # Errors
    /// [`QueryErrorCode::Sql`] for a field of numbers that the table does not have, [`QueryErrorCode::Internal`] where columns cannot be made.
    pub fn rows(&self, selection: &LiveSelection) -> Result<RecordBatch, QueryError> {
        let buckets: Buckets = self.known.buckets(self.window, |key| is_chosen(selection, key));
        let is_known = |field: usize| {
            let field = u16::try_from(field).unwrap_or(u16::MAX);
            buckets.values().any(|bucket| bucket.field(field).is_some())
        };
        let positions = self.columns.positions(&selection.fields, is_known).map_err(|name| {
            let message = format!("the table has no field of numbers \"{name}\"; the table \"fields\" lists them");
            QueryError::new(QueryErrorCode::Sql, message)
        })?;
        let rows = self.columns.rows(&buckets, self.known.keys(), &positions);
        Ok(rows.map_err(datafusion::error::DataFusionError::from)?)
    }

    /// The same rows without what changes although nothing was measured: the beginning of a window in one bucket.
    pub fn without_clock(&self, rows: &RecordBatch) -> RecordBatch {
        let moves = self.window.bucket_us.is_none();
        let kept: Vec<usize> =
            (0..rows.num_columns()).filter(|&at| !(moves && rows.schema_ref().field(at).name() == "time")).collect();
        rows.project(&kept).expect("these are columns of the rows")
    }
}

fn is_chosen(selection: &LiveSelection, key: &WindowKey) -> bool {
    selection.has_place(key.province.as_deref(), key.zone.as_deref())
}
