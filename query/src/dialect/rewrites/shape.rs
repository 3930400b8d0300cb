//! Whether a SELECT makes one row of all its rows, or one of each group.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, Query, Select};
use zonelake_timeseries::{SyntaxVisitor, visit_expr};

/// Aggregates, which make one row of all.
const AGGREGATES: [&str; 27] = [
    "approx_distinct",
    "approx_percentile_cont",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "counter_delta",
    "counter_rate",
    "every",
    "first",
    "first_value",
    "last",
    "last_value",
    "max",
    "median",
    "min",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "stddev",
    "string_agg",
    "sum",
    "variance",
];

/// True where an expression calls an aggregate; calls within its subqueries do not count.
pub fn calls_aggregate(expr: &Expr) -> bool {
    visit_expr(expr, &mut AggregateCalls { depth: 0 }).is_break()
}

/// True where a SELECT has groups.
pub fn is_grouped(select: &Select) -> bool {
    select.having.is_some() || !matches!(&select.group_by, GroupByExpr::Expressions(all, _) if all.is_empty())
}

/// Ends the walk at the first call of an aggregate.
struct AggregateCalls {
    /// Subqueries around the node of the walk.
    depth: usize,
}

impl SyntaxVisitor for AggregateCalls {
    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Function(function) = expr
            && function.over.is_none()
            && let Some(name) = function.name.0.last().and_then(|part| part.as_ident())
            && AGGREGATES.contains(&name.value.to_lowercase().as_str())
        {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
