//! Statements that end within an operator. A join that compares every row of one side with every row of the other can work for
//! hours on one batch without a row of output, and gives way to nobody in that time. What it does call all the while is the
//! condition of the join; so that condition looks whether the statement is over.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, exec_datafusion_err, internal_datafusion_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, SortMergeJoinExec,
};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use tokio::time::Instant;

/// Says whether a statement is over.
#[derive(Debug)]
pub struct Stop {
    deadline: Instant,
    is_stopped: AtomicBool,
}

impl Stop {
    /// Of a statement that may take until then.
    pub fn new(deadline: Instant) -> Self {
        Self { deadline, is_stopped: AtomicBool::new(false) }
    }

    /// Nobody waits for the statement any more.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Whether its time is over.
    pub fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn is_over(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed) || self.is_late()
    }
}

/// The same plan, whose joins end when the statement is over.
pub fn stoppable(plan: Arc<dyn ExecutionPlan>, stop: &Arc<Stop>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let stopped: Arc<dyn ExecutionPlan> = if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            let Some(filter) = join.filter() else { return Ok(Transformed::no(node)) };
            let filter = with_stop(filter, stop);
            Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(Some(filter)).build()?)
        } else if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            let Some(filter) = join.filter() else { return Ok(Transformed::no(node)) };
            join.builder().with_filter(Some(with_stop(filter, stop))).build_exec()?
        } else if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
            let Some(filter) = join.filter() else { return Ok(Transformed::no(node)) };
            Arc::new(SortMergeJoinExec::try_new(
                Arc::clone(join.left()),
                Arc::clone(join.right()),
                join.on().to_vec(),
                Some(with_stop(filter, stop)),
                join.join_type(),
                join.sort_options().to_vec(),
                join.null_equality(),
            )?)
        } else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(stopped))
    })
    .data()
}

fn with_stop(filter: &JoinFilter, stop: &Arc<Stop>) -> JoinFilter {
    let condition = StoppableCondition { condition: Arc::clone(filter.expression()), stop: Arc::clone(stop) };
    JoinFilter::new(Arc::new(condition), filter.column_indices().to_vec(), Arc::clone(filter.schema()))
}

/// A condition that is an error once its statement is over.
#[derive(Debug)]
struct StoppableCondition {
    condition: Arc<dyn PhysicalExpr>,
    stop: Arc<Stop>,
}

impl PartialEq for StoppableCondition {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition) && Arc::ptr_eq(&self.stop, &other.stop)
    }
}

impl Eq for StoppableCondition {}

impl Hash for StoppableCondition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}

impl fmt::Display for StoppableCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

impl PhysicalExpr for StoppableCondition {
    fn data_type(&self, input_schema: &Schema) -> Result<DataType> {
        self.condition.data_type(input_schema)
    }

    fn nullable(&self, input_schema: &Schema) -> Result<bool> {
        self.condition.nullable(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.stop.is_over() {
            return Err(exec_datafusion_err!("the statement was ended"));
        }
        self.condition.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let [condition] = <[Arc<dyn PhysicalExpr>; 1]>::try_from(children)
            .map_err(|_| internal_datafusion_err!("a stoppable condition has one input"))?;
        Ok(Arc::new(Self { condition, stop: Arc::clone(&self.stop) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}
