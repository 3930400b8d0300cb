//! Correlation of a subquery that stands for one value with the query around it, which decides whether DataFusion can
//! plan it.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, ObjectNamePart, Query, SetExpr, TableFactor};
use zonelake_timeseries::{SyntaxVisitor, visit_expr, visit_query};

/// Kind of reference from a subquery to the relations of the query around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correlation {
    /// No reference.
    None,
    /// Equalities in the condition of the subquery, by which DataFusion makes it a join.
    Equality,
    /// Any other reference.
    Other,
}

/// Correlation of a subquery. Columns without the name of a relation are taken for its own.
pub fn correlation(query: &Query) -> Correlation {
    let mut relations = Relations(HashSet::new());
    let walk = visit_query(query, &mut relations);
    debug_assert!(walk.is_continue(), "all relations are looked at");
    let own = relations.0;
    let mut outer = OuterColumns { own: &own, found: 0 };
    let walk = visit_query(query, &mut outer);
    debug_assert!(walk.is_continue(), "all columns are looked at");
    if outer.found == 0 {
        return Correlation::None;
    }
    let SetExpr::Select(select) = query.body.as_ref() else { return Correlation::Other };
    let mut terms = Vec::new();
    if let Some(selection) = &select.selection {
        conjuncts(selection, &mut terms);
    }
    let mut by_equality = 0;
    for term in terms {
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = term else { continue };
        let (left, right) = (outer_columns(left, &own), outer_columns(right, &own));
        // One side is of the query around, the other of the subquery: only that makes a join.
        if (left == 0) != (right == 0) {
            // Only columns under such equalities are accounted for.
            by_equality += left + right;
        }
    }
    if by_equality == outer.found { Correlation::Equality } else { Correlation::Other }
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

fn outer_columns(expr: &Expr, own: &HashSet<String>) -> usize {
    let mut outer = OuterColumns { own, found: 0 };
    let walk = visit_expr(expr, &mut outer);
    debug_assert!(walk.is_continue(), "all columns are looked at");
    outer.found
}

/// Collects the names of the relations of a query and of the queries within it, in lower case.
struct Relations(HashSet<String>);

impl SyntaxVisitor for Relations {
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

/// Counts the columns of relations that are not the query's own.
struct OuterColumns<'a> {
    own: &'a HashSet<String>,
    found: usize,
}

impl SyntaxVisitor for OuterColumns<'_> {
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
    fn correlation_by_equality_is_told_from_other_kinds() {
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
