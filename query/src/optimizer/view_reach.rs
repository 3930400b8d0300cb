//! Times of a view on their way down to the scans below it. A filter on the time of a view's rows ends at the first window, join or
//! sum in it, which needs other rows than those that are asked for; but a view says how far its rows reach, and so how much
//! wider the filter has to be to hold for the readings. The filter itself stays where it is, so that the rows are the same.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchemaRef, Result, ScalarValue, plan_err};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Between, BinaryExpr, Expr, Filter, LogicalPlan, Operator, UserDefinedLogicalNodeCore, lit,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use zonelake_schemas::columns::timestamp;
use zonelake_schemas::views::Reach;

/// Column of every table of readings.
const TIME: &str = "time";
const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// The top of a view in a plan. It is taken out by [`WidenTimes`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ViewReach {
    input: LogicalPlan,
    reach: Reach,
}

impl ViewReach {
    /// The top of a view.
    pub(crate) fn new(input: LogicalPlan, reach: Reach) -> Self {
        Self { input, reach }
    }
}

impl PartialOrd for ViewReach {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        // DataFusion asks for an order of nodes; any that agrees with equality of inputs will do.
        self.input.partial_cmp(&other.input)
    }
}

impl UserDefinedLogicalNodeCore for ViewReach {
    fn name(&self) -> &str {
        "ViewReach"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    /// Filters on the time stop here, where the rule finds them; all others go on.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::from([self.reach.column.to_owned()])
    }

    /// The columns that are asked for, so that none that is not needed is cut off above this node: a projection between it and the filter
    /// would hide the filter from the rule.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViewReach: {:?}", self.reach)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(input) = inputs.pop() else { return plan_err!("ViewReach has one input") };
        Ok(Self { input, reach: self.reach })
    }
}

/// Rule that takes the tops of views out of a plan, with the filters above them widened to their readings. It stands behind the rule that
/// pushes filters down, whose next pass brings the widened ones to the scans.
#[derive(Debug)]
pub(crate) struct WidenTimes;

impl OptimizerRule for WidenTimes {
    fn name(&self) -> &str {
        "widen_times"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Filter(filter) => {
                let Some(view) = view_of(&filter.input) else {
                    return Ok(Transformed::no(LogicalPlan::Filter(filter)));
                };
                let bounds = Bounds::of(&filter.predicate, view.reach);
                let input = bounds.narrow(view.input.clone())?;
                Ok(Transformed::yes(LogicalPlan::Filter(Filter::new(filter.predicate, Arc::new(input)))))
            }
            other => match view_of(&other) {
                Some(view) => Ok(Transformed::yes(view.input.clone())),
                None => Ok(Transformed::no(other)),
            },
        }
    }
}

fn view_of(plan: &LogicalPlan) -> Option<&ViewReach> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

/// Times between which all readings lie that a filter on a view needs, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bounds {
    from_us: Option<i64>,
    to_us: Option<i64>,
}

impl Bounds {
    /// Bounds that follow from a filter on the rows of a view.
    fn of(predicate: &Expr, reach: Reach) -> Self {
        let mut bounds = Self::default();
        for part in split_conjunction(predicate) {
            bounds.add(part, reach.column);
        }
        let widened = |bound: Option<i64>, hours: i64| bound.and_then(|us| us.checked_add(hours.checked_mul(HOUR_US)?));
        Self { from_us: widened(bounds.from_us, -reach.hours_back), to_us: widened(bounds.to_us, reach.hours_ahead) }
    }

