//! Names of the columns of the queries within a statement, in FROM and in WITH, by which the query around them asks:
//! `SELECT max FROM (SELECT max(x) FROM t) s`. Where two columns have one name, both get an internal one: PostgreSQL takes
//! such a query, and refuses the name.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableAlias, TableAliasColumnDef,
    TableFactor,
};
use zonelake_timeseries::{SyntaxVisitor, SyntaxVisitorMut, visit_expr, visit_statement_mut};

use super::column_names::{Column, internal, is_star, may_have, rename};

/// Names the columns of all queries within a statement.
pub(crate) fn name_relations(statement: &mut Statement) {
    let walk = visit_statement_mut(statement, &mut Relations);
    debug_assert!(walk.is_continue(), "nothing ends the walk");
}

struct Relations;

impl SyntaxVisitorMut for Relations {
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for part in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            let names = name_query(&mut part.query);
            name_columns_of(Some(&mut part.alias), names);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, relation: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Derived { subquery, alias, .. } = relation {
            let names = name_query(subquery);
            name_columns_of(alias.as_mut(), names);
        }
        ControlFlow::Continue(())
    }
}

/// Gives a relation the names of its columns, where they are not those of its query and the statement gives it none.
fn name_columns_of(alias: Option<&mut TableAlias>, names: Option<Vec<Ident>>) {
    if let (Some(alias), Some(names)) = (alias, names)
        && alias.columns.is_empty()
    {
        alias.columns = names.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
    }
}

/// Names the columns of a query; returns the names of all where the query must not have them itself.
fn name_query(query: &mut Query) -> Option<Vec<Ident>> {
    name_body(&mut query.body, query.order_by.as_ref())
}

fn name_body(body: &mut SetExpr, order_by: Option<&OrderBy>) -> Option<Vec<Ident>> {
    match body {
        SetExpr::Select(select) => name_select(select, order_by),
        SetExpr::Query(query) => name_query(query),
        // Each part, since DataFusion lets none have two columns of one name.
        SetExpr::SetOperation { left, right, .. } => {
            name_body(left, None);
            name_body(right, None);
            None
        }
        _ => None,
    }
}

fn name_select(select: &mut Select, order_by: Option<&OrderBy>) -> Option<Vec<Ident>> {
    let stars: Vec<SelectItem> = select.projection.iter().filter(|item| is_star(item)).cloned().collect();
    let has_star = !stars.is_empty();
    let columns: Vec<Option<Column>> = select.projection.iter().map(Column::of).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for column in columns.iter().flatten() {
        *counts.entry(&column.name).or_default() += 1;
    }
    let (mut names, mut captured) = (Vec::new(), false);
    for (index, (item, column)) in select.projection.iter_mut().zip(&columns).enumerate() {
        let Some(column) = column else { continue };
        if counts.get(column.name.as_str()).is_some_and(|count| *count > 1)
            || column.is_plain && stars.iter().any(|star| may_have(star, item))
        {
            rename(item, internal(&column.name, index));
            names.push(internal(&column.name, index));
            continue;
        }
        let name = Ident::with_quote('"', &column.name);
        if !column.is_plain && !column.is_named {
            let is_captured = is_captured(item, &column.name, order_by);
            captured |= is_captured;
            if !is_captured {
                rename(item, name.clone());
            } else if !has_star {
                rename(item, internal(&column.name, index));
            }
        }
        names.push(name);
    }
    (captured && names.len() == columns.len()).then_some(names)
}

/// True where the name would stand for the column within an expression of ORDER BY, which means a column of a relation there:
/// `SELECT time::date FROM t ORDER BY extract(hour FROM time)`.
fn is_captured(item: &SelectItem, name: &str, order_by: Option<&OrderBy>) -> bool {
    let (Some(OrderBy { kind: OrderByKind::Expressions(all), .. }), SelectItem::UnnamedExpr(expr)) = (order_by, item)
    else {
        return false;
    };
    mentions(expr, name) && all.iter().any(|by| !matches!(by.expr, Expr::Identifier(_)) && mentions(&by.expr, name))
}

fn mentions(expr: &Expr, name: &str) -> bool {
    visit_expr(expr, &mut Mention(name)).is_break()
}

/// Ends the walk at a column of a name.
struct Mention<'a>(&'a str);

impl SyntaxVisitor for Mention<'_> {
    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) if name.value.eq_ignore_ascii_case(self.0) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn columns_of_queries_within_have_the_names_that_postgresql_gives() {
        let named = |sql: &str| {
            let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).expect(sql).remove(0);
            name_relations(&mut statement);
            statement.to_string().replace('\u{2060}', "~")
        };
        for (sql, expected) in [
            ("SELECT max FROM (SELECT max(x) FROM t) AS s", "SELECT max FROM (SELECT max(x) AS \"max\" FROM t) AS s"),
            (
                "WITH s AS (SELECT a, 1 FROM t) SELECT * FROM s",
                "WITH s AS (SELECT a, 1 AS \"?column?\" FROM t) SELECT * FROM s",
            ),
            (
                "SELECT * FROM (SELECT a.x, b.x FROM a, b) AS s",
                "SELECT * FROM (SELECT a.x AS \"x~0\", b.x AS \"x~1\" FROM a, b) AS s",
            ),
            ("SELECT x FROM (SELECT m.*, c.x FROM m, c) AS s", "SELECT x FROM (SELECT m.*, c.x FROM m, c) AS s"),
            (
                "SELECT 1 FROM (SELECT m.*, M.x, y FROM m, c) AS s",
                "SELECT 1 FROM (SELECT m.*, M.x AS \"x~1\", y AS \"y~2\" FROM m, c) AS s",
            ),
            (
                "SELECT 1 FROM (SELECT time::DATE FROM t ORDER BY time) AS s",
                "SELECT 1 FROM (SELECT time::DATE AS \"time\" FROM t ORDER BY time) AS s",
            ),
            (
                "SELECT 1 FROM (SELECT time::DATE FROM t ORDER BY upper(time)) AS s",
                "SELECT 1 FROM (SELECT time::DATE AS \"time~0\" FROM t ORDER BY upper(time)) AS s (\"time\")",
            ),
            ("SELECT (SELECT max(x) FROM t), max(y) FROM u", "SELECT (SELECT max(x) FROM t), max(y) FROM u"),
        ] {
            assert_eq!(named(sql), expected);
        }
    }
}
