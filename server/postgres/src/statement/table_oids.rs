//! `tableoid`, a column that every relation of PostgreSQL has and that no list of columns shows: the OID of the relation of a row.
//! In relations of the catalog it is put in as a constant, since no relation of the engine can hide a column.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Ident, ObjectName, Query, Select, SelectItem, Statement, TableFactor, TableWithJoins,
    Value,
};
use zonelake_timeseries::{SyntaxVisitorMut, visit_statement_mut};

use crate::catalog::relation_oids::PG_CATALOG;
use crate::catalog::relation_oids::catalog_relation;
use crate::statement::build::literal;

/// Puts the OIDs of the relations of the catalog in the place of their `tableoid`. Their names have their schema by now.
pub(crate) fn replace_table_oids(statement: &mut Statement) {
    let walk = visit_statement_mut(statement, &mut TableOids { scopes: Vec::new() });
    debug_assert!(walk.is_continue(), "nothing ends the walk");
}

const COLUMN: &str = "tableoid";

/// Relation of a SELECT: its name there in lower case, and its OID where it is of the catalog.
type Named = (String, Option<i32>);

struct TableOids {
    /// Relations of the SELECT of each query that the walk is in, outer ones first.
    scopes: Vec<Vec<Named>>,
}

impl SyntaxVisitorMut for TableOids {
    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.scopes.push(Vec::new());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut named = Vec::new();
        select.from.iter().for_each(|tables| name_tables(tables, &mut named));
        // The selects of a UNION are of one query, and come one behind the other.
        if let Some(scope) = self.scopes.last_mut() {
            *scope = named;
        }
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && self.oid_of(expr).is_some()
            {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::new(COLUMN) };
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(oid) = self.oid_of(expr) {
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(literal(Value::Number(oid.to_string(), false))),
                data_type: DataType::Custom(ObjectName::from(vec![Ident::new("oid")]), Vec::new()),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

impl TableOids {
    /// OID that an expression stands for, where it is the `tableoid` of a relation of the catalog.
    fn oid_of(&self, expr: &Expr) -> Option<i32> {
        match expr {
            Expr::CompoundIdentifier(parts) => {
                let [.., relation, column] = parts.as_slice() else { return None };
                if !column.value.eq_ignore_ascii_case(COLUMN) {
                    return None;
                }
                let wanted = relation.value.to_lowercase();
                let found = |scope: &Vec<Named>| scope.iter().find(|(name, _)| *name == wanted).map(|(_, oid)| *oid);
                self.scopes.iter().rev().find_map(found)?
            }
            // Of several relations PostgreSQL does not know whose it is either.
            Expr::Identifier(column) if column.value.eq_ignore_ascii_case(COLUMN) => {
                match self.scopes.last()?.as_slice() {
                    [(_, oid)] => *oid,
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn name_tables(tables: &TableWithJoins, named: &mut Vec<Named>) {
    name_table(&tables.relation, named);
    tables.joins.iter().for_each(|join| name_table(&join.relation, named));
}

fn name_table(table: &TableFactor, named: &mut Vec<Named>) {
    match table {
        TableFactor::Table { name, alias, .. } => {
            let parts: Vec<String> =
                name.0.iter().filter_map(|part| part.as_ident().map(|part| part.value.to_lowercase())).collect();
            let oid = match parts.as_slice() {
                [schema, table] if schema == PG_CATALOG => catalog_relation(table).map(|relation| relation.oid),
                _ => None,
            };
            let called = alias.as_ref().map(|alias| alias.name.value.to_lowercase()).or_else(|| parts.last().cloned());
            named.extend(called.map(|called| (called, oid)));
        }
        TableFactor::Derived { alias: Some(alias), .. } => named.push((alias.name.value.to_lowercase(), None)),
        TableFactor::NestedJoin { table_with_joins, .. } => name_tables(table_with_joins, named),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn the_oid_is_that_of_the_relation_that_has_the_name_there() {
        for (sql, rewritten) in [
            (
                "SELECT tableoid, oid FROM pg_catalog.pg_type",
                "SELECT CAST(1247 AS oid) AS tableoid, oid FROM pg_catalog.pg_type",
            ),
            // Of two relations without the name of one, and of a relation that is not the catalog's: left for the planner to refuse.
            (
                "SELECT tableoid FROM pg_catalog.pg_type, pg_catalog.pg_class",
                "SELECT tableoid FROM pg_catalog.pg_type, pg_catalog.pg_class",
            ),
            ("SELECT p.tableoid FROM probe AS p", "SELECT p.tableoid FROM probe AS p"),
            // One name stands for two relations in the two halves.
            (
                "SELECT t.tableoid FROM pg_catalog.pg_type AS t UNION SELECT t.tableoid FROM pg_catalog.pg_trigger AS t",
                "SELECT CAST(1247 AS oid) AS tableoid FROM pg_catalog.pg_type AS t UNION \
                 SELECT CAST(2620 AS oid) AS tableoid FROM pg_catalog.pg_trigger AS t",
            ),
            // A subquery reads the relation around it, and has a column of that name itself.
            (
                "SELECT 1 FROM pg_catalog.pg_class AS c JOIN (SELECT 1 AS tableoid) AS d ON d.tableoid = c.tableoid",
                "SELECT 1 FROM pg_catalog.pg_class AS c JOIN (SELECT 1 AS tableoid) AS d ON d.tableoid = CAST(1259 AS oid)",
            ),
        ] {
            let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            replace_table_oids(&mut statement);
            assert_eq!(statement.to_string(), rewritten);
        }
    }
}
