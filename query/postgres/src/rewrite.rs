//! Statements as DataFusion understands them. What PostgreSQL says otherwise is said over in the parsed statement, so that
//! text in quotes is never touched.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    Query, SelectItem, SetExpr, Statement, Value, VisitMut, VisitorMut,
};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_pg_catalog::sql::rules::{
    CurrentUserVariableToSessionUserFunctionCall, FixArrayLiteral, PrependUnqualifiedPgTableName,
    RewriteArrayAnyAllOperation, RewritePgCatalogOperator, RewriteRegCastToSubquery, SqlStatementRewriteRule,
    StripCallableQualifier, StripCollate,
};

/// The parser of questions to the catalog. Some of its rules answer a part of a statement with nothing, as subqueries that
/// refer outwards; so it may see no statement that reads anything else.
static OF_CATALOG: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);

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
        Box::new(RewriteRegCastToSubquery::new()),
    ]
});

/// A question to the catalog, in the words of DataFusion; `None` where it is not understood.
pub(crate) fn rewrite_of_catalog(sql: &str) -> Option<Statement> {
    let mut statements = OF_CATALOG.parse(sql).ok()?;
    let mut statement = (statements.len() == 1).then(|| statements.remove(0))?;
    let _ = statement.visit(&mut ListsOfCatalog);
    Some(statement)
}

/// The text of a question to the catalog, in which `'name'::regclass` is the number of a table.
pub(crate) fn with_tables_found(statement: &Statement, text: &str) -> String {
    let mut found = TablesFound(false);
    let mut statement = statement.clone();
    let _ = statement.visit(&mut found);
    if found.0 { statement.to_string() } else { text.to_owned() }
}

struct TablesFound(bool);

impl VisitorMut for TablesFound {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr: inner, data_type, .. } = expr
            && matches!(data_type.to_string().to_lowercase().as_str(), "regclass" | "pg_catalog.regclass")
            && let Expr::Value(value) = inner.as_ref()
            && let Value::SingleQuotedString(_) = &value.value
        {
            *expr = call("to_regclass", vec![inner.as_ref().clone()]);
            self.0 = true;
        }
        ControlFlow::Continue(())
    }
}

/// `ARRAY(SELECT …)` of the catalog lists what there is not here: roles of roles, columns of keys. Functions that types name
/// are text by their names.
struct ListsOfCatalog;

impl VisitorMut for ListsOfCatalog {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr: inner, data_type, .. } = expr
            && matches!(data_type.to_string().to_lowercase().as_str(), "text" | "varchar" | "pg_catalog.text")
            && let Expr::Identifier(_) | Expr::CompoundIdentifier(_) = inner.as_ref()
            && ["typreceive", "typsend", "typinput", "typoutput"].iter().any(|name| inner.to_string().ends_with(name))
        {
            *expr = call("function_name", vec![inner.as_ref().clone()]);
        }
        if let Expr::Subquery(query) = expr {
            one_row(query);
        }
        if let Expr::Function(function) = expr
            && function.name.to_string().eq_ignore_ascii_case("array")
            && matches!(function.args, FunctionArguments::Subquery(_))
        {
            *expr = Expr::Value(Value::SingleQuotedString("{}".to_owned()).with_empty_span());
        }
        ControlFlow::Continue(())
    }
}

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

/// Any statement, in the words of DataFusion.
pub(crate) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut HexBytes);
    for rule in OF_ALL.iter() {
        // A rule takes and gives a whole statement; what stands here meanwhile is never looked at.
        let taken = std::mem::replace(statement, Statement::UNLISTEN { channel: Ident::new("nothing") });
        *statement = rule.rewrite(taken);
    }
}

/// A subquery that stands for one value has one row at most, which DataFusion must be told where it refers outwards.
fn one_row(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    let is_plain = matches!(value, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    if is_plain && query.limit_clause.is_none() && !select.from.is_empty() {
        *value = call("max", vec![value.clone()]);
    }
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
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
