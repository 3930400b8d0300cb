//! Syntax of SQL that is a function or a table function here. Each statement is rewritten between parsing and planning, since
//! DataFusion's planner has no hook for that.

use std::ops::ControlFlow;

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    Interval, JoinOperator, ObjectName, Select, SelectItem, TableFactor, TableWithJoins, UnaryOperator, Value,
};

use crate::planning::visit::{SyntaxVisitorMut, visit_statement_mut};
use crate::relations::latest::expand_latest;
use crate::relations::live_windows::expand_live_windows;
use crate::time::calendar::negated;
use crate::time::interval_text::parse_interval;

/// Rewrites a parsed statement, which is then planned.
///
/// - `x AT TIME ZONE z` becomes `timezone(z, x)`.
/// - A table with `ASOF JOIN`s is put in parentheses, where a planner of relations finds it.
/// - `latest(table)` becomes the query that it abbreviates, and `live_windows(table, window)` one that stands for it.
/// - Intervals are written in units that DataFusion reads.
/// - Casts that would have one name get names of their own.
pub fn prepare(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => {
            // The rewriter never ends the walk.
            let flow = visit_statement_mut(statement, &mut SyntaxRewriter);
            debug_assert!(flow.is_continue());
        }
        Statement::Explain(explain) => prepare(&mut explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => {}
    }
}

/// The rewrite of each node.
struct SyntaxRewriter;

impl SyntaxVisitorMut for SyntaxRewriter {
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        name_casts(select);
        for table in &mut select.from {
            if table.joins.iter().any(|join| matches!(join.join_operator, JoinOperator::AsOf { .. })) {
                parenthesize_asof_joins(table);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, relation: &mut TableFactor) -> ControlFlow<()> {
        if let Some(rows) = expand_latest(relation).or_else(|| expand_live_windows(relation)) {
            *relation = rows;
        }
        ControlFlow::Continue(())
    }

    /// Inner expressions come first, so that an argument is rewritten before it is moved into a call.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::AtTimeZone { timestamp, time_zone } => {
                let arguments =
                    [time_zone, timestamp].map(|argument| std::mem::replace(&mut **argument, empty_identifier()));
                *expr = call("timezone", arguments);
            }
            Expr::Interval(interval) if interval.leading_field.is_none() && interval.last_field.is_none() => {
                normalize_interval(&mut interval.value);
            }
            Expr::Interval(interval) if interval.last_field.is_some() => write_fields(interval),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: operand } => {
                if let Expr::Interval(interval) = &mut **operand
                    && negate(&mut interval.value).is_some()
                {
                    *expr = std::mem::replace(&mut **operand, empty_identifier());
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Parentheses around everything up to the last `ASOF JOIN`, so that later joins stay where the planner expects them.
fn parenthesize_asof_joins(table: &mut TableWithJoins) {
    let last = table.joins.iter().rposition(|join| matches!(join.join_operator, JoinOperator::AsOf { .. }));
    let after = table.joins.split_off(last.map_or(0, |last| last + 1));
    let joins = std::mem::replace(&mut table.joins, after);
    let within = TableWithJoins { relation: table.relation.clone(), joins };
    table.relation = TableFactor::NestedJoin { table_with_joins: Box::new(within), alias: None };
}

/// Writes an interval in plain units: DataFusion's planner reads a part of what PostgreSQL reads as intervals.
fn normalize_interval(text: &mut Expr) {
    if let Expr::Value(value) = text
        && let Value::SingleQuotedString(words) = &mut value.value
        && let Some(interval) = parse_interval(words)
    {
        *words = interval_in_plain_units(interval);
    }
}

/// `interval '1-2' year to month` in plain units: a number alone is of the last field, and what is below that field is cut off.
fn write_fields(interval: &mut Interval) {
    let Interval { value, leading_field: Some(first), last_field: Some(last), .. } = interval else { return };
    let Expr::Value(text) = value.as_mut() else { return };
    let Value::SingleQuotedString(words) = &mut text.value else { return };
    let plain = words.trim();
    let is_number = plain.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let written = match (&*first, &*last, plain.split_once(' ')) {
        (_, last, None) if is_number => format!("{plain} {last}"),
        (DateTimeField::Day, DateTimeField::Hour, Some((days, hours))) if !hours.contains(':') => {
            format!("{days} days {hours} hours")
        }
        // A time of two parts has hours and minutes, unless its fields say otherwise.
        (DateTimeField::Minute, DateTimeField::Second, None) if plain.matches(':').count() == 1 => {
            format!("00:{plain}")
        }
        _ => plain.to_owned(),
    };
    let Some(mut parsed) = parse_interval(&written.to_lowercase()) else { return };
    let smallest_us = match last {
        DateTimeField::Month => {
            parsed.days = 0;
            i64::MAX
        }
        DateTimeField::Hour => 3_600_000_000,
        DateTimeField::Minute => 60_000_000,
        _ => 1,
    };
    let us = parsed.nanoseconds / 1_000;
    parsed.nanoseconds = (us - us % smallest_us) * 1_000;
    *words = interval_in_plain_units(parsed);
    (interval.leading_field, interval.last_field) = (None, None);
}

fn interval_in_plain_units(IntervalMonthDayNano { months, days, nanoseconds }: IntervalMonthDayNano) -> String {
    let (seconds, us) = (nanoseconds / 1_000_000_000, nanoseconds / 1_000 % 1_000_000);
    format!("{months} months {days} days {seconds} seconds {us} microseconds")
}

/// Negates the text of an interval: DataFusion's planner would negate the first part alone.
fn negate(text: &mut Expr) -> Option<()> {
    let Expr::Value(value) = text else { return None };
    let Value::SingleQuotedString(words) = &mut value.value else { return None };
    *words = interval_in_plain_units(negated(parse_interval(words)?));
    Some(())
}

/// Names casts: DataFusion names a cast as its operand, and lets no two columns have one name.
fn name_casts(select: &mut Select) {
    let mut names = Vec::new();
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let mut bare = &*expr;
        while let Expr::Cast { expr, .. } | Expr::Nested(expr) = bare {
            bare = expr;
        }
        let name = match bare {
            Expr::TypedString(text) => text.value.to_string(),
            bare => bare.to_string(),
        };
        let is_cast = matches!(expr, Expr::Cast { .. } | Expr::TypedString(_));
        if is_cast && names.contains(&name) {
            let alias = Ident::with_quote('"', expr.to_string().replace('"', "'"));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        } else if names.len() < NAMES_MAX {
            names.push(name);
        }
    }
}

/// Columns among which a cast that needs a name of its own is looked for: the search is quadratic.
const NAMES_MAX: usize = 100;

/// Stands in for an expression that is being moved.
fn empty_identifier() -> Expr {
    Expr::Identifier(Ident::new(""))
}

fn call(name: &str, arguments: [Expr; 2]) -> Expr {
    let args = arguments.map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.to_vec(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
