//! Pieces of syntax trees that rewriting puts in the place of others, and the rules of datafusion-pg-catalog applied in
//! order.

use datafusion::sql::sqlparser::ast::{DataType, Expr, Ident, Statement, Value};
use datafusion_pg_catalog::sql::rules::SqlStatementRewriteRule;

/// Literal of a value, without a location in the text.
pub(crate) fn literal(value: Value) -> Expr {
    Expr::Value(value.with_empty_span())
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
