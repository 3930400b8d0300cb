//! Empty relations of the catalog: keys, indexes, defaults, policies and the like, of which there are none here.
//! Clients read them by queries that DataFusion cannot plan, as by composite values of functions. A join with an empty
//! relation is empty whatever its columns are, so such a query needs no plan.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, JoinOperator, ObjectName, Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins,
    Value,
};
use zonelake_query::dialect::calls_aggregate;
use zonelake_timeseries::{SyntaxVisitorMut, visit_statement_mut};

use crate::catalog::relations::without_rows::{is_kind_of_relation, is_without_rows, is_without_texts};
use crate::statement::build::literal;
use crate::statement::with_names::names_of_with;

/// Names of the queries of WITH that are known, in lower case: true for each that has no rows.
type Named = HashMap<String, bool>;

/// True where a catalog query has no rows for certain.
pub(crate) fn is_surely_empty(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => query_is_empty(query, &Named::new()),
        _ => false,
    }
}

/// Replaces each subquery without rows by its meaning: null as a value, false where a row is looked for.
pub(crate) fn replace_empty_subqueries(statement: &mut Statement) {
    let named = names_of_with(statement).into_iter().map(|name| (name, false)).collect();
    let walk = visit_statement_mut(statement, &mut EmptySubqueries(named));
    debug_assert!(walk.is_continue(), "all subqueries are looked at");
}

/// Replaces subqueries; a query of WITH is taken for one with rows.
struct EmptySubqueries(Named);

impl SyntaxVisitorMut for EmptySubqueries {
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let is_empty = |query: &Query| query_is_empty(query, &self.0);
        if joined_array(expr).is_some_and(is_empty) {
            *expr = literal(Value::SingleQuotedString(String::new()));
            return ControlFlow::Continue(());
        }
        let meaning = match expr {
            Expr::Subquery(query) if is_empty(query) => Value::Null,
            // `ARRAY(SELECT …)`, as the constant that every type of arrays reads.
            Expr::Function(function) => match &function.args {
                FunctionArguments::Subquery(query) if is_empty(query) => {
                    *expr = empty_array(query);
                    return ControlFlow::Continue(());
                }
                _ => return ControlFlow::Continue(()),
            },
            Expr::Exists { subquery, negated } | Expr::InSubquery { subquery, negated, .. } if is_empty(subquery) => {
                Value::Boolean(*negated)
            }
            _ => return ControlFlow::Continue(()),
        };
        *expr = literal(meaning);
        ControlFlow::Continue(())
    }
}

/// The query of `array_to_string(ARRAY(SELECT …), …)`, which is an empty text where the query has no rows.
fn joined_array(expr: &Expr) -> Option<&Query> {
    let Expr::Function(function) = expr else { return None };
    let FunctionArguments::List(arguments) = &function.args else { return None };
    match arguments.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(array)))
            if is_call_of(&function.name, "array_to_string") =>
        {
            match &array.args {
                FunctionArguments::Subquery(query) => Some(query),
                _ => None,
            }
        }
        _ => None,
    }
}

/// True where a query has no rows.
fn query_is_empty(query: &Query, named: &Named) -> bool {
    let mut named = named.clone();
    for part in query.with.iter().flat_map(|with| &with.cte_tables) {
        let is_empty = query_is_empty(&part.query, &named);
        // A subquery with rows hides an outer one, and a relation, of its name.
        named.insert(part.alias.name.value.to_lowercase(), is_empty);
    }
    body_is_empty(&query.body, &named)
}

fn body_is_empty(body: &SetExpr, named: &Named) -> bool {
    match body {
        SetExpr::Select(select) => select_is_empty(select, named),
        SetExpr::Query(query) => query_is_empty(query, named),
        SetExpr::SetOperation { left, right, .. } => body_is_empty(left, named) && body_is_empty(right, named),
        _ => false,
    }
}

fn select_is_empty(select: &Select, named: &Named) -> bool {
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(all, _) if all.is_empty());
    // An aggregate without groups makes one row of none.
    if !is_grouped && select.projection.iter().any(is_aggregate) {
        return false;
    }
    select.from.iter().any(|tables| tables_are_empty(tables, named))
        || select.selection.as_ref().is_some_and(is_never_true)
}

/// True for a condition that no row of the catalog meets: of a list that is null in every row, or of a kind of relations of which there
/// are none. A telemetry table has no such columns, since only catalog queries come here.
fn is_never_true(condition: &Expr) -> bool {
    match condition {
        Expr::Nested(inner) => is_never_true(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => is_never_true(left) || is_never_true(right),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => is_never_true(left) && is_never_true(right),
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => is_kind(left) && is_other_kind(right),
        Expr::InList { expr, list, negated: false } => is_kind(expr) && list.iter().all(is_other_kind),
        Expr::IsNotNull(column) => column_name(column).is_some_and(|column| is_without_texts(&column)),
        _ => false,
    }
}

fn is_kind(expr: &Expr) -> bool {
    column_name(expr).is_some_and(|column| column == "relkind")
}

fn is_other_kind(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(kind) => !is_kind_of_relation(kind),
            _ => false,
        },
        Expr::Cast { expr, .. } => is_other_kind(expr),
        _ => false,
    }
}

