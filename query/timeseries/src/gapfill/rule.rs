//! Finds groups by `time_bucket_gapfill` and puts the operator on top of them.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, plan_err};
use datafusion::logical_expr::expr::{Alias, Between, BinaryExpr, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, Extension, Filter, LogicalPlan, LogicalPlanBuilder, Operator, ScalarUDF, cast,
};
use datafusion::optimizer::AnalyzerRule;

use crate::gapfill::functions::{GAPFILL, INTERPOLATE, LOCF};
use crate::gapfill::node::{Bound, Fill, GapFill};
use crate::time::columns::is_text;
use crate::time::zone::Zone;

/// The rule.
#[derive(Debug)]
pub(crate) struct FillGaps {
    /// Function that `time_bucket_gapfill` becomes.
    pub(crate) time_bucket: Arc<ScalarUDF>,
}

impl AnalyzerRule for FillGaps {
    fn name(&self) -> &str {
        "fill_gaps"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| self.above(plan)).map(|plan| plan.data)
    }
}

impl FillGaps {
    /// Rewrites a node that stands above groups with gaps, and what is below it.
    fn above(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        // HAVING stands between the groups and what selects from them; it is moved below with them.
        if matches!(plan, LogicalPlan::Filter(_)) {
            return Ok(Transformed::no(plan));
        }
        let [input] = plan.inputs()[..] else { return Ok(Transformed::no(plan)) };
        let Some((having, groups)) = groups_with_gaps(input) else { return Ok(Transformed::no(plan)) };
        let call = call_of(groups)?;
        let groups = self.without_gapfill(groups, &call)?;

        let mut fills = Vec::new();
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let replaced = expr.transform_up(|expr| Ok(fill_column(expr, &mut fills)))?;
            Ok(replaced.update_data(|expr| name.restore(expr)))
        })?;
        let filled = gap_fill(groups, having, &call, fills)?;
        let exprs = plan.data.expressions();
        let above = plan.data.with_new_exprs(exprs, vec![filled])?;
        Ok(Transformed::yes(above))
    }

    /// The groups by plain buckets, under the same names.
    fn without_gapfill(&self, groups: &Aggregate, call: &Call) -> Result<LogicalPlan> {
        let bucket = Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&self.time_bucket), {
            let mut args = vec![call.width.clone(), call.time.clone()];
            args.extend(call.zone.clone());
            args
        }));
        let mut group_expr = groups.group_expr.clone();
        let (table, field) = groups.schema.qualified_field(call.position);
        group_expr[call.position] = match table {
            Some(table) => bucket.alias_qualified(Some(table.clone()), field.name()),
            None => bucket.alias(field.name()),
        };
        Ok(LogicalPlan::Aggregate(Aggregate::try_new(Arc::clone(&groups.input), group_expr, groups.aggr_expr.clone())?))
    }
}

/// The groups by `time_bucket_gapfill` right below, and the filters between.
fn groups_with_gaps(mut plan: &LogicalPlan) -> Option<(Vec<Expr>, &Aggregate)> {
    let mut having = Vec::new();
    while let LogicalPlan::Filter(filter) = plan {
        having.push(filter.predicate.clone());
        plan = &filter.input;
    }
    match plan {
        LogicalPlan::Aggregate(groups) if groups.group_expr.iter().any(is_gapfill) => Some((having, groups)),
        _ => None,
    }
}

fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Alias(Alias { expr: inner, .. }) = expr {
        expr = inner;
    }
    expr
}

fn is_gapfill(expr: &Expr) -> bool {
    matches!(bare(expr), Expr::ScalarFunction(function) if function.name() == GAPFILL)
}

/// A call of `time_bucket_gapfill`.
struct Call {
    position: usize,
    width: Expr,
    time: Expr,
    zone: Option<Expr>,
    starts: Vec<Bound>,
    finishes: Vec<Bound>,
}

fn call_of(groups: &Aggregate) -> Result<Call> {
    let mut positions = groups.group_expr.iter().enumerate().filter(|(_, expr)| is_gapfill(expr));
    let (Some((position, expr)), None) = (positions.next(), positions.next()) else {
        return plan_err!("{GAPFILL} stands in GROUP BY once");
    };
    let Expr::ScalarFunction(function) = bare(expr) else { return plan_err!("{GAPFILL} is a function") };
    let [width, time, options @ ..] = function.args.as_slice() else {
        return plan_err!("{GAPFILL} takes a width and a time");
    };
    let schema = groups.input.schema();
    let time_type = time.get_type(schema)?;
    let (mut zone, mut bounds) = (None, Vec::new());
    for option in options {
        let null = matches!(option, Expr::Literal(value, _) if value.is_null());
        // Text that names no zone is a bound of the range, and gets the type of the time.
        let is_zone = is_text(&option.get_type(schema)?)
            && option
                .as_literal()
                .and_then(|text| text.try_as_str().flatten())
                .is_some_and(|name| Zone::named(name).is_ok());
        if zone.is_none() && bounds.is_empty() && is_zone {
            zone = Some(option.clone());
        } else if option.any_column_refs() {
            return plan_err!("start and finish of {GAPFILL} must be constants");
        } else {
            bounds.push((!null).then(|| option.clone().cast_to(&time_type, schema)).transpose()?);
        }
    }
    if bounds.len() > 2 {
        return plan_err!("{GAPFILL} takes one start and one finish");
    }
    let mut bounds = bounds.into_iter().map(|bound| bound.map(|time| Bound { time, one_us_later: false }));
    let (start, finish) = (bounds.next().flatten(), bounds.next().flatten());
    let mut starts: Vec<Bound> = start.into_iter().collect();
    let mut finishes: Vec<Bound> = finish.into_iter().collect();
    let (missing_start, missing_finish) = (starts.is_empty(), finishes.is_empty());
    if missing_start || missing_finish {
        let (from, until) = bounds_in_where(&groups.input, time);
        starts.extend(from.into_iter().filter(|_| missing_start));
        finishes.extend(until.into_iter().filter(|_| missing_finish));
    }
    for (bounds, name, operator) in [(&starts, "start", ">= "), (&finishes, "finish", "< ")] {
        if bounds.is_empty() {
            return plan_err!(
                "{GAPFILL} has no {name}: say it as an argument, or in WHERE as {time} {operator}and a constant"
            );
        }
    }
    Ok(Call { position, width: width.clone(), time: time.clone(), zone, starts, finishes })
}

