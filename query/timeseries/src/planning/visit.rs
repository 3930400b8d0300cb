//! Walks over the syntax tree of a statement, behind dynamic dispatch.
//!
//! Each type that implements sqlparser's own visitor traits, and each closure passed to its `visit_expressions` and the
//! like, makes the compiler generate the walk over all nodes of the tree again: about a megabyte each time. Here the walk
//! exists once, since the functions are not generic, and a visitor is called through a vtable.
//!
//! Hooks have the names and the order of sqlparser's.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, Select, Statement, TableFactor, Visit, VisitMut, Visitor, VisitorMut,
};

/// Hooks of a walk that reads. `Break` from any of them ends the walk.
pub trait SyntaxVisitor {
    /// Called with a query before its children.
    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with a query after its children.
    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with a `SELECT` before its children.
    fn pre_visit_select(&mut self, _select: &Select) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with a relation of `FROM` before its children.
    fn pre_visit_table_factor(&mut self, _table_factor: &TableFactor) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with an expression before its children.
    fn pre_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with an expression after its children.
    fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Hooks of a walk that may change what it meets. `Break` from any of them ends the walk.
pub trait SyntaxVisitorMut {
    /// Called with a query before its children.
    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with a query after its children.
    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with a `SELECT` before its children.
    fn pre_visit_select(&mut self, _select: &mut Select) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with a relation of `FROM` before its children.
    fn pre_visit_table_factor(&mut self, _table_factor: &mut TableFactor) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with a relation of `FROM` after its children.
    fn post_visit_table_factor(&mut self, _table_factor: &mut TableFactor) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with an expression before its children.
    fn pre_visit_expr(&mut self, _expr: &mut Expr) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called with an expression after its children.
    fn post_visit_expr(&mut self, _expr: &mut Expr) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Walks a statement; `Break` where a hook ended the walk.
pub fn visit_statement(statement: &Statement, visitor: &mut dyn SyntaxVisitor) -> ControlFlow<()> {
    statement.visit(&mut Dispatch(visitor))
}

/// Walks a query; `Break` where a hook ended the walk.
pub fn visit_query(query: &Query, visitor: &mut dyn SyntaxVisitor) -> ControlFlow<()> {
    query.visit(&mut Dispatch(visitor))
}

/// Walks an expression, which is itself the first that the hooks get; `Break` where a hook ended the walk.
pub fn visit_expr(expr: &Expr, visitor: &mut dyn SyntaxVisitor) -> ControlFlow<()> {
    expr.visit(&mut Dispatch(visitor))
}

/// Calls a function with each expression of a statement, outer ones before inner ones; `Break` where it ended the walk.
pub fn visit_expressions(statement: &Statement, function: &mut dyn FnMut(&Expr) -> ControlFlow<()>) -> ControlFlow<()> {
    visit_statement(statement, &mut Expressions(function))
}

/// Walks a statement and lets the hooks change it; `Break` where a hook ended the walk.
pub fn visit_statement_mut(statement: &mut Statement, visitor: &mut dyn SyntaxVisitorMut) -> ControlFlow<()> {
    statement.visit(&mut DispatchMut(visitor))
}

/// Walks a query and lets the hooks change it; `Break` where a hook ended the walk.
pub fn visit_query_mut(query: &mut Query, visitor: &mut dyn SyntaxVisitorMut) -> ControlFlow<()> {
    query.visit(&mut DispatchMut(visitor))
}

/// Walks an expression and lets the hooks change it; `Break` where a hook ended the walk.
pub fn visit_expr_mut(expr: &mut Expr, visitor: &mut dyn SyntaxVisitorMut) -> ControlFlow<()> {
    expr.visit(&mut DispatchMut(visitor))
}

/// Calls a function with each expression of a statement, inner ones before outer ones; `Break` where it ended the walk.
pub fn visit_expressions_mut(
    statement: &mut Statement,
    function: &mut dyn FnMut(&mut Expr) -> ControlFlow<()>,
) -> ControlFlow<()> {
    visit_statement_mut(statement, &mut ExpressionsMut(function))
}

/// Calls a function with an expression and all within it, inner ones before outer ones, but with none within its subqueries: names there are
/// looked up among their own tables.
pub fn visit_own_expressions_mut(expr: &mut Expr, function: &mut dyn FnMut(&mut Expr)) {
    let walk = visit_expr_mut(expr, &mut OwnExpressionsMut { function, subqueries: 0 });
    debug_assert!(walk.is_continue(), "nothing ends the walk");
}

/// The one reader that sqlparser's walk is compiled for.
struct Dispatch<'v>(&'v mut dyn SyntaxVisitor);

impl Visitor for Dispatch<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.0.pre_visit_query(query)
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.0.post_visit_query(query)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.0.pre_visit_select(select)
    }

    fn pre_visit_table_factor(&mut self, table_factor: &TableFactor) -> ControlFlow<()> {
        self.0.pre_visit_table_factor(table_factor)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.0.pre_visit_expr(expr)
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.0.post_visit_expr(expr)
    }
}

/// The one writer that sqlparser's walk is compiled for.
struct DispatchMut<'v>(&'v mut dyn SyntaxVisitorMut);

impl VisitorMut for DispatchMut<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.0.pre_visit_query(query)
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.0.post_visit_query(query)
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.0.pre_visit_select(select)
    }

    fn pre_visit_table_factor(&mut self, table_factor: &mut TableFactor) -> ControlFlow<()> {
        self.0.pre_visit_table_factor(table_factor)
    }

    fn post_visit_table_factor(&mut self, table_factor: &mut TableFactor) -> ControlFlow<()> {
        self.0.post_visit_table_factor(table_factor)
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.0.pre_visit_expr(expr)
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.0.post_visit_expr(expr)
    }
}

struct Expressions<'f>(&'f mut dyn FnMut(&Expr) -> ControlFlow<()>);

impl SyntaxVisitor for Expressions<'_> {
    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        (self.0)(expr)
    }
}

struct ExpressionsMut<'f>(&'f mut dyn FnMut(&mut Expr) -> ControlFlow<()>);

impl SyntaxVisitorMut for ExpressionsMut<'_> {
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        (self.0)(expr)
    }
}

struct OwnExpressionsMut<'f> {
    function: &'f mut dyn FnMut(&mut Expr),
    /// Subqueries around the expression.
    subqueries: usize,
}

impl SyntaxVisitorMut for OwnExpressionsMut<'_> {
    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.subqueries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.subqueries -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.subqueries == 0 {
            (self.function)(expr);
        }
        ControlFlow::Continue(())
    }
}