    fn add(&mut self, part: &Expr, column: &str) {
        match part {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let (true, Some((first, last))) = (is_column(left, column), times_of(right)) {
                    self.compare(*op, first, last);
                } else if let (Some((first, last)), true, Some(op)) =
                    (times_of(left), is_column(right, column), op.swap())
                {
                    self.compare(op, first, last);
                }
            }
            Expr::Between(Between { expr, negated: false, low, high }) if is_column(expr, column) => {
                if let Some((first, _)) = times_of(low) {
                    self.raise(first);
                }
                if let Some((_, last)) = times_of(high) {
                    self.lower(last);
                }
            }
            Expr::InList(list) if !list.negated && is_column(&list.expr, column) => {
                let times: Option<Vec<(i64, i64)>> = list.list.iter().map(times_of).collect();
                let times = times.unwrap_or_default();
                if let (Some(first), Some(last)) =
                    (times.iter().map(|time| time.0).min(), times.iter().map(|time| time.1).max())
                {
                    self.raise(first);
                    self.lower(last);
                }
            }
            _ => {}
        }
    }

    fn compare(&mut self, op: Operator, first: i64, last: i64) {
        match op {
            Operator::Eq => {
                self.raise(first);
                self.lower(last);
            }
            Operator::Gt | Operator::GtEq => self.raise(first),
            Operator::Lt | Operator::LtEq => self.lower(last),
            _ => {}
        }
    }

    fn raise(&mut self, us: i64) {
        self.from_us = Some(self.from_us.map_or(us, |from| from.max(us)));
    }

    fn lower(&mut self, us: i64) {
        self.to_us = Some(self.to_us.map_or(us, |to| to.min(us)));
    }

    /// A plan whose scans of readings are filtered by the bounds.
    fn narrow(self, plan: LogicalPlan) -> Result<LogicalPlan> {
        if self == Self::default() {
            return Ok(plan);
        }
        let narrowed = plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::TableScan(scan) = &plan else { return Ok(Transformed::no(plan)) };
            let Some((table, _)) = scan
                .projected_schema
                .iter()
                .find(|(_, field)| field.name() == TIME && *field.data_type() == timestamp())
            else {
                return Ok(Transformed::no(plan));
            };
            let time = || Expr::Column(Column::new(table.cloned(), TIME));
            let bound = |us: i64| lit(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())));
            let from = self.from_us.map(|us| time().gt_eq(bound(us)));
            let to = self.to_us.map(|us| time().lt_eq(bound(us)));
            match from.into_iter().chain(to).reduce(Expr::and) {
                Some(filter) => Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(filter, Arc::new(plan))?))),
                None => Ok(Transformed::no(plan)),
            }
        })?;
        Ok(narrowed.data)
    }
}

fn is_column(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Column(column) if column.name == name)
}

/// The first and the last instant that a constant stands for. A day of a station begins up to 14 hours before that of UTC and
/// ends up to 12 hours behind it; that is what a view's reach has to add.
fn times_of(expr: &Expr) -> Option<(i64, i64)> {
    let Expr::Literal(value, _) = expr else { return None };
    match value {
        ScalarValue::Date32(Some(day)) => {
            let start = i64::from(*day).checked_mul(DAY_US)?;
            Some((start, start))
        }
        value if matches!(value.data_type(), DataType::Timestamp(..)) => {
            let micros = value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
            match micros {
                // Finer times are cut to the microsecond: one to each side keeps them inside.
                ScalarValue::TimestampMicrosecond(Some(us), _) => Some((us.saturating_sub(1), us.saturating_add(1))),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::col;

    use super::*;

    const REACH: Reach = Reach { column: "day", hours_back: 24, hours_ahead: 36 };

    fn day(day: i32) -> Expr {
        lit(ScalarValue::Date32(Some(day)))
    }

    #[test]
    fn a_filter_on_a_view_becomes_a_wider_one_on_its_readings() {
        let bounds = |from: Option<i64>, to: Option<i64>| Bounds {
            from_us: from.map(|days| days * DAY_US - 24 * HOUR_US),
            to_us: to.map(|days| days * DAY_US + 36 * HOUR_US),
        };
        for (filter, expected) in [
            (col("day").eq(day(10)), bounds(Some(10), Some(10))),
            (col("day").gt_eq(day(10)).and(col("day").lt(day(12))), bounds(Some(10), Some(12))),
            (day(10).lt(col("day")), bounds(Some(10), None)),
            (col("day").between(day(3), day(5)), bounds(Some(3), Some(5))),
            (col("day").in_list(vec![day(7), day(3)], false), bounds(Some(3), Some(7))),
            (col("day").in_list(vec![day(7)], true), Bounds::default()),
            (col("day").not_eq(day(3)), Bounds::default()),
            (col("day").eq(day(3)).or(col("zone").eq(lit("a"))), Bounds::default()),
            (col("zone").eq(lit("a")).and(col("day").lt_eq(day(9))), bounds(None, Some(9))),
        ] {
            assert_eq!(Bounds::of(&filter, REACH), expected, "{filter}");
        }
    }
}
