//! Statements that DataFusion takes and answers otherwise, refused with what to write instead.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    NullTreatment, Query, Select, SelectItem, SetExpr, TableFactor, Value, With,
};
use zonelake_timeseries::{SyntaxVisitor, visit_expr};

use crate::error::{QueryError, QueryErrorCode};

/// Refuses a sample of a table: DataFusion reads the whole table.
pub(super) fn check_relation(relation: &TableFactor) -> Result<(), QueryError> {
    match relation {
        TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
            Err(unsupported("TABLESAMPLE; write WHERE random() < 0.01 for a hundredth of the rows"))
        }
        TableFactor::Table { with_ordinality: true, .. }
        | TableFactor::Function { with_ordinality: true, .. }
        | TableFactor::UNNEST { with_ordinality: true, .. } => {
            Err(unsupported("WITH ORDINALITY but for unnest of one array; write row_number() OVER ()"))
        }
        // DataFusion applies the limit to the rows of all rows beside it together.
        TableFactor::Derived { lateral: true, subquery, .. }
            if subquery.limit_clause.is_some() || subquery.fetch.is_some() =>
        {
            Err(unsupported(
                "LIMIT in LATERAL; number the rows with row_number() OVER (PARTITION BY … ORDER BY …) in a subquery, join it, \
                 and keep those whose number is small",
            ))
        }
        _ => Ok(()),
    }
}

/// Refuses calls whose answer DataFusion gets wrong.
pub(super) fn check_call(expr: &Expr) -> Result<(), QueryError> {
    if let Expr::Collate { collation, .. } = expr {
        return Err(unsupported(&format!(
            "COLLATE {collation}; texts are ordered by their bytes, as COLLATE \"C\" does"
        )));
    }
    if let Expr::Like { pattern, escape_char: None, .. } | Expr::ILike { pattern, escape_char: None, .. } = expr
        && let Expr::Value(constant) = pattern.as_ref()
        && let Value::SingleQuotedString(text) = &constant.value
        && (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
    {
        let words = "LIKE pattern must not end with escape character";
        return Err(QueryError::new(QueryErrorCode::Sql, words).with_sqlstate("22025"));
    }
    if let Expr::Array(array) = expr
        && array.elem.is_empty()
    {
        let words = "cannot determine type of empty array: write '{}'::integer[], with the type of its items";
        return Err(QueryError::new(QueryErrorCode::Sql, words).with_sqlstate("42P18"));
    }
    let Expr::Function(function) = expr else { return Ok(()) };
    let FunctionArguments::List(list) = &function.args else { return Ok(()) };
    let name = function.name.to_string().to_lowercase();
    let of_rows =
        |argument: &FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_)));
    if name == "count" && list.args.iter().any(of_rows) {
        return Err(unsupported("count(t.*); write count(t.x) with a column of t that is never null, as its time"));
    }
    if function.over.is_some() && list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
        return Err(unsupported("DISTINCT in a window function; count the values in a subquery, and join it"));
    }
    if name == "nth_value" && list.args.get(1).is_some_and(is_zero) {
        let words = "argument of nth_value must be greater than zero";
        return Err(QueryError::new(QueryErrorCode::Sql, words).with_sqlstate("22016"));
    }
    if ["lead", "lag"].contains(&name.as_str())
        && function.null_treatment == Some(NullTreatment::IgnoreNulls)
        && list.args.get(1).is_some_and(|offset| !is_one(offset))
    {
        // DataFusion counts nulls among the rows that it skips.
        return Err(unsupported(
            "an offset other than 1 with IGNORE NULLS; filter the nulls out in a subquery and write lead(x, n) there",
        ));
    }
    Ok(())
}

/// Refuses aggregates with different orders of which one has DISTINCT: DataFusion orders all of them as the first.
pub(super) fn check_orders(select: &Select) -> Result<(), QueryError> {
    let mut orders = Orders { depth: 0, all: BTreeSet::new(), has_distinct: false };
    for item in &select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let walk = visit_expr(expr, &mut orders);
            debug_assert!(walk.is_continue(), "nothing ends the walk");
        }
    }
    if orders.has_distinct && orders.all.len() > 1 {
        return Err(unsupported(
            "aggregates with different orders beside one with DISTINCT; compute them in queries of their own, and join these",
        ));
    }
    Ok(())
}

