//! The operator that runs: rows come sorted by group and bucket, and those between them are put in.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{concat_batches, partition, take};
use arrow::datatypes::{Field, Float64Type, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexRequirement, OrderingRequirements, PhysicalSortRequirement,
};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements, PhysicalExpr,
    PlanProperties,
};
use futures::{StreamExt, stream};

use crate::gapfill::limits::ROWS_MAX;
use crate::gapfill::node::Fill;
use crate::time::bucket::Buckets;
use crate::time::columns::{from_us, to_us};

/// The buckets that each group gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    /// Division of time.
    pub(crate) buckets: Buckets,
    /// An instant in the first bucket.
    pub(crate) start_us: i64,
    /// The first instant at which no bucket may begin.
    pub(crate) finish_us: i64,
}

/// Fills the gaps of groups.
#[derive(Debug)]
pub(crate) struct GapFillExec {
    input: Arc<dyn ExecutionPlan>,
    fills: Vec<Fill>,
    range: Range,
    /// Rows filled in so far by all partitions.
    filled: Arc<AtomicU64>,
    properties: Arc<PlanProperties>,
}

impl GapFillExec {
    /// Over rows whose columns are filled by `fills`.
    pub(crate) fn try_new(input: Arc<dyn ExecutionPlan>, fills: Vec<Fill>, range: Range) -> Result<Self> {
        let of_input = input.schema();
        let fields = of_input.fields().iter().zip(&fills).map(|(field, fill)| {
            let nullable = field.is_nullable() || !matches!(fill, Fill::Key | Fill::Bucket);
            Field::new(field.name(), field.data_type().clone(), nullable).with_metadata(field.metadata().clone())
        });
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), of_input.metadata().clone());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(schema)),
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { input, fills, range, filled: Arc::default(), properties: Arc::new(properties) })
    }

    fn columns(&self, wanted: Fill) -> Vec<Arc<dyn PhysicalExpr>> {
        let schema = self.input.schema();
        let of = self.fills.iter().enumerate().filter(|(_, fill)| **fill == wanted);
        of.map(|(at, _)| Arc::new(Column::new(schema.field(at).name(), at)) as Arc<dyn PhysicalExpr>).collect()
    }
}

impl DisplayAs for GapFillExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GapFillExec: fills={:?}, range_us={}..{}", self.fills, self.range.start_us, self.range.finish_us)
    }
}

impl ExecutionPlan for GapFillExec {
    fn name(&self) -> &str {
        "GapFillExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        // All rows of a group must come in one partition, or each partition would fill the same gaps.
        let keys = self.columns(Fill::Key);
        let distribution =
            if keys.is_empty() { Distribution::SinglePartition } else { Distribution::KeyPartitioned(keys) };
        InputDistributionRequirements::new(vec![distribution])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        // Nulls come first, so that rows without a bucket do not stand between those with one.
        let ascending = |expr| PhysicalSortRequirement::new(expr, Some(arrow::compute::SortOptions::new(false, true)));
        let columns = self.columns(Fill::Key).into_iter().chain(self.columns(Fill::Bucket));
        vec![LexRequirement::new(columns.map(ascending)).map(OrderingRequirements::new)]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::try_new(input, self.fills.clone(), self.range)?)),
            _ => internal_err!("the filling of gaps has one input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let filler = Filler {
            fills: self.fills.clone(),
            range: self.range,
            schema: Arc::clone(&schema),
            rows_max: context.session_config().batch_size().max(1),
            filled: Arc::clone(&self.filled),
            before: None,
            expected: None,
            ready: VecDeque::new(),
            ended: false,
        };
        let input = self.input.execute(partition, context)?;
        let batches = stream::try_unfold((input, filler), async |(mut input, mut filler)| {
            loop {
                if let Some(batch) = filler.step()? {
                    return Ok(Some((batch, (input, filler))));
                }
                match input.next().await {
                    Some(batch) => filler.add_batch(&batch?)?,
                    None if filler.ended => return Ok(None),
                    None => filler.end()?,
                }
            }
        });
        let batches = RecordBatchStreamAdapter::new(schema, Box::pin(batches));
        // A wide range is filled for long without input, so the operator yields to other tasks.
        Ok(Box::pin(cooperative(batches)))
    }
}

