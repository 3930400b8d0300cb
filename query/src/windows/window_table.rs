//! The windows of one table, as a table that a scan makes: from memory where it has them, else from the rows.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, TableType, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::prelude::ident;
use zonelake_timeseries::WindowSpan;

use crate::scan::filter_pushdown::physical_filter;
use crate::windows::columns::WindowColumns;
use crate::windows::raw_windows::{RAW_HEAD, RawWindows};
use crate::windows::source::{KnownWindow, Window};

/// Windows of one table, as a role sees them.
#[derive(Debug)]
pub(crate) struct WindowTable {
    span: WindowSpan,
    /// The rows that the role sees.
    rows: Arc<dyn TableProvider>,
    columns: Arc<WindowColumns>,
    /// Memory of the rows of its scans.
    made: Mutex<Vec<MemoryReservation>>,
}

impl WindowTable {
    /// Windows of a table of readings, or of a part of one.
    pub(crate) fn new(span: WindowSpan, rows: Arc<dyn TableProvider>, columns: WindowColumns) -> Self {
        Self { span, rows, columns: Arc::new(columns), made: Mutex::default() }
    }

    async fn scan_rows(
        &self,
        state: &dyn Session,
        window: Window,
        projection: Vec<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted = self.columns.schema().project(&projection)?;
        let schema = self.rows.schema();
        let fields = self.columns.fields.iter().map(|field| field.name.as_str());
        // Columns of a field begin with its name; one too many costs time and nothing else.
        let is_wanted = |name: &&str| wanted.fields().iter().any(|column| column.name().starts_with(name));
        let names =
            RAW_HEAD.into_iter().chain(self.columns.by.iter().map(String::as_str)).chain(fields.filter(is_wanted));
        let positions = names.map(|name| Ok(schema.index_of(name)?)).collect::<Result<BTreeSet<usize>>>()?;
        let positions: Vec<usize> = positions.into_iter().collect();
        let instant = |us| lit(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())));
        let within = [ident("time").gt_eq(instant(window.from_us)), ident("time").lt(instant(window.to_us))];
        let mut rows = self.rows.scan(state, Some(&positions), &within, None).await?;
        if let Some(filter) = physical_filter(state, &rows.schema(), within)? {
            rows = Arc::new(FilterExec::try_new(filter, rows)?);
        }
        Ok(Arc::new(RawWindows::new(rows, &self.columns, window, projection.into())?))
    }
}

#[async_trait]
impl TableProvider for WindowTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.columns.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.columns.schema().fields().len()).collect());
        let started = state.execution_props().query_execution_start_time;
        let now_us = started.map_or(0, |at| at.timestamp_micros());
        let window = Window::at(self.span, now_us);
        let Some(known) = KnownWindow::new(&self.rows, &self.columns, window, now_us)? else {
            return self.scan_rows(state, window, projection).await;
        };
        let reservation = MemoryConsumer::new("windows").register(&state.runtime_env().memory_pool);
        // Before they are made; what is left of them are rows.
        reservation.try_grow(known.bytes(window))?;
        let buckets = known.buckets(window, |_| true);
        let rows = self.columns.rows(&buckets, known.keys(), &projection)?;
        drop(buckets);
        reservation.try_resize(rows.get_array_memory_size())?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(reservation);
        let schema = rows.schema();
        Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], schema, None)?)
    }
}
