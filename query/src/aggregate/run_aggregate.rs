//! The first stage of an aggregation by runs: the group of a run of rows is looked up once. DataFusion hashes the keys of every
//! row and looks them up, which is most of the time of `GROUP BY device`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::GroupsAccumulatorAdapter;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::physical_plan::aggregates::{
    AggregateExec, AggregateMode, aggregate_expressions, evaluate_group_by, evaluate_many,
};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PhysicalExpr, PlanProperties,
};
use futures::{StreamExt, stream};

use crate::aggregate::runs::Runs;

/// Rule that replaces each first stage of an aggregation by a [`RunAggregateExec`] where that supports it.
#[derive(Debug)]
pub(crate) struct AggregateRuns;

impl PhysicalOptimizerRule for AggregateRuns {
    fn name(&self) -> &str {
        "aggregate_runs"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let replaced = |node: Arc<dyn ExecutionPlan>| {
            let runs = node.downcast_ref::<AggregateExec>().and_then(RunAggregateExec::in_place_of);
            Ok(match runs {
                Some(runs) => Transformed::yes(Arc::new(runs) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(node),
            })
        };
        plan.transform_up(replaced).data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// First stage of an aggregation: the states of the groups of one partition.
#[derive(Debug)]
pub(crate) struct RunAggregateExec {
    partial: AggregateExec,
    metrics: ExecutionPlanMetricsSet,
}

impl RunAggregateExec {
    fn in_place_of(partial: &AggregateExec) -> Option<Self> {
        let keys = partial.group_expr();
        let schema = partial.input_schema();
        // Ordered inputs and limits change what DataFusion's stage emits and when; those are left to it.
        let is_possible = *partial.mode() == AggregateMode::Partial
            && keys.is_single()
            && !keys.expr().is_empty()
            && partial.limit_options().is_none()
            && *partial.input_order_mode() == InputOrderMode::Linear
            && partial.required_input_ordering().iter().all(Option::is_none)
            && keys.expr().iter().all(|(key, _)| key.data_type(&schema).is_ok_and(|of| Runs::supports(&of)));
        is_possible.then(|| Self { partial: partial.clone(), metrics: ExecutionPlanMetricsSet::new() })
    }
}

impl DisplayAs for RunAggregateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.partial.group_expr().expr().iter().map(|(_, name)| name.as_str()).collect();
        let aggregates: Vec<&str> = self.partial.aggr_expr().iter().map(|aggregate| aggregate.name()).collect();
        write!(f, "RunAggregateExec: gby=[{}], aggr=[{}]", keys.join(", "), aggregates.join(", "))
    }
}

impl ExecutionPlan for RunAggregateExec {
    fn name(&self) -> &str {
        "RunAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.partial.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.partial.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.partial.apply_expressions(f)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        let partial = Arc::new(self.partial.clone()).replace_children(children, recompute)?;
        match partial.downcast_ref::<AggregateExec>() {
            Some(partial) => Ok(Arc::new(Self { partial: partial.clone(), metrics: ExecutionPlanMetricsSet::new() })),
            None => internal_err!("an aggregation stays one with another input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.partial.input().execute(partition, Arc::clone(&context))?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let groups = Groups::new(&self.partial, partition, &context)?;
        let reading = Reading { input: Some(input), groups, ready: VecDeque::new(), metrics };
        let states = stream::try_unfold(reading, Reading::next);
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), states)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct Reading {
    /// Input; none once it has ended.
    input: Option<SendableRecordBatchStream>,
    groups: Groups,
    ready: VecDeque<RecordBatch>,
    metrics: BaselineMetrics,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some((batch.record_output(&self.metrics), self)));
            }
            let Some(input) = &mut self.input else { return Ok(None) };
            let batch = input.next().await.transpose()?;
            let timer = self.metrics.elapsed_compute().timer();
            match batch {
                Some(batch) => self.groups.add(&batch, &mut self.ready)?,
                None => {
                    self.input = None;
                    self.groups.take_states(&mut self.ready)?;
                }
            }
            timer.done();
        }
    }
}

/// Groups so far.
struct Groups {
    partial: AggregateExec,
    arguments: Vec<Vec<Arc<dyn PhysicalExpr>>>,
    values: Box<dyn GroupValues>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    runs: Runs,
    of_runs: Vec<usize>,
    of_rows: Vec<usize>,
    rows: usize,
    /// True where groups are about as many as rows: states are made of rows, for the next stage to merge.
    passes_on: bool,
    memory: MemoryReservation,
    batch_rows: usize,
    schema: SchemaRef,
}

/// Keys, arguments and filters of a batch.
struct Evaluated {
    keys: Vec<ArrayRef>,
    arguments: Vec<Vec<ArrayRef>>,
    filters: Vec<Option<BooleanArray>>,
}

impl Groups {
    fn new(partial: &AggregateExec, partition: usize, context: &TaskContext) -> Result<Self> {
        let keys = partial.group_expr().num_group_exprs();
        let consumer = MemoryConsumer::new(format!("RunAggregateExec[{partition}]")).with_can_spill(true);
        Ok(Self {
            arguments: aggregate_expressions(partial.aggr_expr(), partial.mode(), keys)?,
            values: group_values(partial)?,
            accumulators: accumulators(partial)?,
            runs: Runs::default(),
            of_runs: Vec::new(),
            of_rows: Vec::new(),
            rows: 0,
            passes_on: false,
            memory: consumer.register(context.memory_pool()),
            batch_rows: context.session_config().batch_size(),
            schema: partial.schema(),
            partial: partial.clone(),
        })
    }

