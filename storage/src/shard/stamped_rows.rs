//! Rows in the form that queries read.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::error::ArrowError;
use zonelake_registry::RegisteredTable;
use zonelake_schemas::columns::log;
use zonelake_schemas::reject::REJECTED;

/// Rows as queries read them: with `ingested_at`, which is the same for a whole batch. In the table `rejected`, `time`
/// is the time of receipt too.
pub(super) fn live_rows(
    table: &RegisteredTable,
    rows: &RecordBatch,
    ingested_at_us: i64,
) -> Result<RecordBatch, ArrowError> {
    // All rows of a batch share the time of receipt, which the record's header has once.
    let stamps = TimestampMicrosecondArray::from_value(ingested_at_us, rows.num_rows()).with_timezone("UTC");
    let ingested_at: ArrayRef = Arc::new(stamps);
    let time = if table.def.name == REJECTED { &ingested_at } else { rows.column(log::TIME) };
    let mut columns = Vec::with_capacity(rows.num_columns() + 1);
    columns.push(Arc::clone(time));
    columns.push(Arc::clone(&ingested_at));
    columns.extend(rows.columns()[log::DEVICE_KEY..].iter().cloned());
    RecordBatch::try_new(Arc::clone(&table.schemas.live), columns)
}