/// A row of the answer, as rows of the batch that it is made from.
#[derive(Debug, Clone, Copy)]
enum Row {
    Real(u32),
    /// Between two rows of a group; the one before is missing at its beginning, the one after at its end.
    Gap {
        time_us: i64,
        before: Option<u32>,
        after: Option<u32>,
    },
}

/// Buckets to be filled in, or a row.
#[derive(Debug, Clone, Copy)]
enum Step {
    Real(u32),
    Gaps {
        until_us: i64,
        before: Option<u32>,
        after: Option<u32>,
    },
    /// A group begins: its first bucket is the first of the range.
    Begin,
}

/// Makes the rows of one partition.
#[derive(Debug)]
struct Filler {
    fills: Vec<Fill>,
    range: Range,
    schema: SchemaRef,
    rows_max: usize,
    filled: Arc<AtomicU64>,
    /// The last row that was taken in.
    before: Option<RecordBatch>,
    /// The next bucket that the group should have.
    expected: Option<i64>,
    /// Batches with the steps that are still to be done with their rows.
    ready: VecDeque<(RecordBatch, VecDeque<Step>)>,
    ended: bool,
}

impl Filler {
    fn bucket_times(&self, batch: &RecordBatch) -> Result<Int64Array> {
        match self.fills.iter().position(|fill| *fill == Fill::Bucket) {
            Some(position) => to_us(batch.column(position)),
            None => internal_err!("there is no column of buckets"),
        }
    }

