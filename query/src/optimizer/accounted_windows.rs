//! Windows whose rows count as memory of their statement: before and behind each of them stands a node that counts what
//! passes. A window over 200 million rows else takes gigabytes of which no limit knows.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr, PlanProperties,
};
use futures::{Stream, StreamExt};

use crate::optimizer::window_memory::{Kept, WindowAccount};

/// The same plan, whose windows count their rows.
pub(crate) fn accounted(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let Some((kept, results)) = Kept::by(&node) else { return Ok(Transformed::no(node)) };
        let partitions = node.output_partitioning().partition_count();
        let accounts: Arc<[WindowAccount]> =
            (0..partitions).map(|_| WindowAccount::new(kept.clone(), results)).collect();
        let inputs = node.children().into_iter();
        let inputs = inputs.map(|input| metered(Arc::clone(input), Side::Before, &accounts)).collect();
        let window = node.replace_children(inputs, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))?;
        Ok(Transformed::yes(metered(window, Side::Behind, &accounts)))
    })
    .data()
}

fn metered(input: Arc<dyn ExecutionPlan>, side: Side, accounts: &Arc<[WindowAccount]>) -> Arc<dyn ExecutionPlan> {
    let properties = Arc::clone(input.properties());
    Arc::new(MeteredExec { input, side, accounts: Arc::clone(accounts), properties })
}

/// Side of the window on which a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Behind,
}

/// Node that counts the rows of a window's account, which it passes on as they are.
#[derive(Debug)]
struct MeteredExec {
    input: Arc<dyn ExecutionPlan>,
    side: Side,
    /// Account of each partition, shared by the nodes of both sides.
    accounts: Arc<[WindowAccount]>,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for MeteredExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeteredExec")
    }
}

impl ExecutionPlan for MeteredExec {
    fn name(&self) -> &str {
        "MeteredExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
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
            (Some(input), true) => Ok(metered(input, self.side, &self.accounts)),
            _ => internal_err!("a node that counts has one input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition >= self.accounts.len() {
            return internal_err!("there is no account of partition {partition}");
        }
        if self.side == Side::Behind {
            self.accounts[partition].open(&context);
        }
        let input = self.input.execute(partition, context)?;
        let accounts = Arc::clone(&self.accounts);
        Ok(Box::pin(MeteredStream { input, side: self.side, accounts, partition }))
    }
}

struct MeteredStream {
    input: SendableRecordBatchStream,
    side: Side,
    accounts: Arc<[WindowAccount]>,
    partition: usize,
}

impl MeteredStream {
    fn account(&self) -> &WindowAccount {
        &self.accounts[self.partition]
    }

    fn note(&self, batch: &RecordBatch) -> Result<()> {
        match self.side {
            Side::Before => self.account().take_in(batch),
            Side::Behind => self.account().give_out(batch),
        }
    }
}

impl Stream for MeteredStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.input.poll_next_unpin(cx));
        Poll::Ready(next.map(|batch| {
            let batch = batch?;
            self.note(&batch)?;
            Ok(batch)
        }))
    }
}

impl RecordBatchStream for MeteredStream {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

impl Drop for MeteredStream {
    fn drop(&mut self) {
        // The window drops its input before it computes what its rows have come to: they are freed behind it alone.
        if self.side == Side::Behind {
            self.account().close();
        }
    }
}
