//! Pieces of syntax trees that corrections put in the place of others.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Query, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, Value,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use zonelake_timeseries::{SyntaxVisitor, visit_expr};

/// Call of a function with arguments by position.
pub fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// A text as a constant.
pub(crate) fn text(value: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.into()).with_empty_span())
}

/// A truth value as a constant.
pub(crate) fn truth(value: bool) -> Expr {
    Expr::Value(Value::Boolean(value).with_empty_span())
}

/// A whole number as a constant.
pub(crate) fn number(value: usize) -> Expr {
    Expr::Value(Value::Number(value.to_string(), false).with_empty_span())
}

/// An operator between two operands, in parentheses.
pub(crate) fn operation(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }))
}

/// An expression without the parentheses around it.
pub(crate) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

/// Takes an expression out of its place.
pub(crate) fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Identifier(Ident::new("")))
}

/// Query of a text that is written here, whose parts the caller replaces.
pub fn template(sql: &str) -> Option<Box<Query>> {
    let parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(sql);
    parser.and_then(|mut parser| parser.parse_query()).ok()
}

/// A query with nothing but a body.
pub(crate) fn query_of(body: SetExpr) -> Option<Box<Query>> {
    let mut query = template("SELECT 1")?;
    *query.body = body;
    Some(query)
}

/// A query as a relation with a name, and names for its columns.
pub(crate) fn derived(subquery: Box<Query>, name: &str, columns: &[&str]) -> TableFactor {
    let alias = TableAlias {
        explicit: true,
        name: Ident::new(name),
        columns: columns.iter().map(|column| TableAliasColumnDef::from_name(*column)).collect(),
        at: None,
    };
    TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None }
}

/// A name as SQL compares it: in lower case where it is not in quotes.
pub(crate) fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// True where a query stands within an expression: one that is written twice would be twice as much to plan at each level.
pub(crate) fn has_subquery(expr: &Expr) -> bool {
    struct Finder(bool);
    impl SyntaxVisitor for Finder {
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 = true;
            ControlFlow::Break(())
        }
    }
    let mut finder = Finder(false);
    let ended = visit_expr(expr, &mut finder);
    ended.is_break() || finder.0
}
