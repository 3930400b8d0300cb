//! The scan of live rows.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::stream;
use zonelake_schemas::columns::null_column;
use zonelake_storage::Chunk;

use crate::scan::live_columns::LiveRows;

/// Rows for which a partition of the scan is worthwhile.
const PARTITION_ROWS: usize = 65_536;

/// Scan of chunks, each partition with its own, in the order in which they became durable.
#[derive(Debug)]
pub(crate) struct LiveExec {
    partitions: Vec<Vec<Arc<Chunk>>>,
    rows: Arc<LiveRows>,
    with_identity: Option<SchemaRef>,
    statistics: Arc<Statistics>,
    limit: Option<usize>,
    pruned_chunks: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// Parts of which a scan of live rows is made.
#[derive(Debug)]
pub(crate) struct LiveScan {
    /// Chunks that may have rows.
    pub chunks: Vec<Arc<Chunk>>,
    /// Chunks that were left out, for EXPLAIN.
    pub pruned_chunks: usize,
    /// Columns of the scan.
    pub rows: LiveRows,
    /// Schema of live rows with their identity behind the fields, where the scan wants it.
    pub with_identity: Option<SchemaRef>,
    /// Statistics of these chunks, by column of the scan.
    pub statistics: Statistics,
    /// Rows that are wanted at most, per partition.
    pub limit: Option<usize>,
    /// Maximum of partitions that the session wants.
    pub target_partitions: usize,
}

impl LiveExec {
    /// Scan with the chunks divided among partitions.
    pub(crate) fn new(scan: LiveScan) -> Self {
        let total: usize = scan.chunks.iter().map(|chunk| chunk.rows.num_rows()).sum();
        let count = total.div_ceil(PARTITION_ROWS).clamp(1, scan.target_partitions.max(1));
        let mut partitions = vec![Vec::new(); count];
        let share = total.div_ceil(count).max(1);
        let mut before = 0;
        for chunk in scan.chunks {
            let rows = chunk.rows.num_rows();
            partitions[(before / share).min(count - 1)].push(chunk);
            before += rows;
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(scan.rows.schema())),
            Partitioning::UnknownPartitioning(count),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            partitions,
            rows: Arc::new(scan.rows),
            with_identity: scan.with_identity,
            statistics: Arc::new(scan.statistics),
            limit: scan.limit,
            pruned_chunks: scan.pruned_chunks,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for LiveExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chunks: usize = self.partitions.iter().map(Vec::len).sum();
        let rows: usize = self.partitions.iter().flatten().map(|chunk| chunk.rows.num_rows()).sum();
        write!(f, "LiveExec: chunks={chunks}, rows={rows}, pruned_chunks={}", self.pruned_chunks)?;
        if !self.rows.keeps_all_rows() {
            write!(f, ", filtered by device")?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for LiveExec {
    fn name(&self) -> &str {
        "LiveExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan of live rows has no input") }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(chunks) = self.partitions.get(partition) else {
            return internal_err!("there is no partition {partition} of live rows");
        };
        let reader = Reader {
            slices: slices(chunks, context.session_config().batch_size()).into_iter(),
            rows: Arc::clone(&self.rows),
            with_identity: self.with_identity.clone(),
            remaining: self.limit.unwrap_or(usize::MAX),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let batches = stream::iter(reader);
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(self.rows.schema()), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(match args.partition() {
            Some(_) => Arc::new(Statistics::new_unknown(self.rows.schema())),
            None => Arc::clone(&self.statistics),
        })
    }
}

/// Pieces of chunks of at most `batch_rows` rows, in order. A slice shares the rows' memory.
fn slices(chunks: &[Arc<Chunk>], batch_rows: usize) -> Vec<Slice> {
    let step = batch_rows.max(1);
    let pieces = chunks.iter().flat_map(|chunk| {
        let rows = chunk.rows.num_rows();
        (0..rows).step_by(step).map(move |start| (Arc::clone(chunk), start..rows.min(start + step)))
    });
    pieces.collect()
}

/// Rows of a chunk.
type Slice = (Arc<Chunk>, Range<usize>);

/// Rows with their identity behind all fields; those that a chunk of an earlier version lacks are null.
fn identified((chunk, range): &Slice, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = chunk.rows.slice(range.start, range.len());
    let identities = chunk.identities(range.clone());
    let fields = &schema.fields()[..schema.fields().len() - identities.len()];
    let stored = fields.iter().enumerate().map(|(position, field)| match rows.columns().get(position) {
        Some(column) => Arc::clone(column),
        None => null_column(field.data_type(), range.len()),
    });
    let columns = stored.chain(identities).collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

struct Reader {
    slices: std::vec::IntoIter<Slice>,
    rows: Arc<LiveRows>,
    with_identity: Option<SchemaRef>,
    remaining: usize,
    metrics: BaselineMetrics,
}

impl Reader {
    fn project(&self, slice: &Slice) -> Result<Option<RecordBatch>> {
        let rows = match &self.with_identity {
            Some(schema) => identified(slice, schema)?,
            None => slice.0.rows.slice(slice.1.start, slice.1.len()),
        };
        self.rows.project(&rows)
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.remaining > 0 {
            let slice = self.slices.next()?;
            let timer = self.metrics.elapsed_compute().timer();
            let projected = self.project(&slice);
            timer.done();
            match projected {
                Ok(None) => {}
                Ok(Some(batch)) => {
                    let batch = batch.slice(0, batch.num_rows().min(self.remaining));
                    self.remaining -= batch.num_rows();
                    return Some(Ok(batch.record_output(&self.metrics)));
                }
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}
