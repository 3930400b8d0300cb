//! Filters that DataFusion pushes down by the names of columns. Where two columns of a relation have one name, as those of a join of a table
//! with itself, it takes one for the other: a condition of WHERE on the one side of an outer join became one on the other side. So nothing is
//! pushed through such a relation; conditions of a statement have been pushed by then, by relations and names.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties};

/// A rule of DataFusion.
type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The rules with the ones that push filters down kept from relations of columns of one name.
pub(crate) fn keep_from_names_twice(rules: &[Rule]) -> Vec<Rule> {
    let guarded = |rule: &Rule| -> Rule {
        match rule.name().starts_with("FilterPushdown") {
            true => Arc::new(Guarded(Arc::clone(rule))),
            false => Arc::clone(rule),
        }
    };
    rules.iter().map(guarded).collect()
}

/// A rule that sees a barrier on top of each relation of columns of one name.
#[derive(Debug)]
struct Guarded(Rule);

impl PhysicalOptimizerRule for Guarded {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let guarded = plan.transform_up(|node| {
            Ok(if has_name_twice(&node) { Transformed::yes(barrier(node)) } else { Transformed::no(node) })
        });
        let optimized = self.0.optimize(guarded.data()?, config)?;
        let bare = optimized.transform_up(|node| {
            let input = node.downcast_ref::<Barrier>().map(|barrier| Arc::clone(&barrier.input));
            Ok(input.map_or_else(|| Transformed::no(node), Transformed::yes))
        });
        bare.data()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

fn has_name_twice(node: &Arc<dyn ExecutionPlan>) -> bool {
    let schema = node.schema();
    let mut names = BTreeSet::new();
    schema.fields().iter().any(|field| !names.insert(field.name()))
}

fn barrier(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let properties = Arc::clone(input.properties());
    Arc::new(Barrier { input, properties })
}

/// Node that no filter passes, which is what a node is that says nothing of filters.
#[derive(Debug)]
struct Barrier {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for Barrier {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Barrier")
    }
}

impl ExecutionPlan for Barrier {
    fn name(&self) -> &'static str {
        "Barrier"
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
            (Some(input), true) => Ok(barrier(input)),
            _ => internal_err!("a barrier has one input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}
