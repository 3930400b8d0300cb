//! Empty relations of the catalog: keys, indexes, defaults, policies and the like, of which there are none here.
//! Clients read them by queries that DataFusion cannot plan, as by composite values of functions. A join with an empty
//! relation is empty whatever its columns are, so such a query needs no plan.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, JoinOperator, Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, Value,
};
use zonelake_timeseries::{SyntaxVisitor, SyntaxVisitorMut, visit_expr, visit_statement_mut};

use crate::statement::build::literal;

/// Relations of the catalog that have no rows about any table of this server.
const EMPTY: [&str; 29] = [
    "check_constraints",
    "constraint_column_usage",
    "key_column_usage",
    "pg_attrdef",
    "pg_auth_members",
    "pg_constraint",
    "pg_depend",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_index",
    "pg_indexes",
    "pg_inherits",
    "pg_matviews",
    "pg_partitioned_table",
    "pg_policy",
    "pg_publication",
    "pg_publication_rel",
    "pg_rewrite",
    "pg_sequence",
    "pg_sequences",
    "pg_statistic_ext",
    "pg_trigger",
    "pg_user_mapping",
    "pg_views",
    "referential_constraints",
    "table_constraints",
];

/// Aggregates, which make one row of no rows.
const AGGREGATES: [&str; 9] = ["array_agg", "avg", "bool_and", "bool_or", "count", "max", "min", "string_agg", "sum"];

/// True where a catalog query has no rows for certain.
pub(crate) fn is_surely_empty(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => query_is_empty(query, &HashSet::new()),
        _ => false,
    }
}

/// Replaces each subquery without rows by its meaning: null as a value, false where a row is looked for.
pub(crate) fn replace_empty_subqueries(statement: &mut Statement) {
    let walk = visit_statement_mut(statement, &mut EmptySubqueries);
    debug_assert!(walk.is_continue(), "all subqueries are looked at");
}

struct EmptySubqueries;

impl SyntaxVisitorMut for EmptySubqueries {
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let is_empty = |query: &Query| query_is_empty(query, &HashSet::new());
        let meaning = match expr {
            Expr::Subquery(query) if is_empty(query) => Value::Null,
            Expr::Exists { subquery, negated } | Expr::InSubquery { subquery, negated, .. } if is_empty(subquery) => {
                Value::Boolean(*negated)
            }
            _ => return ControlFlow::Continue(()),
        };
        *expr = literal(meaning);
        ControlFlow::Continue(())
    }
}

/// True where a query has no rows; `named` are the names of subqueries of WITH that have none.
fn query_is_empty(query: &Query, named: &HashSet<String>) -> bool {
    let mut named = named.clone();
    for part in query.with.iter().flat_map(|with| &with.cte_tables) {
        let name = part.alias.name.value.to_lowercase();
        if query_is_empty(&part.query, &named) {
            named.insert(name);
        } else {
            // A subquery with rows hides an outer one of its name.
            named.remove(&name);
        }
    }
    body_is_empty(&query.body, &named)
}

fn body_is_empty(body: &SetExpr, named: &HashSet<String>) -> bool {
    match body {
        SetExpr::Select(select) => select_is_empty(select, named),
        SetExpr::Query(query) => query_is_empty(query, named),
        SetExpr::SetOperation { left, right, .. } => body_is_empty(left, named) && body_is_empty(right, named),
        _ => false,
    }
}

fn select_is_empty(select: &Select, named: &HashSet<String>) -> bool {
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(all, _) if all.is_empty());
    // An aggregate without groups makes one row of none.
    if !is_grouped && select.projection.iter().any(is_aggregate) {
        return false;
    }
    select.from.iter().any(|tables| tables_are_empty(tables, named))
}

fn is_aggregate(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr_is_aggregate(expr),
        _ => false,
    }
}

/// True where an expression calls an aggregate; those within its subqueries do not count.
pub(crate) fn expr_is_aggregate(expr: &Expr) -> bool {
    visit_expr(expr, &mut AggregateCalls { depth: 0 }).is_break()
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
            && let Some(name) = function.name.0.last().and_then(|part| part.as_ident())
            && AGGREGATES.contains(&name.value.to_lowercase().as_str())
        {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn tables_are_empty(tables: &TableWithJoins, named: &HashSet<String>) -> bool {
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

fn table_is_empty(table: &TableFactor, named: &HashSet<String>) -> bool {
    match table {
        TableFactor::Table { name, args: None, .. } => {
            let last = name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.to_lowercase());
            last.is_some_and(|last| match name.0.len() {
                // A name without a schema may be of a subquery of WITH.
                1 => named.contains(&last) || EMPTY.contains(&last.as_str()),
                _ => EMPTY.contains(&last.as_str()),
            })
        }
        TableFactor::Derived { subquery, .. } => query_is_empty(subquery, named),
        TableFactor::NestedJoin { table_with_joins, .. } => tables_are_empty(table_with_joins, named),
        _ => false,
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
            ("select 1 from pg_index union select 1 from pg_class", false),
            ("select 1 where exists (select 1 from pg_index)", false),
        ] {
            let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            assert_eq!(is_surely_empty(&statement), is_empty, "{sql}");
        }
    }
}