/// Name of a column in lower case.
fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(column) => Some(column.value.to_lowercase()),
        Expr::CompoundIdentifier(names) => names.last().map(|column| column.value.to_lowercase()),
        _ => None,
    }
}

fn is_aggregate(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => calls_aggregate(expr),
        _ => false,
    }
}

fn tables_are_empty(tables: &TableWithJoins, named: &Named) -> bool {
    let mut is_empty = table_is_empty(&tables.relation, named);
    for join in &tables.joins {
        let other = table_is_empty(&join.relation, named);
        is_empty = match join.join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => is_empty || other,
            // An outer join keeps the rows of its own side.
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => is_empty,
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => other,
            _ => is_empty && other,
        };
    }
    is_empty
}

fn table_is_empty(table: &TableFactor, named: &Named) -> bool {
    match table {
        TableFactor::Table { name, args: None, .. } => {
            let last = name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.to_lowercase());
            last.is_some_and(|last| match name.0.len() {
                // A name without a schema may be of a subquery of WITH.
                1 => named.get(&last).copied().unwrap_or_else(|| is_without_rows(&last)),
                _ => is_without_rows(&last),
            })
        }
        TableFactor::Table { name, args: Some(_), .. } => {
            // Of access lists there are none, so their items have no rows.
            is_call_of(name, "aclexplode") || is_unnest_of_no_texts(table)
        }
        TableFactor::UNNEST { .. } => is_unnest_of_no_texts(table),
        TableFactor::Derived { subquery, .. } => query_is_empty(subquery, named),
        TableFactor::NestedJoin { table_with_joins, .. } => tables_are_empty(table_with_joins, named),
        _ => false,
    }
}

/// `unnest` of a list of the catalog that is null in every row, as `unnest(c.reloptions)`, or the same of options.
fn is_unnest_of_no_texts(table: &TableFactor) -> bool {
    let argument = match table {
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.first().filter(|_| array_exprs.len() == 1),
        TableFactor::Table { name, args: Some(arguments), .. } => match arguments.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))]
                if is_call_of(name, "unnest") || is_call_of(name, "pg_options_to_table") =>
            {
                Some(argument)
            }
            _ => None,
        },
        _ => None,
    };
    argument.and_then(column_name).is_some_and(|column| is_without_texts(&column))
}

fn is_call_of(name: &ObjectName, function: &str) -> bool {
    name.0.last().is_some_and(|last| last.to_string().eq_ignore_ascii_case(function))
}

/// The array of a query without rows: of texts where it is made of a list of texts, since `||` has to know.
fn empty_array(query: &Query) -> Expr {
    let empty = literal(Value::SingleQuotedString("{}".to_owned()));
    let SetExpr::Select(select) = query.body.as_ref() else { return empty };
    match select.from.iter().any(|tables| is_unnest_of_no_texts(&tables.relation)) {
        true => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(empty),
            data_type: DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None)),
            array: false,
            format: None,
        },
        false => empty,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn only_what_has_no_rows_for_certain_is_empty() {
        for (sql, is_empty) in [
            ("select * from pg_class", false),
            ("select conname from pg_catalog.pg_constraint", true),
            ("select 1 from pg_class c join pg_index i on i.indrelid = c.oid left join pg_am on true", true),
            ("select 1 from pg_class c left join pg_index i on i.indrelid = c.oid", false),
            ("select 1 from pg_class c, pg_inherits i where c.oid = i.inhparent", true),
            ("select 1 from pg_index i right join pg_class c on true", false),
            ("select count(*) from pg_index", false),
            ("select (select max(oid) from pg_class) from pg_index", true),
            ("select coalesce(max(indrelid), 0) from pg_index", false),
            ("select indrelid, count(*) from pg_index group by 1", true),
            ("select 1 from (select unnest(conkey) from pg_constraint) c", true),
            ("with k as (select 1 from pg_constraint) select * from k join pg_class on true", true),
            ("with pg_index as (select 1) select 1 from pg_index_of_mine", false),
            ("with pg_index as (select 1) select 1 from pg_index", false),
            ("select 1 from pg_index union select 1 from pg_class", false),
            ("select 1 where exists (select 1 from pg_index)", false),
            ("select x from pg_class c, unnest(c.reloptions) x", true),
            ("select x from pg_class c, unnest(c.relname) x", false),
            ("select x from pg_class c left join unnest(c.relacl) x on true", false),
            ("select 1 from pg_class c where c.relkind in ('p', 'I', '') and c.oid > 0", true),
            ("select 1 from pg_class c where c.relkind in ('r', 'p')", false),
            ("select 1 from pg_class c where relkind = 'S'", true),
            ("select count(*) from pg_class c where relkind = 'S'", false),
            ("select 1 from pg_class c where relkind = 'S' or relname = 'probe'", false),
            ("select 1 from pg_class c where relacl is not null", true),
            ("select 1 from pg_class c where relacl is null", false),
        ] {
            let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            assert_eq!(is_surely_empty(&statement), is_empty, "{sql}");
        }
    }
}
