//! Rows that a window holds, by what goes into it and comes out of it. DataFusion's windows keep rows until the last that
//! needs them is known, and reserve no memory for them
//! (datafusion issue 22946).

use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::window::StandardWindowExpr;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, PhysicalExpr, WindowExpr};

use std::sync::Arc;

/// Rows that a window keeps.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    /// All of them, until the last has come.
    All,
    /// Those of which the results are not known yet, and some of those before.
    Before(Before),
}

/// Rows before the present one that a window keeps.
#[derive(Debug, Clone)]
pub(crate) enum Before {
    /// At most so many.
    Rows(usize),
    /// All of the present partition, whose rows come one after the other and have the same values of these expressions.
    Partition(Vec<Arc<dyn PhysicalExpr>>),
    /// All.
    All,
}

impl Kept {
    /// Rows that a node keeps, with the number of its results for each row; none where it is no window.
    pub(crate) fn by(node: &Arc<dyn ExecutionPlan>) -> Option<(Self, usize)> {
        if let Some(window) = node.downcast_ref::<WindowAggExec>() {
            return Some((Self::All, window.window_expr().len()));
        }
        let window = node.downcast_ref::<BoundedWindowAggExec>()?;
        let exprs = window.window_expr();
        let is_sorted = window.input_order_mode == InputOrderMode::Sorted;
        Some((Self::Before(before(exprs, is_sorted)), exprs.len()))
    }
}

fn before(exprs: &[Arc<dyn WindowExpr>], is_sorted: bool) -> Before {
    let rows: Option<Vec<usize>> = exprs.iter().map(rows_before).collect();
    match (rows, exprs.first()) {
        // Where partitions come in no order each of them keeps as many: how many there are is not known here.
        (Some(rows), _) => Before::Rows(rows.into_iter().max().unwrap_or(0)),
        (None, Some(first)) if is_sorted => Before::Partition(first.partition_by().to_vec()),
        (None, _) => Before::All,
    }
}

/// Rows that an expression reaches back; none where it reaches back to the beginning.
fn rows_before(expr: &Arc<dyn WindowExpr>) -> Option<usize> {
    // `lag`, `row_number` and their kin have no frame: they keep what they need themselves, mostly a row.
    if expr.as_any().is::<StandardWindowExpr>() {
        return Some(0);
    }
    let frame = expr.get_window_frame();
    match (&frame.start_bound, frame.units) {
        (WindowFrameBound::Preceding(ScalarValue::UInt64(Some(rows))), WindowFrameUnits::Rows) => {
            Some(usize::try_from(*rows).unwrap_or(usize::MAX))
        }
        (WindowFrameBound::Preceding(distance), _) if distance.is_null() => None,
        // How many rows a distance in time or groups has is not known here; a part of a partition it is.
        _ => Some(0),
    }
}

/// Account of the rows that one partition of a window holds.
#[derive(Debug)]
pub(crate) struct WindowAccount {
    kept: Kept,
    results: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    reservation: Option<MemoryReservation>,
    rows_in: usize,
    rows_out: usize,
    bytes_in: usize,
    /// Rows of the partition that is open, and its values.
    open_rows: usize,
    open: Vec<ScalarValue>,
}

impl WindowAccount {
    /// Account of a window with so many results for each row.
    pub(crate) fn new(kept: Kept, results: usize) -> Self {
        Self { kept, results, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the account, before the first row.
    pub(crate) fn open(&self, context: &TaskContext) {
        let reservation = MemoryConsumer::new("window").register(context.memory_pool());
        *self.state() = State { reservation: Some(reservation), ..State::default() };
    }

    /// Frees all memory: the window has ended.
    pub(crate) fn close(&self) {
        self.state().reservation = None;
    }

    /// Reserves memory for rows that the window is about to get.
    ///
    /// # Errors
    /// Where the statement has no more memory.
    pub(crate) fn take_in(&self, batch: &RecordBatch) -> Result<()> {
        let mut state = self.state();
        state.rows_in += batch.num_rows();
        state.bytes_in += batch.columns().iter().map(column_bytes).sum::<usize>();
        if let Kept::Before(Before::Partition(by)) = &self.kept {
            state.follow_partition(by, batch)?;
        }
        self.reserve(&state)
    }

    /// Notes rows that have left the window.
    ///
    /// # Errors
    /// As [`Self::take_in`].
    pub(crate) fn give_out(&self, batch: &RecordBatch) -> Result<()> {
        let mut state = self.state();
        state.rows_out += batch.num_rows();
        self.reserve(&state)
    }

    fn reserve(&self, state: &State) -> Result<()> {
        let waiting = state.rows_in.saturating_sub(state.rows_out);
        let rows = match &self.kept {
            Kept::All | Kept::Before(Before::All) => state.rows_in,
            Kept::Before(Before::Rows(rows)) => waiting.saturating_add(*rows).min(state.rows_in),
            Kept::Before(Before::Partition(_)) => waiting.max(state.open_rows),
        };
        let of_row = COPIES * state.bytes_in.div_ceil(state.rows_in.max(1)) + self.results * RESULT_BYTES;
        match &state.reservation {
            Some(reservation) => reservation.try_resize(rows.saturating_mul(of_row)),
            None => Ok(()),
        }
    }
}

impl State {
    fn follow_partition(&mut self, by: &[Arc<dyn PhysicalExpr>], batch: &RecordBatch) -> Result<()> {
        if by.is_empty() || batch.num_rows() == 0 {
            self.open_rows += batch.num_rows();
            return Ok(());
        }
        let columns = by.iter().map(|expr| expr.evaluate(batch)?.into_array(batch.num_rows()));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let values_at = |row: usize| -> Result<Vec<ScalarValue>> {
            columns.iter().map(|column| ScalarValue::try_from_array(column, row)).collect()
        };
        let ranges = arrow::compute::partition(&columns)?.ranges();
        let goes_on = values_at(0)? == self.open;
        for (index, range) in ranges.iter().enumerate() {
            self.open_rows = if index == 0 && goes_on { self.open_rows + range.len() } else { range.len() };
        }
        self.open = values_at(batch.num_rows() - 1)?;
        Ok(())
    }
}

/// Bytes of a column's own rows; a slice shares its buffers with others.
fn column_bytes(column: &ArrayRef) -> usize {
    match column.data_type() {
        DataType::Utf8View => VIEW_BYTES * column.len() + column.as_string_view().total_buffer_bytes_used(),
        // The values are those of all batches together.
        DataType::Dictionary(key, _) => key.primitive_width().unwrap_or_default() * column.len(),
        DataType::BinaryView => VIEW_BYTES * column.len() + column.as_binary_view().total_buffer_bytes_used(),
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_unknown| column.get_array_memory_size()),
    }
}

/// Times that rows are in memory while a window puts their batches together.
const COPIES: usize = 2;
/// Bytes of a result and of its copy, about.
const RESULT_BYTES: usize = 16;
/// Bytes of the view of a text.
const VIEW_BYTES: usize = 16;
