//! The rows of files of which no column is wanted, as `count(*)` and `SELECT 1 FROM …` ask for: their number is in the table's list, so
//! that no file is opened, and the plan does not grow with the number of files.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::stats::Precision;
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
use zonelake_parquet::DataFile;

use crate::scan::pruning_statistics::usize_of;

/// Rows without columns.
#[derive(Debug)]
pub(crate) struct FileRowsExec {
    files: usize,
    rows: usize,
    statistics: Arc<Statistics>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl FileRowsExec {
    /// The rows of these files, at most `limit` of them.
    pub(crate) fn new(files: &[Arc<DataFile>], limit: Option<usize>) -> Self {
        let all = usize_of(files.iter().map(|file| file.rows).sum());
        let rows = all.min(limit.unwrap_or(usize::MAX));
        let schema: SchemaRef = Arc::new(Schema::empty());
        let statistics = Statistics { num_rows: Precision::Exact(rows), ..Statistics::new_unknown(&schema) };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            files: files.len(),
            rows,
            statistics: Arc::new(statistics),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for FileRowsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileRowsExec: files={}, rows={}", self.files, self.rows)
    }
}

impl ExecutionPlan for FileRowsExec {
    fn name(&self) -> &str {
        "FileRowsExec"
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
        if children.is_empty() { Ok(self) } else { internal_err!("rows without columns have no input") }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("there is no partition {partition} of rows without columns");
        }
        let schema = self.schema();
        let batch_rows = context.session_config().batch_size().max(1);
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let (of_batches, mut left) = (Arc::clone(&schema), self.rows);
        let batches = std::iter::from_fn(move || {
            let rows = left.min(batch_rows);
            left -= rows;
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&of_batches), Vec::new(), &options);
            (rows > 0).then(|| Ok(batch?.record_output(&metrics)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(batches))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(Arc::clone(&self.statistics))
    }
}
