//! PostgreSQL's syntax rewritten as DataFusion SQL. The parsed statement is rewritten and never its text, so that text
//! in quotes stays as it is.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{DataType, Expr, Ident, Statement, Value};
use datafusion_pg_catalog::sql::rules::{
    CurrentUserVariableToSessionUserFunctionCall, FixArrayLiteral, PrependUnqualifiedPgTableName,
    RewriteArrayAnyAllOperation, RewritePgCatalogOperator, SqlStatementRewriteRule, StripCallableQualifier,
    StripCollate,
};
use zonelake_timeseries::visit_expressions_mut;

use crate::catalog::oids::{OBJECT_NAME, OID_TYPES};
use crate::catalog::types::FUNCTION_COLUMNS;
use crate::functions::like_escape::rewrite_escape;
use crate::functions::templates::rewrite_template;
use crate::statement::build::{call, literal, rule_by_rule, type_name};

/// Rules for any statement; each keeps the meaning of the statement.
static RULES: LazyLock<Vec<Box<dyn SqlStatementRewriteRule>>> = LazyLock::new(|| {
    vec![
        Box::new(RewriteArrayAnyAllOperation),
        Box::new(PrependUnqualifiedPgTableName),
        Box::new(StripCallableQualifier),
        Box::new(FixArrayLiteral),
        Box::new(CurrentUserVariableToSessionUserFunctionCall),
        Box::new(StripCollate),
        Box::new(RewritePgCatalogOperator),
    ]
});

/// Rewrites any statement as DataFusion SQL.
pub(crate) fn rewrite(statement: &mut Statement) {
    // Separate walks, since each rewrite expects the whole statement as the one before it has left it.
    for rewrite_expr in [rewrite_hex_bytes, rewrite_oid_cast, rewrite_escape, rewrite_template] {
        every_expr(statement, rewrite_expr);
    }
    rule_by_rule(statement, &RULES);
}

fn every_expr(statement: &mut Statement, rewrite_expr: fn(&mut Expr)) {
    let walk = visit_expressions_mut(statement, &mut |expr| {
        rewrite_expr(expr);
        ControlFlow::Continue(())
    });
    debug_assert!(walk.is_continue(), "no rewrite ends the walk");
}

/// `'\x00ff'::bytea`: the bytes that the digits stand for, where DataFusion would take the characters.
fn rewrite_hex_bytes(expr: &mut Expr) {
    if let Expr::Cast { expr: inner, data_type: DataType::Bytea, .. } = expr
        && let Expr::Value(value) = inner.as_mut()
        && let Value::SingleQuotedString(text) = &value.value
        && let Some(digits) = text.strip_prefix("\\x")
    {
        value.value = Value::HexStringLiteral(digits.to_owned());
    }
}

/// OIDs by name, and names by OID: `'probe'::regclass`, `oid::regclass::text`.
fn rewrite_oid_cast(expr: &mut Expr) {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return };
    let of = type_name(data_type);
    if OID_TYPES.contains(&of.as_str()) {
        *expr = call(&format!("to_{of}"), vec![inner.as_ref().clone()]);
    } else if ["text", "varchar", "name"].contains(&of.as_str())
        && let Some((oid_type, oid)) = oid_of(inner)
    {
        *expr = call(OBJECT_NAME, vec![literal(Value::SingleQuotedString(oid_type)), oid]);
    }
}

/// Type of an OID and the OID, where an expression is known to be one.
fn oid_of(expr: &Expr) -> Option<(String, Expr)> {
    match expr {
        Expr::Nested(inner) => oid_of(inner),
        Expr::Identifier(name) => is_function_column(name).then(|| ("regproc".to_owned(), expr.clone())),
        Expr::CompoundIdentifier(parts) => {
            parts.last().is_some_and(is_function_column).then(|| ("regproc".to_owned(), expr.clone()))
        }
        Expr::Function(function) => {
            let name = function.name.to_string();
            let oid_type = name.strip_prefix("to_").filter(|oid_type| OID_TYPES.contains(oid_type))?;
            Some((oid_type.to_owned(), expr.clone()))
        }
        _ => None,
    }
}

fn is_function_column(name: &Ident) -> bool {
    FUNCTION_COLUMNS.contains(&name.value.to_lowercase().as_str())
}
