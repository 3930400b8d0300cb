//! Cancellation within an operator. A join that compares every row of one side with every row of the other can work for hours
//! on one batch, without a row of output and without yielding. All the while it evaluates the condition of the join; so
//! that condition checks whether the statement was cancelled.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

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

use crate::engine::cancellation::Cancellation;

/// The same plan, whose joins end when the statement is cancelled.
pub(crate) fn cancellable(
    plan: Arc<dyn ExecutionPlan>,
    cancellation: &Arc<Cancellation>,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let cancellable: Arc<dyn ExecutionPlan> = if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            let Some(filter) = join.filter() else { return Ok(Transformed::no(node)) };
            let filter = with_cancellation(filter, cancellation);
            Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(Some(filter)).build()?)
        } else if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            let Some(filter) = join.filter() else { return Ok(Transformed::no(node)) };
            join.builder().with_filter(Some(with_cancellation(filter, cancellation))).build_exec()?
        } else if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
            let Some(filter) = join.filter() else { return Ok(Transformed::no(node)) };
            Arc::new(SortMergeJoinExec::try_new(
                Arc::clone(join.left()),
                Arc::clone(join.right()),
                join.on().to_vec(),
                Some(with_cancellation(filter, cancellation)),
                join.join_type(),
                join.sort_options().to_vec(),
                join.null_equality(),
            )?)
        } else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(cancellable))
    })
    .data()
}

fn with_cancellation(filter: &JoinFilter, cancellation: &Arc<Cancellation>) -> JoinFilter {
    let condition =
        CancellableCondition { condition: Arc::clone(filter.expression()), cancellation: Arc::clone(cancellation) };
    JoinFilter::new(Arc::new(condition), filter.column_indices().to_vec(), Arc::clone(filter.schema()))
}

/// A condition that is an error once its statement is over.
#[derive(Debug)]
struct CancellableCondition {
    condition: Arc<dyn PhysicalExpr>,
    cancellation: Arc<Cancellation>,
}

impl PartialEq for CancellableCondition {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition) && Arc::ptr_eq(&self.cancellation, &other.cancellation)
    }
}

impl Eq for CancellableCondition {}

impl Hash for CancellableCondition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}

impl fmt::Display for CancellableCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

impl PhysicalExpr for CancellableCondition {
    fn data_type(&self, input_schema: &Schema) -> Result<DataType> {
        self.condition.data_type(input_schema)
    }

    fn nullable(&self, input_schema: &Schema) -> Result<bool> {
        self.condition.nullable(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.cancellation.is_over() {
            return Err(exec_datafusion_err!("the statement was ended"));
        }
        self.condition.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let [condition] = <[Arc<dyn PhysicalExpr>; 1]>::try_from(children)
            // The rejected children say no more than that they are not one.
            .map_err(|_children| internal_datafusion_err!("a cancellable condition has one input"))?;
        Ok(Arc::new(Self { condition, cancellation: Arc::clone(&self.cancellation) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}
