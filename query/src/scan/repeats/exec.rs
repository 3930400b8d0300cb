//! The node that leaves one row of each key.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::Schema;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, Partitioning, PlanProperties,
};
use futures::{StreamExt, stream};

use crate::scan::repeats::choice::{Choice, Chosen};

/// What a node chooses from, for EXPLAIN and for choosing among plans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChosenFrom {
    /// Files.
    pub files: usize,
    /// Live chunks.
    pub chunks: usize,
    /// Rows in them.
    pub rows: usize,
}

/// One row of each province, zone, device and time, out of rows sorted by zone, device and time. No filter and no limit goes below:
/// it would see rows that are not the table's.
#[derive(Debug)]
pub(crate) struct RepeatsExec {
    input: Arc<dyn ExecutionPlan>,
    choice: Choice,
    from: ChosenFrom,
    ordering: LexOrdering,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RepeatsExec {
    /// Chooses among the rows of one sorted partition.
    ///
    /// # Errors
    /// Where the rows have no zone, device or time.
    pub(crate) fn try_new(input: Arc<dyn ExecutionPlan>, choice: Choice, from: ChosenFrom) -> Result<Self> {
        let ordering = key_order(&input.schema())?;
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(input.schema(), [ordering.clone()]),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self { input, choice, from, ordering, properties: Arc::new(properties), metrics })
    }
}

/// The order of rows in files, by which repeats stand together.
///
/// # Errors
/// Where a column is missing.
pub(crate) fn key_order(schema: &Schema) -> Result<LexOrdering> {
    let mut columns = Vec::new();
    for name in ["zone", "device", "time"] {
        let column = Arc::new(Column::new_with_schema(name, schema)?);
        columns.push(PhysicalSortExpr::new(column, SortOptions { descending: false, nulls_first: true }));
    }
    match LexOrdering::new(columns) {
        Some(ordering) => Ok(ordering),
        None => internal_err!("an order has columns"),
    }
}

impl DisplayAs for RepeatsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChosenFrom { files, chunks, rows } = self.from;
        write!(f, "RepeatsExec: on_repeat={}, files={files}, chunks={chunks}, rows={rows}", self.choice.on_repeat)
    }
}

impl ExecutionPlan for RepeatsExec {
    fn name(&self) -> &str {
        "RepeatsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![Some(OrderingRequirements::from(self.ordering.clone()))]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::try_new(input, self.choice.clone(), self.from)?)),
            _ => internal_err!("a choice among repeats has one input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("there is no partition {partition} of a choice among repeats");
        }
        let choosing = Choosing {
            input: Some(self.input.execute(0, context)?),
            choice: self.choice.clone(),
            waiting: None,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let rows = stream::try_unfold(choosing, Choosing::next);
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        // Bounds and counts of the input are those of rows that may not be the table's.
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Inexact(self.from.rows);
        Ok(Arc::new(statistics))
    }
}

struct Choosing {
    /// Input; none once it has ended.
    input: Option<SendableRecordBatchStream>,
    choice: Choice,
    /// Rows of the last zone, device and time.
    waiting: Option<RecordBatch>,
    metrics: BaselineMetrics,
}

impl Choosing {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            let Some(input) = &mut self.input else { return Ok(None) };
            let batch = input.next().await.transpose()?;
            let timer = self.metrics.elapsed_compute().timer();
            let rows = match batch {
                Some(batch) if batch.num_rows() == 0 => None,
                Some(batch) => {
                    let Chosen { rows, waiting } = self.choice.add(self.waiting.take(), batch)?;
                    self.waiting = Some(waiting);
                    Some(rows)
                }
                None => {
                    self.input = None;
                    self.waiting.take().map(|waiting| self.choice.chosen(&waiting)).transpose()?
                }
            };
            timer.done();
            if let Some(rows) = rows.filter(|rows| rows.num_rows() > 0) {
                return Ok(Some((rows.record_output(&self.metrics), self)));
            }
        }
    }
}
