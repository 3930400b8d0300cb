//! Rejected rows of one gateway and table, decoded once more. What is acceptable now is stored on the back-fill lane. For each
//! row that is stored, a row of the table `rejected` with its identity says so, in the same record of the WAL: after a crash
//! both are there or neither, and no row is stored a second time.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt8Array, UInt32Array,
};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use futures::future::BoxFuture;
use zonelake_registry::{Gateway, RegisteredTable};
use zonelake_schemas::columns::{LOG_FIXED, constant_boolean, null_column, timestamp};
use zonelake_schemas::reject::{DROPPED, REPLAYED};
use zonelake_schemas::{Epoch, Lane, Quality};

use super::content::push_line;
use crate::batch::{BatchContext, DecodedBatch};
use crate::line::decoder::LineDecoder;
use crate::line::precision::Precision;
use crate::refusal::Refusal;
use crate::write::{WriteError, WriteState};

/// A row of the table `rejected` that stands for a whole row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// Identity of the row.
    pub identity: String,
    /// Producer that sent it.
    pub producer: String,
    /// Epoch, number and position that it was sent with, as far as it had them.
    pub sent_as: [Option<i64>; 3],
    /// What was sent.
    pub content: String,
}

/// What became of rejected rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Rows that are stored now.
    pub stored: u64,
    /// Rows that are still not acceptable, by reason, with the words for the first of each. They stay as they were.
    pub kept: BTreeMap<String, (u64, String)>,
}

impl Replayed {
    /// Counts a row that is still not acceptable.
    pub fn keep(&mut self, reason: &str, rows: u64, message: impl FnOnce() -> String) {
        let (count, first) = self.kept.entry(reason.to_owned()).or_default();
        if *count == 0 {
            *first = message();
        }
        *count += rows;
    }
}

/// Stores those of the rows that are acceptable now. The caller sees to it that one replay runs at a time, and that none of
/// these rows was replayed before.
///
/// # Errors
/// [`WriteError`]; the rows that were not counted by then are as they were.
pub fn replay_rows<'a>(
    state: &'a Arc<WriteState>,
    gateway: &'a Arc<Gateway>,
    table: &'a Arc<RegisteredTable>,
    rows: Vec<RejectedRow>,
) -> BoxFuture<'a, Result<Replayed, WriteError>> {
    Box::pin(replay(state, gateway, table, rows))
}

async fn replay(
    state: &Arc<WriteState>,
    gateway: &Arc<Gateway>,
    table: &Arc<RegisteredTable>,
    rows: Vec<RejectedRow>,
) -> Result<Replayed, WriteError> {
    let mut replayed = Replayed::default();
    let mut rest = rows.into_iter().peekable();
    while rest.peek().is_some() {
        let mut batch = ReplayBatch::default();
        let rows_max = state.limits.rows_max(&table.def);
        while batch.rows.len() < rows_max
            && batch.lines.len() < LINES_BYTES_MAX
            && let Some(row) = rest.next()
        {
            match push_line(&mut batch.lines, &row.content, &table.def) {
                Ok(()) => batch.rows.push(row),
                Err(what) => replayed.keep("bad_content", 1, || what),
            }
        }
        if batch.rows.is_empty() {
            continue;
        }
        state.sink.check_free_space()?;
        // Devices may be registered, which blocks.
        let (decoding, writer, target) = (Arc::clone(state), Arc::clone(gateway), Arc::clone(table));
        let decoded = tokio::task::spawn_blocking(move || {
            let mut kept = Replayed::default();
            let decoded = batch.decode(&decoding, &writer, &target, &mut kept);
            decoded.map(|decoded| (decoded, kept))
        });
        let (decoded, kept) = decoded.await.map_err(|error| WriteError::Internal(error.to_string()))??;
        let stored = decoded.rows;
        state.sink.write(gateway, table, decoded).await?;
        replayed.stored += stored;
        for (reason, (count, first)) in kept.kept {
            replayed.keep(&reason, count, || first);
        }
    }
    Ok(replayed)
}

/// Drops rows for good: they are in no list any more, and are never replayed.
///
/// # Errors
/// [`WriteError`]; the rows are as they were then.
pub async fn drop_rows(
    state: &Arc<WriteState>,
    gateway: &Arc<Gateway>,
    table: &Arc<RegisteredTable>,
    rows: &[RejectedRow],
) -> Result<u64, WriteError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let rows: Vec<&RejectedRow> = rows.iter().collect();
    let outcomes = outcomes(&rows, DROPPED, gateway, table, &state.rejected);
    let outcomes = outcomes.map_err(|error| Refusal::schema_mismatch(&error))?;
    state.sink.write(gateway, table, DecodedBatch { rejected: Some(outcomes), ..Default::default() }).await?;
    Ok(rows.len() as u64)
}

/// Rows on their way, with the lines that they have become.
#[derive(Debug, Default)]
struct ReplayBatch {
    rows: Vec<RejectedRow>,
    lines: String,
}

