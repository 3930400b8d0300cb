//! The rows of a table that a role may read, as a scan without inputs. Rules, `EXPLAIN` and metrics see no more of what is
//! below than these rows: no filter goes down, no statistics come up, and hidden rows are counted nowhere.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatchOptions;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, reset_plan_states};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::StreamExt;
use zonelake_registry::PersonalKey;
use zonelake_schemas::Personal;

use crate::rights::personal_hash::hashes;

/// Columns of the scan, in the order of those of its input.
#[derive(Debug, Clone)]
pub(crate) struct GrantedColumns {
    /// Columns as the role sees them.
    pub schema: SchemaRef,
    /// Columns that the role sees hashed.
    pub hashed: Arc<[(usize, Personal)]>,
    /// Key of the hashes.
    pub key: PersonalKey,
}

impl GrantedColumns {
    fn shown(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = rows.columns().to_vec();
        for (position, kind) in self.hashed.iter() {
            columns[*position] = hashes(&self.key, *kind, &columns[*position])?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// Scan of the rows that a role may read.
pub(crate) struct GrantedRows {
    table: Arc<str>,
    /// Granted rows, whose columns are not yet hashed. It is no child: nothing above may look into it.
    input: Arc<dyn ExecutionPlan>,
    columns: GrantedColumns,
    /// Rows of a small table, about; the same whatever it holds.
    estimate: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// Granted rows of all partitions: which of them stand together follows from where hidden ones are.
    counted: Count,
}

impl GrantedRows {
    /// Scan of `input`, which has granted rows alone.
    pub(crate) fn new(
        table: &Arc<str>,
        input: Arc<dyn ExecutionPlan>,
        columns: GrantedColumns,
        estimate: Option<usize>,
    ) -> Self {
        // Orders of rows, without the constants and equalities that the filters below have found.
        let is_hashed = |sort: &PhysicalSortExpr| {
            let column = sort.expr.downcast_ref::<Column>();
            column.is_none_or(|column| columns.hashed.iter().any(|(position, _)| *position == column.index()))
        };
        let orders = input.equivalence_properties().oeq_class().iter();
        let orders = orders.filter(|order| !order.iter().any(is_hashed)).cloned().collect::<Vec<_>>();
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(Arc::clone(&columns.schema), orders),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let properties = Arc::new(properties);
        let metrics = ExecutionPlanMetricsSet::new();
        let counted = MetricBuilder::new(&metrics).output_rows(0);
        Self { table: Arc::clone(table), input, columns, estimate, properties, metrics, counted }
    }

    /// Rows below, for the one rule that reads files in their order.
    pub(crate) fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    /// The same scan over the same rows in another order.
    pub(crate) fn over(&self, input: Arc<dyn ExecutionPlan>) -> Self {
        Self::new(&self.table, input, self.columns.clone(), self.estimate)
    }
}

impl fmt::Debug for GrantedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A debug form is shown in errors of the planner, and the input has files and counts of rows in it.
        f.debug_struct("GrantedRows").field("table", &self.table).finish_non_exhaustive()
    }
}

impl DisplayAs for GrantedRows {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.columns.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "GrantedRows: table={}, columns=[{}]", self.table, names.join(", "))
    }
}

impl ExecutionPlan for GrantedRows {
    fn name(&self) -> &str {
        "GrantedRows"
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
        if children.is_empty() { Ok(self) } else { internal_err!("a scan of granted rows has no input") }
    }

    /// A recursive query executes its plan again, which what is below must be ready for.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.over(reset_plan_states(Arc::clone(&self.input))?)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let columns = self.columns.clone();
        let counted = self.counted.clone();
        let rows = self.input.execute(partition, context)?.map(move |rows| {
            let rows = columns.shown(&rows?)?;
            counted.add(rows.num_rows());
            Ok(rows)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.columns.schema), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.columns.schema);
        if let Some(rows) = self.estimate {
            statistics.num_rows = Precision::Inexact(rows);
        }
        Ok(Arc::new(statistics))
    }
}
