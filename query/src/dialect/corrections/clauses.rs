//! Clauses that DataFusion's planner does not know, in words that it knows.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectName, OrderByExpr, OrderByKind, Query, Select,
    SelectItem, SetExpr, SetOperator, SetQuantifier, TableAlias, TableAliasColumnDef, TableFactor, TableFunctionArgs,
    TableWithJoins, TimezoneInfo, Value, WindowSpec, WindowType,
};

use super::build::{bare, call, has_subquery, number, operation, take, template};
use crate::error::{QueryError, QueryErrorCode};

/// `FETCH FIRST n ROWS ONLY` as LIMIT.
pub(super) fn fetch_as_limit(query: &mut Query) -> Result<(), QueryError> {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    let rows = fetch.quantity.unwrap_or_else(|| number(1));
    if fetch.with_ties && !fetch.percent && keep_ties(query, &rows).is_some() {
        return Ok(());
    }
    if fetch.with_ties || fetch.percent {
        let words = "not supported: FETCH … WITH TIES or PERCENT here; write a condition on rank() OVER (ORDER BY …)";
        return Err(QueryError::new(QueryErrorCode::Sql, words).with_sqlstate("0A000"));
    }
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(rows),
        Some(_) => {
            let words = "multiple LIMIT clauses not allowed";
            return Err(QueryError::new(QueryErrorCode::Sql, words).with_sqlstate("42601"));
        }
        None => {
            query.limit_clause =
                Some(LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: Vec::new() });
        }
    }
    Ok(())
}

/// `FETCH FIRST n ROWS WITH TIES` of a SELECT of rows in an order, as a condition on their rank.
fn keep_ties(query: &mut Query, rows: &Expr) -> Option<()> {
    let (SetExpr::Select(select), Some(order), None) = (query.body.as_mut(), &query.order_by, &query.limit_clause)
    else {
        return None;
    };
    let OrderByKind::Expressions(all) = &order.kind else { return None };
    // Places and names of columns mean something else within a window.
    let is_place = |by: &OrderByExpr| matches!(by.expr, Expr::Value(_));
    let is_named = select.projection.iter().any(|item| matches!(item, SelectItem::ExprWithAlias { .. }));
    let has_groups = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if is_named
        || all.iter().any(|by| is_place(by) || has_subquery(&by.expr))
        || has_groups
        || select.distinct.is_some()
        || select.having.is_some()
        || select.qualify.is_some()
    {
        return None;
    }
    let mut rank = call("rank", Vec::new());
    if let Expr::Function(function) = &mut rank {
        function.over = Some(WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by: Vec::new(),
            order_by: all.clone(),
            window_frame: None,
        }));
    }
    select.qualify = Some(operation(rank, BinaryOperator::LtEq, rows.clone()));
    Some(())
}

/// `VALUES ((SELECT …))` as SELECTs: DataFusion's VALUES have no subqueries.
pub(super) fn values_with_subqueries(query: &mut Query) {
    let SetExpr::Values(values) = query.body.as_ref() else { return };
    if !values.rows.iter().flat_map(|row| row.content.iter()).any(has_subquery) {
        return;
    }
    let rows = values.rows.iter().map(|row| {
        let items = row.content.iter().enumerate().map(|(at, expr)| SelectItem::ExprWithAlias {
            expr: expr.clone(),
            alias: Ident::new(format!("column{}", at + 1)),
        });
        let mut one = *template("SELECT 1")?.body;
        if let SetExpr::Select(select) = &mut one {
            select.projection = items.collect();
        }
        Some(one)
    });
    let Some(rows) = rows.collect::<Option<Vec<SetExpr>>>() else { return };
    let all = rows.into_iter().reduce(|left, right| SetExpr::SetOperation {
        left: Box::new(left),
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All,
        right: Box::new(right),
    });
    if let Some(all) = all {
        *query.body = all;
    }
}

