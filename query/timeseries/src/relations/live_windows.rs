//! `live_windows(table, window)` and `live_windows(table, window, bucket)`: count, sums, extremes, first and last of what places have
//! measured up to now.

use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::{RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, ObjectName, SelectItem, SetExpr, TableFactor, Value,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::relations::latest::table_name;
use crate::time::interval_text::parse_interval;

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSpan {
    /// How far back the window reaches, µs: whole seconds up to an hour.
    pub window_us: i64,
    /// Width of the buckets, µs: whole seconds up to the window. One bucket has the whole window where there is none.
    pub bucket_us: Option<i64>,
}

impl WindowSpan {
    /// A window in one bucket, or in buckets.
    ///
    /// # Errors
    /// Words for a client, where the lengths are none that there may be.
    pub fn new(window_us: i64, bucket_us: Option<i64>) -> std::result::Result<Self, &'static str> {
        let is_whole = |us: i64| us > 0 && us % SECOND_US == 0;
        if !is_whole(window_us) || window_us > WINDOW_US_MAX {
            return Err("a window is of whole seconds, from one second to one hour");
        }
        if bucket_us.is_some_and(|us| !is_whole(us) || us > window_us) {
            return Err("a bucket is of whole seconds, and no longer than the window");
        }
        Ok(Self { window_us, bucket_us })
    }

    /// The query that stands for a call in a prepared statement: there is no such function, so that it is an error where the engine does not know
    /// windows.
    fn rows(self, table: &ObjectName) -> Result<TableFactor> {
        let (window, bucket) = (self.window_us / SECOND_US, self.bucket_us.unwrap_or_default() / SECOND_US);
        let sql = format!("(SELECT {FUNCTION}_of({window}, {bucket}) FROM {table})");
        let dialect = GenericDialect {};
        Ok(Parser::new(&dialect).try_with_sql(&sql)?.parse_table_factor()?)
    }
}

/// The window and the table of a relation that [`expand_live_windows`] has made.
pub fn window_relation(relation: &TableFactor) -> Option<(WindowSpan, TableFactor)> {
    let TableFactor::Derived { subquery, .. } = relation else { return None };
    let SetExpr::Select(select) = subquery.body.as_ref() else { return None };
    let ([from], [SelectItem::UnnamedExpr(Expr::Function(call))]) =
        (select.from.as_slice(), select.projection.as_slice())
    else {
        return None;
    };
    let TableFactor::Table { name, args: None, .. } = &from.relation else { return None };
    let numbers: Vec<i64> = call.args.to_string().split(&['(', ',', ' ', ')']).filter_map(|n| n.parse().ok()).collect();
    let [window, bucket] = numbers[..] else { return None };
    let us = |seconds: i64| seconds.checked_mul(SECOND_US);
    let span = WindowSpan::new(us(window)?, if bucket == 0 { None } else { Some(us(bucket)?) }).ok()?;
    let TableFactor::Derived { subquery: expected, .. } = span.rows(name).ok()? else { return None };
    (expected == *subquery).then(|| (span, from.relation.clone()))
}

/// Refuses a call that [`expand_live_windows`] could not read.
#[derive(Debug)]
pub(crate) struct LiveWindowsRefusal;

impl RelationPlanner for LiveWindowsRefusal {
    fn plan_relation(&self, relation: TableFactor, _: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
        match &relation {
            TableFactor::Table { name, args: Some(arguments), .. } if is_call(name) => {
                let span = spans(&arguments.args).and_then(|(_, window, bucket)| WindowSpan::new(window, bucket).err());
                match span {
                    Some(words) => plan_err!("{FUNCTION}: {words}"),
                    None => plan_err!(
                        "{FUNCTION} takes the name of one table and a window, as in {FUNCTION}(environment, interval '5 minutes'), and perhaps the width of its buckets, as another interval"
                    ),
                }
            }
            _ => Ok(RelationPlanning::Original(Box::new(relation))),
        }
    }
}

/// The query that stands for a call; `None` for other relations, and for calls that are refused.
pub(crate) fn expand_live_windows(relation: &TableFactor) -> Option<TableFactor> {
    let TableFactor::Table { name, alias, args: Some(arguments), .. } = relation else { return None };
    if !is_call(name) {
        return None;
    }
    let (table, window_us, bucket_us) = spans(&arguments.args)?;
    let mut rows = WindowSpan::new(window_us, bucket_us).ok()?.rows(&table).ok()?;
    if let TableFactor::Derived { alias: of_rows, .. } = &mut rows {
        of_rows.clone_from(alias);
    }
    Some(rows)
}

fn is_call(name: &ObjectName) -> bool {
    name.to_string().eq_ignore_ascii_case(FUNCTION)
}

/// Table, window and bucket of a call.
fn spans(arguments: &[FunctionArg]) -> Option<(ObjectName, i64, Option<i64>)> {
    let expr = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    match arguments {
        [table, window] => Some((table_name(&expr(table)?)?, interval_us(&expr(window)?)?, None)),
        [table, window, bucket] => {
            Some((table_name(&expr(table)?)?, interval_us(&expr(window)?)?, Some(interval_us(&expr(bucket)?)?)))
        }
        _ => None,
    }
}

/// Length of an interval, or of a text that is one, µs. Months have none.
fn interval_us(expr: &Expr) -> Option<i64> {
    let text = match expr {
        Expr::Interval(interval) if interval.leading_field.is_none() && interval.last_field.is_none() => {
            interval.value.as_ref()
        }
        Expr::Cast { expr, data_type, .. } if data_type.to_string().eq_ignore_ascii_case("interval") => expr.as_ref(),
        other => other,
    };
    let Expr::Value(value) = text else { return None };
    let Value::SingleQuotedString(words) = &value.value else { return None };
    let interval = parse_interval(words)?;
    let of_days = i64::from(interval.days).checked_mul(86_400 * SECOND_US)?;
    (interval.months == 0 && interval.nanoseconds % 1_000 == 0)
        .then(|| of_days.checked_add(interval.nanoseconds / 1_000))
        .flatten()
}

/// Name of the function.
const FUNCTION: &str = "live_windows";
const SECOND_US: i64 = 1_000_000;
/// An hour.
const WINDOW_US_MAX: i64 = 3_600 * SECOND_US;
