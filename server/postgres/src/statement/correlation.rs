//! How a subquery that stands for one value refers outwards, which decides whether DataFusion can plan it.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, ObjectNamePart, Query, SetExpr, TableFactor, Visit, Visitor,
};

/// How a subquery refers to the tables of the query around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Correlation {
    /// Not at all.
    None,
    /// By equalities that its rows must hold, which make a join of it.
    Equality,
    /// In another way.
    Other,
}

/// How this one does. Columns without the name of a table are taken for its own.
pub(crate) fn correlation(query: &Query) -> Correlation {
    let mut tables = Tables(HashSet::new());
    let _ = query.visit(&mut tables);
    let own = tables.0;
    let (mut all, SetExpr::Select(select)) = (Outward { own: &own, found: 0 }, query.body.as_ref()) else {
        let mut all = Outward { own: &own, found: 0 };
        let _ = query.visit(&mut all);
        return if all.found == 0 { Correlation::None } else { Correlation::Other };
    };
    let _ = query.visit(&mut all);
    if all.found == 0 {
        return Correlation::None;
    }
    let mut terms = Vec::new();
    if let Some(selection) = &select.selection {
        conjuncts(selection, &mut terms);
    }
    let mut by_equality = 0;
    for term in terms {
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = term else { continue };
        let (left, right) = (outward(left, &own), outward(right, &own));
        // One side is of the query around, the other of this one.
        if (left == 0) != (right == 0) {
            by_equality += left + right;
        }
    }
    if by_equality == all.found { Correlation::Equality } else { Correlation::Other }
}

fn conjuncts<'a>(expr: &'a Expr, terms: &mut Vec<&'a Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left, terms);
            conjuncts(right, terms);
        }
        Expr::Nested(inner) => conjuncts(inner, terms),
        other => terms.push(other),
    }
}

fn outward(expr: &Expr, own: &HashSet<String>) -> usize {
    let mut found = Outward { own, found: 0 };
    let _ = expr.visit(&mut found);
    found.found
}

/// Names by which the tables of a query, and of those within it, are called.
struct Tables(HashSet<String>);

impl Visitor for Tables {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let name = match table {
            TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
                Some(alias.name.value.to_lowercase())
            }
            TableFactor::Table { name, .. } => {
                name.0.last().and_then(ObjectNamePart::as_ident).map(|name| name.value.to_lowercase())
            }
            _ => None,
        };
        self.0.extend(name);
        ControlFlow::Continue(())
    }
}

/// Counts the columns of other tables.
struct Outward<'a> {
    own: &'a HashSet<String>,
    found: usize,
}

impl Visitor for Outward<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [.., table, _] = parts.as_slice()
            && !self.own.contains(&table.value.to_lowercase())
        {
            self.found += 1;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn what_refers_outwards_by_equality_is_told_from_other_ways() {
        for (sql, expected) in [
            ("select c.relkind from pg_class c", Correlation::None),
            ("select relkind = 'c' from pg_class c where c.oid = t.typrelid", Correlation::Equality),
            ("select 1 from pg_class c where (c.oid = t.typrelid and c.relkind = 'c')", Correlation::Equality),
            ("select 1 from pg_class c where c.oid = t.typrelid and t.typname <> c.relname", Correlation::Other),
            ("select t.typname from pg_class c", Correlation::Other),
            ("select 1 from pg_class where t.oid = pg_class.oid + t.oid", Correlation::Other),
            (
                "select 1 from pg_catalog.pg_class where pg_catalog.pg_class.oid = pg_catalog.pg_type.oid",
                Correlation::Equality,
            ),
        ] {
            let Statement::Query(query) = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0) else {
                panic!("{sql}");
            };
            assert_eq!(correlation(&query), expected, "{sql}");
        }
    }
}
