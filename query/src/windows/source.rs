//! The windows in memory, as a role may see them. What its rights choose rows by is what windows are kept apart by, so rights are
//! judged on places, by the expression that a statement over the rows would have.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::common::cast::as_boolean_array;
use datafusion::logical_expr::Expr;
use zonelake_storage::{LiveWindows, WindowKey};
use zonelake_timeseries::WindowSpan;

use crate::last::relations::telemetry;
use crate::rights::granted_table::granted;
use crate::rights::row_filter::over_columns;
use crate::scan::telemetry_table::TelemetryTable;
use crate::windows::columns::{Buckets, WindowColumns};

/// A window at a moment, as instants in µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Rows from this time on.
    pub from_us: i64,
    /// Rows before this time.
    pub to_us: i64,
    /// Width of its buckets.
    pub bucket_us: Option<i64>,
}

impl Window {
    /// That of a span, now.
    pub(crate) fn at(span: WindowSpan, now_us: i64) -> Self {
        let second_us = now_us - now_us.rem_euclid(SECOND_US);
        Self {
            from_us: second_us.saturating_sub(span.window_us),
            to_us: second_us.saturating_add(AHEAD_US),
            bucket_us: span.bucket_us,
        }
    }
}

/// The table of readings that a provider is, or is a part of, with the expression that chooses the rows of a role.
pub(crate) fn readings(provider: &Arc<dyn TableProvider>) -> Option<(&TelemetryTable, Option<&Expr>)> {
    if let Some(table) = telemetry(provider) {
        return Some((table, None));
    }
    let part = granted(provider)?;
    Some((telemetry(part.inner())?, part.rows()))
}

/// What memory has of a window.
#[derive(Debug)]
pub(crate) struct KnownWindow {
    windows: Arc<LiveWindows>,
    /// Places that the role sees, by number; `None` for all.
    seen: Option<BooleanArray>,
}

impl KnownWindow {
    /// The window of a table as a role sees it; `None` where memory does not have it.
    pub(crate) fn new(
        provider: &Arc<dyn TableProvider>,
        columns: &WindowColumns,
        window: Window,
        now_us: i64,
    ) -> Result<Option<Self>> {
        let Some((table, rows)) = readings(provider) else { return Ok(None) };
        let Some(windows) = table.windows(now_us, (window.from_us, window.to_us))? else { return Ok(None) };
        let seen = match rows {
            None => None,
            Some(rows) => match passing(rows, columns, windows.keys())? {
                Some(seen) => Some(seen),
                None => return Ok(None),
            },
        };
        Ok(Some(Self { windows, seen }))
    }

    /// Places by number.
    pub(crate) fn keys(&self) -> &[Arc<WindowKey>] {
        self.windows.keys()
    }

    /// The buckets of the window of those places that the role sees, and that are wanted.
    pub(crate) fn buckets(&self, window: Window, is_wanted: impl Fn(&WindowKey) -> bool) -> Buckets {
        let wanted = self.wanted(is_wanted);
        self.windows.joined((window.from_us, window.to_us), window.bucket_us, |group| wanted[group as usize])
    }
}

impl KnownWindow {
    /// Memory that all of [`KnownWindow::buckets`] take at most.
    pub(crate) fn bytes(&self, window: Window) -> usize {
        let wanted = self.wanted(|_| true);
        self.windows.joined_bytes((window.from_us, window.to_us), |group| wanted[group as usize])
    }

    /// Number of places that the role sees, and that are wanted.
    pub(crate) fn places(&self, is_wanted: impl Fn(&WindowKey) -> bool) -> usize {
        self.wanted(is_wanted).into_iter().filter(|is_wanted| *is_wanted).count()
    }

    /// Which places the role sees, and are wanted, by number.
    fn wanted(&self, is_wanted: impl Fn(&WindowKey) -> bool) -> Vec<bool> {
        let is_seen = |group: usize| self.seen.as_ref().is_none_or(|seen| seen.is_valid(group) && seen.value(group));
        let keys = self.windows.keys().iter().enumerate();
        keys.map(|(group, key)| is_seen(group) && is_wanted(key)).collect()
    }
}

/// Which places pass the filter of a role; `None` where it reads more than places.
fn passing(rows: &Expr, columns: &WindowColumns, keys: &[Arc<WindowKey>]) -> Result<Option<BooleanArray>> {
    let names = ["province", "zone"].into_iter().chain(columns.by.iter().map(String::as_str));
    let schema: SchemaRef =
        Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Utf8View, true)).collect::<Vec<_>>()));
    let Some(filter) = over_columns(rows, &schema)? else { return Ok(None) };
    let part = |of: &dyn Fn(&WindowKey) -> Option<&str>| -> arrow::array::ArrayRef {
        Arc::new(keys.iter().map(|key| of(key)).collect::<StringViewArray>())
    };
    let mut places = vec![part(&|key| key.province.as_deref()), part(&|key| key.zone.as_deref())];
    places.extend((0..columns.by.len()).map(|at| part(&|key| key.by.get(at)?.as_deref())));
    let options = RecordBatchOptions::new().with_row_count(Some(keys.len()));
    let places = RecordBatch::try_new_with_options(schema, places, &options)?;
    let passing = filter.evaluate(&places)?.into_array(keys.len())?;
    Ok(Some(as_boolean_array(&passing)?.clone()))
}

const SECOND_US: i64 = 1_000_000;
/// The second that is now, and a minute for devices whose clocks are ahead.
const AHEAD_US: i64 = 61 * SECOND_US;