/// `SELECT generate_series(1, 3)` as a relation beside the others.
pub(super) fn series_among_columns(select: &mut Select) {
    let is_series = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => series_arguments(expr).is_some(),
        _ => false,
    };
    // Several series would go on side by side, which one relation cannot say.
    if select.projection.iter().filter(|item| is_series(item)).count() != 1 {
        return;
    }
    let Some(item) = select.projection.iter_mut().find(|item| is_series(item)) else { return };
    let (expr, alias) = match item {
        SelectItem::UnnamedExpr(expr) => (expr, Ident::new("generate_series")),
        SelectItem::ExprWithAlias { expr, alias } => (expr, alias.clone()),
        _ => return,
    };
    let Some(args) = series_arguments(expr).cloned() else { return };
    let Some(mut query) = template("SELECT 1 FROM generate_series(1)") else { return };
    let SetExpr::Select(of_template) = query.body.as_mut() else { return };
    let Some(mut from) = of_template.from.pop() else { return };
    if let TableFactor::Table { alias: of_series, args: of_call, .. } = &mut from.relation {
        *of_call = Some(TableFunctionArgs { args, settings: None });
        *of_series = Some(TableAlias {
            explicit: true,
            name: Ident::new(SERIES),
            columns: vec![TableAliasColumnDef { name: Ident::new(SERIES), data_type: None }],
            at: None,
        });
    }
    *item = SelectItem::ExprWithAlias {
        expr: Expr::CompoundIdentifier(vec![Ident::new(SERIES), Ident::new(SERIES)]),
        alias,
    };
    select.from.push(TableWithJoins { relation: from.relation, joins: Vec::new() });
}

const SERIES: &str = "__series";

fn series_arguments(expr: &Expr) -> Option<&Vec<FunctionArg>> {
    let Expr::Function(Function { name, args: FunctionArguments::List(list), over: None, .. }) = expr else {
        return None;
    };
    (name.to_string().eq_ignore_ascii_case("generate_series")).then_some(&list.args)
}

/// `(a, b) OVERLAPS (c, d)`: stretches from the earlier to the later time, without the later one.
pub(super) fn overlaps(expr: &mut Expr) {
    let Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } = expr else { return };
    let (Some((a, b)), Some((c, d))) = (stretch(left), stretch(right)) else { return };
    let ends = |one: &Expr, other: &Expr| {
        (call("least", vec![one.clone(), other.clone()]), call("greatest", vec![one.clone(), other.clone()]))
    };
    let ((start, end), (other_start, other_end)) = (ends(&a, &b), ends(&c, &d));
    let compare = |left: &Expr, op: BinaryOperator, right: &Expr| operation(left.clone(), op, right.clone());
    let both = |one: Expr, other: Expr| operation(one, BinaryOperator::And, other);
    let same = compare(&start, BinaryOperator::Eq, &other_start);
    let later =
        both(compare(&start, BinaryOperator::Gt, &other_start), compare(&start, BinaryOperator::Lt, &other_end));
    let earlier =
        both(compare(&start, BinaryOperator::Lt, &other_start), compare(&other_start, BinaryOperator::Lt, &end));
    *expr = operation(operation(same, BinaryOperator::Or, later), BinaryOperator::Or, earlier);
}

/// Both ends of a stretch; the second may be written as its length.
fn stretch(row: &Expr) -> Option<(Expr, Expr)> {
    let Expr::Tuple(ends) = bare(row) else { return None };
    let [start, end] = ends.as_slice() else { return None };
    let is_length = match bare(end) {
        Expr::Interval(_) => true,
        Expr::Cast { data_type, .. } => matches!(data_type, DataType::Interval { .. }),
        _ => false,
    };
    let end = if is_length { operation(start.clone(), BinaryOperator::Plus, end.clone()) } else { end.clone() };
    Some((start.clone(), end))
}