    /// Takes the next rows in. The last row before them stands in front, since gaps are filled from it.
    fn add_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let first = self.before.is_none();
        let batch = match self.before.take() {
            Some(before) => concat_batches(batch.schema_ref(), [&before, batch])?,
            None => batch.clone(),
        };
        let times = self.bucket_times(&batch)?;
        let keys: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .zip(&self.fills)
            .filter(|(_, fill)| **fill == Fill::Key)
            .map(|(key, _)| Arc::clone(key))
            .collect();
        let groups =
            if keys.is_empty() { std::iter::once(0..batch.num_rows()).collect() } else { partition(&keys)?.ranges() };
        let mut steps = VecDeque::new();
        if first {
            steps.push_back(Step::Begin);
        }
        for (number, group) in groups.into_iter().enumerate() {
            if number > 0 {
                steps.push_back(Step::Gaps { until_us: i64::MAX, before: Some(index(group.start) - 1), after: None });
                steps.push_back(Step::Begin);
            }
            for row in group.clone() {
                // The row in front is out already.
                if row == 0 && !first {
                    continue;
                }
                let before = (row > group.start).then(|| index(row) - 1);
                if times.is_valid(row) {
                    steps.push_back(Step::Gaps { until_us: times.value(row), before, after: Some(index(row)) });
                }
                steps.push_back(Step::Real(index(row)));
            }
        }
        self.before = Some(batch.slice(batch.num_rows() - 1, 1));
        self.ready.push_back((batch, steps));
        Ok(())
    }

    /// After the last row: the rest of the last group. Without groups there is one, even where no row was.
    fn end(&mut self) -> Result<()> {
        self.ended = true;
        let ungrouped = !self.fills.contains(&Fill::Key);
        let gaps = |before| Step::Gaps { until_us: i64::MAX, before, after: None };
        match self.before.take() {
            Some(before) => self.ready.push_back((before, VecDeque::from([gaps(Some(0))]))),
            None if ungrouped => {
                let none = RecordBatch::new_empty(Arc::clone(&self.schema));
                self.ready.push_back((none, VecDeque::from([Step::Begin, gaps(None)])));
            }
            None => {}
        }
        Ok(())
    }

    /// The next rows of the answer; none where more input is needed.
    fn step(&mut self) -> Result<Option<RecordBatch>> {
        let Some((batch, mut steps)) = self.ready.pop_front() else { return Ok(None) };
        let times = self.bucket_times(&batch)?;
        let mut rows = Vec::new();
        while rows.len() < self.rows_max {
            match steps.pop_front() {
                None => break,
                Some(Step::Begin) => self.expected = self.range.buckets.start(self.range.start_us),
                Some(Step::Real(row)) => {
                    rows.push(Row::Real(row));
                    let at = row as usize;
                    // Rows before the range pass, and do not move the next bucket that is expected.
                    if times.is_valid(at) && self.expected.is_some_and(|expected| expected <= times.value(at)) {
                        self.expected = self.range.buckets.next(times.value(at));
                    }
                }
                Some(gaps @ Step::Gaps { until_us, before, after }) => {
                    if let Some(time_us) = self.expected.filter(|&us| us < until_us.min(self.range.finish_us)) {
                        rows.push(Row::Gap { time_us, before, after });
                        self.expected = self.range.buckets.next(time_us);
                        steps.push_front(gaps);
                    }
                }
            }
        }
        let made = self.rows(&batch, &times, &rows)?;
        if !steps.is_empty() {
            self.ready.push_front((batch, steps));
        }
        Ok(Some(made))
    }

    fn rows(&self, batch: &RecordBatch, times: &Int64Array, rows: &[Row]) -> Result<RecordBatch> {
        let gaps = rows.iter().filter(|row| matches!(row, Row::Gap { .. })).count() as u64;
        // All partitions share the counter. Its exact order does not matter, since any sum above the limit refuses.
        if self.filled.fetch_add(gaps, Ordering::Relaxed) + gaps > ROWS_MAX {
            return exec_err!(
                "more than {ROWS_MAX} rows are to be filled in: choose a wider bucket or a shorter range"
            );
        }
        let index_of = |of_gap: fn(Option<u32>, Option<u32>) -> Option<u32>| -> UInt32Array {
            let of = |row: &Row| match *row {
                Row::Real(row) => Some(row),
                Row::Gap { before, after, .. } => of_gap(before, after),
            };
            rows.iter().map(of).collect()
        };
        let (real, key, last) =
            (index_of(|_, _| None), index_of(|before, after| after.or(before)), index_of(|before, _| before));
        let columns =
            batch.columns().iter().zip(&self.fills).zip(self.schema.fields()).map(|((column, fill), field)| {
                let taken = |rows: &UInt32Array| match column.is_empty() {
                    true => Ok(new_null_array(field.data_type(), rows.len())),
                    false => Ok(take(column, rows, None)?),
                };
                match fill {
                    Fill::Null => taken(&real),
                    Fill::Key => taken(&key),
                    Fill::Last => taken(&last),
                    Fill::Bucket => {
                        let time = |row: &Row| match *row {
                            Row::Real(row) => times.is_valid(row as usize).then(|| times.value(row as usize)),
                            Row::Gap { time_us, .. } => Some(time_us),
                        };
                        from_us(rows.iter().map(time).collect(), field.data_type())
                    }
                    Fill::Line => {
                        let values = column.as_primitive::<Float64Type>();
                        let values_on_line: Float64Array =
                            rows.iter().map(|row| on_line(values, times, *row)).collect();
                        Ok(Arc::new(values_on_line) as ArrayRef)
                    }
                }
            });
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<Vec<_>>>()?)?)
    }
}

/// The index of a row for `take`. Batches have far fewer rows than 2^32.
fn index(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

fn on_line(values: &Float64Array, times: &Int64Array, row: Row) -> Option<f64> {
    let point = |row: u32| {
        let row = row as usize;
        (values.is_valid(row) && times.is_valid(row)).then(|| (times.value(row), values.value(row)))
    };
    match row {
        Row::Real(row) => values.is_valid(row as usize).then(|| values.value(row as usize)),
        Row::Gap { time_us, before, after } => {
            let ((t0, v0), (t1, v1)) = (point(before?)?, point(after?)?);
            Some(v0 + (v1 - v0) * ((time_us - t0) as f64 / (t1 - t0) as f64))
        }
    }
}