/// The bounds of a time in the filters directly below.
fn bounds_in_where(mut plan: &LogicalPlan, time: &Expr) -> (Vec<Bound>, Vec<Bound>) {
    let (mut starts, mut finishes) = (Vec::new(), Vec::new());
    // Only filters right below the groups count: any other node may change what the time is.
    while let LogicalPlan::Filter(Filter { predicate, input, .. }) = plan {
        for term in split_conjunction(predicate) {
            match term {
                Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                    let (op, constant) = match (**left == *time, **right == *time) {
                        (true, false) => (Some(*op), right),
                        (false, true) => (op.swap(), left),
                        _ => continue,
                    };
                    if constant.any_column_refs() || constant.is_volatile() {
                        continue;
                    }
                    let bound = |one_us_later| Bound { time: (**constant).clone(), one_us_later };
                    match op {
                        Some(Operator::GtEq) => starts.push(bound(false)),
                        Some(Operator::Gt) => starts.push(bound(true)),
                        Some(Operator::Lt) => finishes.push(bound(false)),
                        Some(Operator::LtEq) => finishes.push(bound(true)),
                        _ => {}
                    }
                }
                Expr::Between(Between { expr, negated: false, low, high })
                    if **expr == *time && !low.any_column_refs() && !high.any_column_refs() =>
                {
                    starts.push(Bound { time: (**low).clone(), one_us_later: false });
                    finishes.push(Bound { time: (**high).clone(), one_us_later: true });
                }
                _ => {}
            }
        }
        plan = input;
    }
    (starts, finishes)
}

/// The column that `locf` or `interpolate` becomes; its value and how it is filled are added to `fills`.
fn fill_column(expr: Expr, fills: &mut Vec<(Expr, Fill)>) -> Transformed<Expr> {
    let Expr::ScalarFunction(function) = &expr else { return Transformed::no(expr) };
    let fill = match function.name() {
        LOCF => Fill::Last,
        INTERPOLATE => Fill::Line,
        _ => return Transformed::no(expr),
    };
    let [value] = function.args.as_slice() else { return Transformed::no(expr) };
    let value = match fill {
        Fill::Line => cast(value.clone(), DataType::Float64),
        _ => value.clone(),
    };
    let known = fills.iter().position(|known| *known == (value.clone(), fill));
    let position = known.unwrap_or_else(|| {
        fills.push((value, fill));
        fills.len() - 1
    });
    Transformed::yes(Expr::Column(Column::from_name(fill_name(position))))
}

fn fill_name(position: usize) -> String {
    format!("__fill_{position}")
}

fn gap_fill(groups: LogicalPlan, having: Vec<Expr>, call: &Call, fills: Vec<(Expr, Fill)>) -> Result<LogicalPlan> {
    let keys = match &groups {
        LogicalPlan::Aggregate(groups) if !matches!(groups.group_expr.as_slice(), [Expr::GroupingSet(_), ..]) => {
            groups.group_expr.len()
        }
        _ => return plan_err!("{GAPFILL} does not go with grouping sets"),
    };
    let mut columns: Vec<Fill> = (0..groups.schema().fields().len())
        .map(|position| match position {
            position if position == call.position => Fill::Bucket,
            position if position < keys => Fill::Key,
            _ => Fill::Null,
        })
        .collect();
    let mut exprs: Vec<Expr> = groups.schema().columns().into_iter().map(Expr::Column).collect();
    for (position, (value, fill)) in fills.into_iter().enumerate() {
        exprs.push(value.alias(fill_name(position)));
        columns.push(fill);
    }
    let mut builder = LogicalPlanBuilder::from(groups);
    for predicate in having.into_iter().rev() {
        builder = builder.filter(predicate)?;
    }
    let input = builder.project(exprs)?.build()?;
    let mut bucket = vec![call.width.clone()];
    bucket.extend(call.zone.clone());
    let node = GapFill::try_new(input, columns, bucket, call.starts.clone(), call.finishes.clone())?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}