/// `current_timestamp(3)` as a cast of `current_timestamp`.
pub(super) fn times_with_digits(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let zone = match function.name.to_string().to_lowercase().as_str() {
        "current_timestamp" => TimezoneInfo::WithTimeZone,
        "localtimestamp" => TimezoneInfo::None,
        _ => return,
    };
    let FunctionArguments::List(list) = &function.args else { return };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(digits)))] = list.args.as_slice() else { return };
    let Value::Number(digits, _) = &digits.value else { return };
    let Ok(digits) = digits.to_string().parse::<u64>() else { return };
    function.args = FunctionArguments::None;
    *expr = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(take(expr)),
        data_type: DataType::Timestamp(Some(digits.min(6)), zone),
        array: false,
        format: None,
    };
}

/// `make_interval(days => 3)`: arguments by name in their places.
pub(super) fn interval_by_names(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    if !function.name.to_string().eq_ignore_ascii_case("make_interval") {
        return;
    }
    let FunctionArguments::List(list) = &mut function.args else { return };
    if list.args.iter().all(|argument| matches!(argument, FunctionArg::Unnamed(_))) {
        return;
    }
    let mut places: Vec<Expr> = (0..INTERVAL_PARTS.len()).map(|_| number(0)).collect();
    for (at, argument) in list.args.iter().enumerate() {
        let (place, value) = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (Some(at), value),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. }
            | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
                (INTERVAL_PARTS.iter().position(|part| name.value.eq_ignore_ascii_case(part)), value)
            }
            _ => return,
        };
        // What is no part is left to the planner, which refuses it.
        let Some(place) = place.and_then(|place| places.get_mut(place)) else { return };
        *place = value.clone();
    }
    list.args = places.into_iter().map(|value| FunctionArg::Unnamed(FunctionArgExpr::Expr(value))).collect();
}

/// Names of the arguments of `make_interval`.
const INTERVAL_PARTS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

/// Functions under the names or signs that DataFusion has for them.
pub(super) fn functions_by_other_names(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let [name] = function.name.0.as_slice() else { return };
    let Some(name) = name.as_ident().map(|name| name.value.to_lowercase()) else { return };
    let renamed = match name.as_str() {
        "every" => "bool_and",
        "clock_timestamp" | "statement_timestamp" | "transaction_timestamp" => "now",
        "gen_random_uuid" => "uuid",
        "localtime" => {
            let mut local = function.clone();
            local.name = ObjectName::from(vec![Ident::new("localtimestamp")]);
            *expr = as_time(Expr::Function(local));
            return;
        }
        "make_time" => {
            if let FunctionArguments::List(list) = &function.args
                && list.args.len() == 3
            {
                let day = [2_000, 1, 1].map(|part| FunctionArg::Unnamed(FunctionArgExpr::Expr(number(part))));
                let mut time = function.clone();
                time.name = ObjectName::from(vec![Ident::new("make_timestamp")]);
                let args = day.into_iter().chain(list.args.iter().cloned()).collect();
                time.args = FunctionArguments::List(FunctionArgumentList { args, ..list.clone() });
                *expr = as_time(Expr::Function(time));
            }
            return;
        }
        "mod" => {
            if let Some((dividend, divisor)) = two_arguments(function) {
                *expr = operation(dividend, BinaryOperator::Modulo, divisor);
            }
            return;
        }
        "div" => {
            if let Some((dividend, divisor)) = two_arguments(function) {
                *expr = call("trunc", vec![operation(dividend, BinaryOperator::Divide, divisor)]);
            }
            return;
        }
        _ => return,
    };
    function.name = ObjectName::from(vec![Ident::new(renamed)]);
}

/// The time of the day of a local time.
fn as_time(local: Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(local),
        data_type: DataType::Time(None, TimezoneInfo::None),
        array: false,
        format: None,
    }
}

fn two_arguments(function: &Function) -> Option<(Expr, Expr)> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(first)), FunctionArg::Unnamed(FunctionArgExpr::Expr(second))] => {
            Some((first.clone(), second.clone()))
        }
        _ => None,
    }
}
