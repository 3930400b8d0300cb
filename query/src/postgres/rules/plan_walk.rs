//! The walk of a rule over all expressions of a plan, those of subqueries included.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Union};

/// Rewrite of one expression, whose parts have been rewritten, over the columns that it may name.
pub(crate) type Rewrite<'a> = &'a dyn Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>;

/// Rewrites each expression of a plan, inner ones first. A column keeps its name, since nodes above refer to it.
pub(crate) fn rewrite_expressions(plan: LogicalPlan, rewrite: Rewrite<'_>) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| {
        let schema = schema_of(&plan)?;
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| rewrite(expr, &schema))?;
            let is_changed = rewritten.transformed;
            Ok(rewritten.update_data(|expr| if is_changed { name.restore(expr) } else { expr }))
        })?;
        // Types may have changed below even where no expression of this node has.
        plan.map_data(LogicalPlan::recompute_schema)?.map_data(recompute_union)
    })
    .map(|plan| plan.data)
}

/// A union whose columns are those of its inputs: DataFusion keeps what they were, and what may be null by now would be taken for what cannot.
fn recompute_union(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Union(union) => Ok(LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?)),
        other => Ok(other),
    }
}

/// Columns that the expressions of a node may name.
fn schema_of(plan: &LogicalPlan) -> Result<DFSchema> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = plan {
        let source = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
        schema.merge(&source);
    }
    Ok(schema)
}