impl ReplayBatch {
    /// Decodes the lines. What is not acceptable is counted in `kept` and is in no part of the batch; what was made of the
    /// others stands in its part for the table `rejected`.
    fn decode(
        &self,
        state: &WriteState,
        gateway: &Gateway,
        table: &RegisteredTable,
        kept: &mut Replayed,
    ) -> Result<DecodedBatch, WriteError> {
        let context = BatchContext {
            registry: &state.registry,
            gateway,
            producer: REPLAY,
            epoch: Epoch(0),
            number: None,
            lane: Lane::Backfill,
            now_us: state.clock.wall_us(),
            table,
            rejected: &state.rejected,
            limits: &state.limits,
        };
        let mut decoder = LineDecoder::new(table, Precision::Microseconds);
        let mut decoded = match decoder.decode(self.lines.as_bytes(), &context) {
            Ok(decoded) => decoded,
            Err(refusal) => {
                // Nothing of it can be told apart, as where devices are over a limit.
                kept.keep("refused", self.rows.len() as u64, || refusal.message);
                return Ok(DecodedBatch::default());
            }
        };
        let mismatch = |error: ArrowError| WriteError::from(Refusal::schema_mismatch(&error));
        let rejected = decoded.rejected.take().map(|rejected| Rejected::split(rejected, kept));
        let Rejected { rows: still, readings } = rejected.transpose().map_err(mismatch)?.unwrap_or_default();
        let stored: Vec<&RejectedRow> =
            (0i64..).zip(&self.rows).filter(|(row, _)| !still.contains(row)).map(|(_, row)| row).collect();
        if !stored.is_empty() {
            let outcomes = outcomes(&stored, REPLAYED, gateway, table, &state.rejected).map_err(mismatch)?;
            let schema = outcomes.schema();
            let parts: Vec<&RecordBatch> = std::iter::once(&outcomes).chain(&readings).collect();
            decoded.rejected = Some(concat_batches(&schema, parts).map_err(mismatch)?);
        }
        // They are in the table `rejected` since before.
        decoded.rejected_rows = 0;
        assert_eq!(decoded.rows, stored.len() as u64, "a row is stored or still rejected");
        Ok(decoded)
    }
}

/// What decoding has rejected of a replay.
#[derive(Debug, Default)]
struct Rejected {
    /// Positions of the rows that are still not acceptable.
    rows: HashSet<i64>,
    /// Readings that are none, of rows that are stored.
    readings: Option<RecordBatch>,
}

impl Rejected {
    fn split(rejected: RecordBatch, kept: &mut Replayed) -> Result<Self, ArrowError> {
        let column = |name: &str| {
            let column = rejected.column_by_name(name);
            column.ok_or_else(|| ArrowError::SchemaError(format!("the table of rejections has no column {name}")))
        };
        let field = column("field")?;
        let (reason, message) = (column("reason")?.as_string::<i32>(), column("message")?.as_string::<i32>());
        let positions = column("row")?.as_primitive::<Int64Type>();
        let mut rows = HashSet::new();
        for row in (0..rejected.num_rows()).filter(|&row| field.is_null(row)) {
            rows.insert(positions.value(row));
            kept.keep(reason.value(row), 1, || message.value(row).to_owned());
        }
        let is_reading: BooleanArray = (0..rejected.num_rows()).map(|row| Some(field.is_valid(row))).collect();
        Ok(Self { rows, readings: Some(filter_record_batch(&rejected, &is_reading)?) })
    }
}

/// Rows of the table `rejected` that say what became of rows there.
fn outcomes(
    rows: &[&RejectedRow],
    outcome: &str,
    gateway: &Gateway,
    table: &RegisteredTable,
    rejected: &RegisteredTable,
) -> Result<RecordBatch, ArrowError> {
    let n = rows.len();
    let schema = &rejected.schemas.log;
    let same = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; n])) };
    let number = |at: usize| -> ArrayRef { Arc::new(rows.iter().map(|row| row.sent_as[at]).collect::<Int64Array>()) };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(vec![0; n]).with_data_type(timestamp())),
        Arc::new(UInt32Array::from(vec![gateway.zone_key.0; n])),
        Arc::new(UInt8Array::from(vec![Quality::Good as u8; n])),
        Arc::new(constant_boolean(true, n)),
    ];
    for field in &schema.fields()[LOG_FIXED..] {
        columns.push(match field.name().as_str() {
            "table_name" => same(&table.def.name),
            "reason" => same(outcome),
            "gateway" => same(&gateway.name),
            "producer" => Arc::new(rows.iter().map(|row| Some(row.producer.as_str())).collect::<StringArray>()),
            "epoch" => number(0),
            "batch" => number(1),
            "row" => number(2),
            "identity" => Arc::new(rows.iter().map(|row| Some(row.identity.as_str())).collect::<StringArray>()),
            _ => null_column(field.data_type(), n),
        });
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
}

/// Producer of what is rejected of a replayed row.
const REPLAY: &str = "replay";
/// Bytes of lines that are decoded together, about.
const LINES_BYTES_MAX: usize = 4 << 20;
