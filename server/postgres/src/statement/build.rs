//! Pieces of syntax trees that rewriting puts in the place of others, and the rules of datafusion-pg-catalog applied in
//! order.

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    Query, Statement, Value,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion_pg_catalog::sql::rules::SqlStatementRewriteRule;

/// Call of a function with arguments by position.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
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

/// Literal of a value, without a location in the text.
pub(crate) fn literal(value: Value) -> Expr {
    Expr::Value(value.with_empty_span())
}

/// Query of a text that is written here, whose parts the caller replaces.
pub(crate) fn query_template(sql: &str) -> Option<Box<Query>> {
    let parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(sql);
    parser.and_then(|mut parser| parser.parse_query()).ok()
}

/// Name of a type in lower case, without the schema `pg_catalog`.
pub(crate) fn type_name(data_type: &DataType) -> String {
    let name = data_type.to_string().to_lowercase();
    name.strip_prefix("pg_catalog.").unwrap_or(&name).to_owned()
}

/// Applies each rule to the statement that the one before it has made.
pub(crate) fn rule_by_rule(statement: &mut Statement, rules: &[Box<dyn SqlStatementRewriteRule>]) {
    for rule in rules {
        // A rule takes a whole statement and returns one; the placeholder here is never read.
        let taken = std::mem::replace(statement, Statement::UNLISTEN { channel: Ident::new("nothing") });
        *statement = rule.rewrite(taken);
    }
}
