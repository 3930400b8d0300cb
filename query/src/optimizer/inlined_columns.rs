//! Size of filters once they are pushed down. A filter over `v` that is pushed below `SELECT v + v AS v` becomes one over
//! `v + v`, so that forty such queries in a row, in two kilobytes of SQL, would make it 2^40 times as large within one rule. So the
//! size is computed before any rule runs.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::dialect::too_complex;
use crate::error::QueryError;

/// Expressions that a filter may have when all columns in it are written as what they are made of.
const FILTER_EXPRESSIONS_MAX: u64 = 200_000;

/// Checks the filters and the conditions of joins in a plan that no rule has rewritten.
///
/// # Errors
/// [`QueryErrorCode::Sql`](crate::QueryErrorCode) with SQLSTATE 54001 for a filter that would be too large.
pub(crate) fn check_inlining(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut sizes = Sizes { largest: 0 };
    sizes.of_columns(plan)?;
    if sizes.largest > FILTER_EXPRESSIONS_MAX {
        return Err(too_complex("a filter is over columns that are computed from computed columns, again and again"));
    }
    Ok(())
}

struct Sizes {
    /// Size of the largest filter.
    largest: u64,
}

impl Sizes {
    /// Size of each column of a plan.
    fn of_columns(&mut self, plan: &LogicalPlan) -> Result<Vec<u64>> {
        let inputs = plan.inputs().into_iter().map(|input| self.of_columns(input)).collect::<Result<Vec<_>>>()?;
        plan.apply_subqueries(|subquery| {
            self.of_columns(subquery)?;
            Ok(TreeNodeRecursion::Jump)
        })?;
        let count = plan.schema().fields().len();
        let mut sizes = match (plan, inputs.as_slice()) {
            (LogicalPlan::Projection(projection), [input]) => {
                let schema = projection.input.schema();
                projection.expr.iter().map(|expr| size(expr, schema, input)).collect::<Result<Vec<_>>>()?
            }
            (LogicalPlan::Aggregate(aggregate), [input]) => {
                let schema = aggregate.input.schema();
                aggregate.group_expr.iter().map(|expr| size(expr, schema, input)).collect::<Result<Vec<_>>>()?
            }
            (LogicalPlan::Filter(filter), [input]) => {
                self.note(size(&filter.predicate, filter.input.schema(), input)?);
                input.clone()
            }
            (LogicalPlan::Join(join), [left, right]) => {
                let both = [left.as_slice(), right].concat();
                if let Some(filter) = &join.filter {
                    self.note(size(filter, &join.left.schema().join(join.right.schema())?, &both)?);
                }
                both
            }
            (LogicalPlan::Union(_), [_, ..]) => (0..count).map(|at| largest_at(&inputs, at)).collect(),
            (_, [input]) => input.clone(),
            _ => Vec::new(),
        };
        // Columns that a node adds behind those of its input are as they are.
        sizes.resize(count, 1);
        Ok(sizes)
    }

    fn note(&mut self, size: u64) {
        self.largest = self.largest.max(size);
    }
}

fn largest_at(inputs: &[Vec<u64>], at: usize) -> u64 {
    inputs.iter().filter_map(|input| input.get(at)).max().copied().unwrap_or(1)
}

/// Size of an expression whose columns have these sizes.
fn size(expr: &Expr, schema: &DFSchema, columns: &[u64]) -> Result<u64> {
    let mut size = 0_u64;
    expr.apply(|part| {
        let of = match part {
            Expr::Column(column) => {
                let at = schema.maybe_index_of_column(column);
                at.and_then(|at| columns.get(at)).copied().unwrap_or(1)
            }
            _ => 1,
        };
        size = size.saturating_add(of);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(size)
}
