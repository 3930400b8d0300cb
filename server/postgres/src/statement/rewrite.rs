//! Statements as DataFusion understands them. What PostgreSQL says otherwise is said over in the parsed statement, so that
//! text in quotes is never touched.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    Statement, Value, VisitMut, VisitorMut,
};
use datafusion_pg_catalog::sql::rules::{
    CurrentUserVariableToSessionUserFunctionCall, FixArrayLiteral, PrependUnqualifiedPgTableName,
    RewriteArrayAnyAllOperation, RewritePgCatalogOperator, SqlStatementRewriteRule, StripCallableQualifier,
    StripCollate,
};

use crate::catalog::oids::{KINDS, OBJECT_NAME};
use crate::catalog::types::FUNCTIONS_OF_TYPES;
use crate::functions::like_escape::rewrite_escapes;
use crate::functions::templates::rewrite_templates;

/// The rules for any statement: each says the same in other words.
static OF_ALL: LazyLock<Vec<Box<dyn SqlStatementRewriteRule>>> = LazyLock::new(|| {
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

/// `'\x00ff'::bytea` are the bytes that the digits say, and not the characters.
struct HexBytes;

impl VisitorMut for HexBytes {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr: inner, data_type: DataType::Bytea, .. } = expr
            && let Expr::Value(value) = inner.as_mut()
            && let Value::SingleQuotedString(text) = &value.value
            && let Some(digits) = text.strip_prefix("\\x")
        {
            value.value = Value::HexStringLiteral(digits.to_owned());
        }
        ControlFlow::Continue(())
    }
}

/// Numbers of things by their names, and names by their numbers: `'probe'::regclass`, `oid::regclass::text`.
struct Numbers;

impl VisitorMut for Numbers {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Cast { expr: inner, data_type, .. } = expr else { return ControlFlow::Continue(()) };
        let of = type_name(data_type);
        if KINDS.contains(&of.as_str()) {
            *expr = call(&format!("to_{of}"), vec![inner.as_ref().clone()]);
        } else if ["text", "varchar", "name"].contains(&of.as_str())
            && let Some((kind, number)) = number_of(inner)
        {
            *expr = call(OBJECT_NAME, vec![Expr::Value(Value::SingleQuotedString(kind).with_empty_span()), number]);
        }
        ControlFlow::Continue(())
    }
}

/// The last word of a type's name.
fn type_name(data_type: &DataType) -> String {
    let name = data_type.to_string().to_lowercase();
    name.strip_prefix("pg_catalog.").unwrap_or(&name).to_owned()
}

/// What a value is the number of, where it says so.
fn number_of(expr: &Expr) -> Option<(String, Expr)> {
    match expr {
        Expr::Nested(inner) => number_of(inner),
        Expr::Identifier(name) => is_function_of_type(name).then(|| ("regproc".to_owned(), expr.clone())),
        Expr::CompoundIdentifier(parts) => {
            parts.last().is_some_and(is_function_of_type).then(|| ("regproc".to_owned(), expr.clone()))
        }
        Expr::Function(function) => {
            let name = function.name.to_string();
            let kind = name.strip_prefix("to_").filter(|kind| KINDS.contains(kind))?;
            Some((kind.to_owned(), expr.clone()))
        }
        _ => None,
    }
}

fn is_function_of_type(name: &Ident) -> bool {
    FUNCTIONS_OF_TYPES.contains(&name.value.to_lowercase().as_str())
}

/// Any statement, in the words of DataFusion.
pub(crate) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut HexBytes);
    let _ = statement.visit(&mut Numbers);
    rewrite_escapes(statement);
    rewrite_templates(statement);
    rule_by_rule(statement, &OF_ALL);
}

/// Has each rule say a statement over.
pub(crate) fn rule_by_rule(statement: &mut Statement, rules: &[Box<dyn SqlStatementRewriteRule>]) {
    for rule in rules {
        // A rule takes and gives a whole statement; what stands here meanwhile is never looked at.
        let taken = std::mem::replace(statement, Statement::UNLISTEN { channel: Ident::new("nothing") });
        *statement = rule.rewrite(taken);
    }
}

/// A call of a function.
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
