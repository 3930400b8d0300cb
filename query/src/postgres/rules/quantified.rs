//! `x < ALL (SELECT …)` and `x < ANY (SELECT …)`. DataFusion compares with the first column of the subquery by its name, which is also
//! that of `x` where both are columns of one table: each row would be compared with itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::SetComparison;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, Subquery};

/// The same comparison, whose subquery has a column of a name that nothing else has.
pub(crate) fn name_item(expr: Expr, _: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::SetComparison(SetComparison { expr: value, subquery, op, quantifier }) = expr else {
        return Ok(Transformed::no(expr));
    };
    let schema = subquery.subquery.schema();
    let is_named = schema.fields().first().is_some_and(|field| field.name() == ITEM);
    if is_named || schema.fields().is_empty() {
        return Ok(Transformed::no(Expr::SetComparison(SetComparison { expr: value, subquery, op, quantifier })));
    }
    let item = Expr::Column(Column::from(schema.qualified_field(0))).alias(ITEM);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .project([item])?
        .alias(format!("__items_{number}"))?
        .build()?;
    let subquery = Subquery { subquery: Arc::new(plan), ..subquery };
    Ok(Transformed::yes(Expr::SetComparison(SetComparison { expr: value, subquery, op, quantifier })))
}

const ITEM: &str = "__item";
/// Names need only differ within a statement.
static NEXT: AtomicU64 = AtomicU64::new(0);