/// Orders of the aggregates of an expression.
struct Orders {
    depth: usize,
    all: BTreeSet<String>,
    has_distinct: bool,
}

impl SyntaxVisitor for Orders {
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
            && let Expr::Function(Function { args: FunctionArguments::List(list), over: None, .. }) = expr
        {
            for clause in &list.clauses {
                if let FunctionArgumentClause::OrderBy(_) = clause {
                    self.all.insert(clause.to_string().to_lowercase());
                    self.has_distinct |= list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn is_one(argument: &FunctionArg) -> bool {
    is_number(argument, "1")
}

fn is_zero(argument: &FunctionArg) -> bool {
    is_number(argument, "0")
}

fn is_number(argument: &FunctionArg, wanted: &str) -> bool {
    matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))
        if matches!(&value.value, Value::Number(number, _) if number == wanted))
}

/// Refuses what PostgreSQL refuses in the recursive term of a CTE: DataFusion would apply it at each step, and never end.
pub(super) fn check_recursion(with: &With) -> Result<(), QueryError> {
    if !with.recursive {
        return Ok(());
    }
    for cte in &with.cte_tables {
        let query: &Query = &cte.query;
        let name = cte.alias.name.value.to_lowercase();
        let SetExpr::SetOperation { right, .. } = query.body.as_ref() else { continue };
        // A CTE that does not name itself is none that recurs.
        if !names(right, &name) {
            continue;
        }
        if query.order_by.is_some() {
            return Err(unsupported("ORDER BY in a recursive query; write it outside"));
        }
        if query.limit_clause.is_some() || query.fetch.is_some() {
            return Err(unsupported("LIMIT in a recursive query; end it by a condition in its WHERE"));
        }
        check_term(right)?;
    }
    Ok(())
}

fn check_term(term: &SetExpr) -> Result<(), QueryError> {
    match term {
        SetExpr::Query(query) => {
            if query.order_by.is_some() {
                return Err(unsupported("ORDER BY in the recursive term of a query; write it outside"));
            }
            if query.limit_clause.is_some() || query.fetch.is_some() {
                return Err(unsupported("LIMIT in the recursive term of a query; end it by a condition in its WHERE"));
            }
            check_term(&query.body)
        }
        SetExpr::Select(select) => {
            let grouped = match &select.group_by {
                datafusion::sql::sqlparser::ast::GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
                datafusion::sql::sqlparser::ast::GroupByExpr::All(_) => true,
            };
            let calls = select.projection.iter().any(|item| {
                matches!(item, SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } if aggregates(expr))
            });
            if grouped || select.having.is_some() || calls {
                let words = "aggregate functions are not allowed in a recursive query's recursive term";
                return Err(QueryError::new(QueryErrorCode::Sql, words).with_sqlstate("42P19"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn aggregates(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    let name = function.name.to_string().to_lowercase();
    function.over.is_none()
        && ["count", "sum", "avg", "min", "max", "array_agg", "string_agg", "bool_and", "bool_or"]
            .contains(&name.as_str())
}

fn names(term: &SetExpr, cte: &str) -> bool {
    let of_relation = |relation: &TableFactor| matches!(relation, TableFactor::Table { name, .. } if name.to_string().to_lowercase() == cte);
    match term {
        SetExpr::Select(select) => select
            .from
            .iter()
            .any(|table| of_relation(&table.relation) || table.joins.iter().any(|join| of_relation(&join.relation))),
        SetExpr::Query(query) => names(&query.body, cte),
        SetExpr::SetOperation { left, right, .. } => names(left, cte) || names(right, cte),
        _ => false,
    }
}

fn unsupported(what: &str) -> QueryError {
    QueryError::new(QueryErrorCode::Sql, format!("not supported: {what}")).with_sqlstate("0A000")
}