    /// Adds a batch. Rows that it puts into `ready` are not in the groups any more.
    fn add(&mut self, batch: &RecordBatch, ready: &mut VecDeque<RecordBatch>) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let evaluated = self.evaluate(batch)?;
        if self.passes_on {
            ready.push_back(self.states_of_rows(evaluated)?);
            return Ok(());
        }
        self.find_groups(&evaluated.keys)?;
        let total = self.values.len();
        let inputs = self.accumulators.iter_mut().zip(&evaluated.arguments).zip(&evaluated.filters);
        for ((accumulator, arguments), filter) in inputs {
            accumulator.update_batch(arguments, &self.of_rows, filter.as_ref(), total)?;
        }
        self.rows += batch.num_rows();
        // Where memory does not suffice, the next stage, which can use the disk, gets what there is so far.
        if self.memory.try_resize(self.bytes()).is_err() {
            self.take_states(ready)?;
        }
        self.decide_to_pass_on(ready)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<Evaluated> {
        let keys = evaluate_group_by(self.partial.group_expr(), batch)?;
        let filters = self.partial.filter_expr().iter().map(|filter| {
            let Some(filter) = filter else { return Ok(None) };
            let passing = filter.evaluate(batch)?.into_array(batch.num_rows())?;
            Ok(Some(as_boolean_array(&passing)?.clone()))
        });
        Ok(Evaluated {
            keys: keys.into_iter().next().unwrap_or_default(),
            arguments: evaluate_many(&self.arguments, batch)?,
            filters: filters.collect::<Result<_>>()?,
        })
    }

    /// Sets the group of each row.
    fn find_groups(&mut self, keys: &[ArrayRef]) -> Result<()> {
        self.runs.find(keys);
        if self.runs.count() > keys[0].len() / ROWS_OF_RUN_MIN {
            return self.values.intern(keys, &mut self.of_rows);
        }
        self.values.intern(&self.runs.first_rows(keys)?, &mut self.of_runs)?;
        self.runs.spread(&self.of_runs, &mut self.of_rows);
        Ok(())
    }

    fn decide_to_pass_on(&mut self, ready: &mut VecDeque<RecordBatch>) -> Result<()> {
        let are_many = self.values.len() > self.rows / 5 * PASS_ON_FIFTHS;
        if self.rows < PASS_ON_ROWS_MIN || !are_many {
            return Ok(());
        }
        self.passes_on = true;
        self.take_states(ready)
    }

    /// Moves the states of all groups to `ready` and starts again without groups.
    fn take_states(&mut self, ready: &mut VecDeque<RecordBatch>) -> Result<()> {
        if self.values.is_empty() {
            return Ok(());
        }
        let mut columns = self.values.emit(EmitTo::All)?;
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        let states = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let rows = states.num_rows();
        let slices = (0..rows).step_by(self.batch_rows.max(1));
        ready.extend(slices.map(|start| states.slice(start, self.batch_rows.min(rows - start))));
        self.values = group_values(&self.partial)?;
        self.accumulators = accumulators(&self.partial)?;
        self.rows = 0;
        self.memory.free();
        Ok(())
    }

    fn states_of_rows(&self, evaluated: Evaluated) -> Result<RecordBatch> {
        let mut columns = evaluated.keys;
        let inputs = self.accumulators.iter().zip(&evaluated.arguments).zip(&evaluated.filters);
        for ((accumulator, arguments), filter) in inputs {
            columns.extend(accumulator.convert_to_state(arguments, filter.as_ref())?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    fn bytes(&self) -> usize {
        let accumulators: usize = self.accumulators.iter().map(|accumulator| accumulator.size()).sum();
        let of_rows = (self.of_rows.capacity() + self.of_runs.capacity()) * size_of::<usize>();
        self.values.size() + accumulators + of_rows
    }
}

fn group_values(partial: &AggregateExec) -> Result<Box<dyn GroupValues>> {
    let schema = partial.group_expr().group_schema(&partial.input_schema())?;
    new_group_values(schema, &GroupOrdering::None)
}

fn accumulators(partial: &AggregateExec) -> Result<Vec<Box<dyn GroupsAccumulator>>> {
    partial.aggr_expr().iter().map(accumulator).collect()
}

fn accumulator(aggregate: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>> {
    if aggregate.groups_accumulator_supported() {
        return aggregate.create_groups_accumulator();
    }
    let aggregate = Arc::clone(aggregate);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || aggregate.create_accumulator())))
}

/// Mean of rows below which runs are not worthwhile.
const ROWS_OF_RUN_MIN: usize = 4;
/// Rows after which this stage decides whether groups before the next stage are worthwhile. Where groups are more than so many
/// fifths of the rows, they are not. (DataFusion's own figures.)
const PASS_ON_ROWS_MIN: usize = 100_000;
const PASS_ON_FIFTHS: usize = 4;
