//! Walks over a parsed statement, with the visitor behind dynamic dispatch.
//!
//! sqlparser generates its walk anew for each type of visitor: about half a megabyte of code each time. Here it is generated
//! once for reading and once for rewriting, in this crate, and every visitor of the program is called through a pointer.
//! The functions take no type parameter, because a generic one would be compiled again in each crate that calls it.

use std::fmt;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};

/// Visitor that reads. A visitor that breaks off with a value keeps the value itself.
pub type DynVisitor<'a> = dyn Visitor<Break = ()> + 'a;
/// Visitor that rewrites.
pub type DynVisitorMut<'a> = dyn VisitorMut<Break = ()> + 'a;

/// Walks a statement.
pub fn visit_statement(statement: &Statement, visitor: &mut DynVisitor<'_>) -> ControlFlow<()> {
    Visit::visit(statement, &mut Dispatch(visitor))
}

/// Walks a query and the queries within.
pub fn visit_query(query: &Query, visitor: &mut DynVisitor<'_>) -> ControlFlow<()> {
    Visit::visit(query, &mut Dispatch(visitor))
}

/// Walks an expression and the queries within.
pub fn visit_expr(expr: &Expr, visitor: &mut DynVisitor<'_>) -> ControlFlow<()> {
    Visit::visit(expr, &mut Dispatch(visitor))
}

/// Calls a function with each expression of a statement, outer ones first.
pub fn visit_expressions(statement: &Statement, function: &mut dyn FnMut(&Expr) -> ControlFlow<()>) -> ControlFlow<()> {
    visit_statement(statement, &mut Expressions(function))
}

/// Walks a statement and rewrites it.
pub fn visit_statement_mut(statement: &mut Statement, visitor: &mut DynVisitorMut<'_>) -> ControlFlow<()> {
    VisitMut::visit(statement, &mut Dispatch(visitor))
}

/// Walks a query and the queries within, and rewrites them.
pub fn visit_query_mut(query: &mut Query, visitor: &mut DynVisitorMut<'_>) -> ControlFlow<()> {
    VisitMut::visit(query, &mut Dispatch(visitor))
}

/// Walks an expression and the queries within, and rewrites them.
pub fn visit_expr_mut(expr: &mut Expr, visitor: &mut DynVisitorMut<'_>) -> ControlFlow<()> {
    VisitMut::visit(expr, &mut Dispatch(visitor))
}

/// Calls a function with each expression of a statement, inner ones first.
pub fn visit_expressions_mut(
    statement: &mut Statement,
    function: &mut dyn FnMut(&mut Expr) -> ControlFlow<()>,
) -> ControlFlow<()> {
    visit_statement_mut(statement, &mut Expressions(function))
}

/// The one type of visitor for which the walk is generated.
struct Dispatch<V>(V);

impl<V> fmt::Debug for Dispatch<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dispatch").finish_non_exhaustive()
    }
}

macro_rules! forward {
    ($($method:ident($node:ty)),* $(,)?) => {
        impl Visitor for Dispatch<&mut DynVisitor<'_>> {
            type Break = ();
            $(fn $method(&mut self, node: &$node) -> ControlFlow<()> {
                self.0.$method(node)
            })*
        }

        impl VisitorMut for Dispatch<&mut DynVisitorMut<'_>> {
            type Break = ();
            $(fn $method(&mut self, node: &mut $node) -> ControlFlow<()> {
                self.0.$method(node)
            })*
        }
    };
}

forward! {
    pre_visit_query(Query),
    post_visit_query(Query),
    pre_visit_select(Select),
    post_visit_select(Select),
    pre_visit_relation(ObjectName),
    post_visit_relation(ObjectName),
    pre_visit_table_factor(TableFactor),
    post_visit_table_factor(TableFactor),
    pre_visit_expr(Expr),
    post_visit_expr(Expr),
    pre_visit_statement(Statement),
    post_visit_statement(Statement),
    pre_visit_value(ValueWithSpan),
    post_visit_value(ValueWithSpan),
}

/// Visitor that calls a function with each expression.
struct Expressions<F>(F);

impl Visitor for Expressions<&mut dyn FnMut(&Expr) -> ControlFlow<()>> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        (self.0)(expr)
    }
}

impl VisitorMut for Expressions<&mut dyn FnMut(&mut Expr) -> ControlFlow<()>> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        (self.0)(expr)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Value;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn parsed(sql: &str) -> Statement {
        Parser::parse_sql(&GenericDialect {}, sql).expect("SQL").remove(0)
    }

    #[derive(Default)]
    struct Tables(Vec<String>);

    impl Visitor for Tables {
        type Break = ();

        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            self.0.push(relation.to_string());
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn a_visitor_sees_every_node_of_the_walk() {
        let mut tables = Tables::default();
        let flow = visit_statement(&parsed("SELECT 1 FROM a WHERE x IN (SELECT y FROM b)"), &mut tables);
        assert!(flow.is_continue());
        assert_eq!(tables.0, ["a", "b"]);
    }

    #[test]
    fn a_function_reads_rewrites_and_breaks_off() {
        let mut statement = parsed("SELECT 1, 2");
        let flow = visit_expressions_mut(&mut statement, &mut |expr| {
            *expr = Expr::Value(Value::Null.into());
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
        assert_eq!(statement.to_string(), "SELECT NULL, NULL");
        let mut seen = 0;
        let flow = visit_expressions(&statement, &mut |_| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert!(flow.is_break());
        assert_eq!(seen, 1);
    }
}
