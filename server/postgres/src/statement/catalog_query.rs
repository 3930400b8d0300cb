//! Questions to the catalog: statements that read nothing but PostgreSQL's catalog and the information schema, in the words
//! of DataFusion.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, LimitClause,
    ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement, TableAlias, TableAliasColumnDef,
    TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, ResolveUnqualifiedIdentifier, SqlStatementRewriteRule,
};

use crate::statement::correlation::{Correlation, correlation};
use crate::statement::empty_relations::{expr_is_aggregate, without_empty_subqueries};
use crate::statement::in_subquery::rewrite_memberships;
use crate::statement::rewrite::{call, rule_by_rule};

/// Knows some questions that are no SQL to our parser by their whole text.
static BY_TEXT: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);

/// The rules for questions to the catalog only.
static RULES: LazyLock<Vec<Box<dyn SqlStatementRewriteRule>>> =
    LazyLock::new(|| vec![Box::new(AliasDuplicatedProjectionRewrite), Box::new(ResolveUnqualifiedIdentifier)]);

/// A question that the parser does not understand; `None` where it is not known either.
pub(crate) fn question_by_text(text: &str) -> Option<Statement> {
    let mut statements = BY_TEXT.parse(text).ok().filter(|_| text.contains("pg_"))?;
    (statements.len() == 1).then(|| statements.remove(0))
}

/// Puts a question to the catalog in the words of DataFusion.
pub(crate) fn rewrite_question(statement: &mut Statement) {
    without_empty_subqueries(statement);
    rewrite_memberships(statement);
    let _ = statement.visit(&mut Subqueries);
    rule_by_rule(statement, &RULES);
}

/// Whether a statement reads nothing but PostgreSQL's catalog and the information schema.
pub(crate) fn is_question(statement: &Statement) -> bool {
    let mut relations = Relations { named: HashSet::new() };
    let found = statement.visit(&mut relations);
    found.is_continue() && mentions_catalog(statement)
}

struct Relations {
    /// Names of subqueries in front of a query.
    named: HashSet<String>,
}

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.named.extend(with.map(|part| part.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args: None, .. } = table else { return ControlFlow::Continue(()) };
        let parts: Vec<String> = name.0.iter().map(|part| part.to_string().trim_matches('"').to_lowercase()).collect();
        let is_of_catalog = match parts.as_slice() {
            [.., schema, _] => schema == "pg_catalog" || schema == "information_schema",
            [table] => table.starts_with("pg_") || self.named.contains(table),
            [] => false,
        };
        if is_of_catalog { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Functions and types of the catalog; a statement without any is no question to it.
fn mentions_catalog(statement: &Statement) -> bool {
    let text = statement.to_string().to_lowercase();
    ["pg_", "regclass", "regtype", "regproc", "regnamespace", "information_schema", "current_", "format_type"]
        .iter()
        .any(|word| text.contains(word))
}

/// Subqueries in the place of a value, lists of rows, and functions in the place of a table.
struct Subqueries;

impl VisitorMut for Subqueries {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Subquery(query) = expr {
            match correlation(query) {
                Correlation::None | Correlation::Equality => one_row(query),
                // DataFusion cannot plan it. What clients ask in this way are collations and the like, which there are not.
                Correlation::Other => *expr = Expr::Value(Value::Null.with_empty_span()),
            }
        }
        if let Expr::Function(function) = expr
            && function.args == FunctionArguments::None
            && function.name.to_string().eq_ignore_ascii_case("user")
        {
            *expr = call("session_user", Vec::new());
        }
        // `ARRAY(SELECT …)` of the catalog lists what there is not here: roles of roles, columns of keys.
        if let Expr::Function(function) = expr
            && function.name.to_string().eq_ignore_ascii_case("array")
            && matches!(function.args, FunctionArguments::Subquery(_))
        {
            *expr = Expr::Value(Value::SingleQuotedString("{}".to_owned()).with_empty_span());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args, .. } = table
            && args.is_some()
            && let Some(last) = name.0.last().cloned()
            && last.to_string().eq_ignore_ascii_case("pg_get_keywords")
        {
            *name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new("pg_catalog")), last]);
            *args = None;
        }
        if let TableFactor::Table { name, args: Some(arguments), alias: Some(alias), .. } = table
            && let Some(function) = name.0.last().and_then(|part| part.as_ident())
        {
            if function.value.eq_ignore_ascii_case("generate_series") {
                arguments.args.iter_mut().for_each(as_bigint);
            }
            // The name of a function's table is that of its column too.
            if OF_ROWS.contains(&function.value.to_lowercase().as_str()) {
                name_column(alias);
            } else if let Some(values) = values_of(&arguments.args)
                && let Some(one) = one_value(call(&function.value, values), alias)
            {
                *table = one;
            }
        }
        ControlFlow::Continue(())
    }
}

/// The series of the engine are of bigints.
fn as_bigint(argument: &mut FunctionArg) {
    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value @ Expr::Function(_))) = argument {
        *value = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(value.clone()),
            data_type: DataType::BigInt(None),
            array: false,
            format: None,
        };
    }
}

/// Functions whose answers are rows.
const OF_ROWS: [&str; 2] = ["generate_series", "unnest"];

fn name_column(alias: &mut TableAlias) {
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}

fn values_of(arguments: &[FunctionArg]) -> Option<Vec<Expr>> {
    let value = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    };
    arguments.iter().map(value).collect()
}

/// A table of one row and column.
fn one_value(value: Expr, alias: &TableAlias) -> Option<TableFactor> {
    let column = alias.columns.first().map_or_else(|| alias.name.clone(), |column| column.name.clone());
    let text = format!("SELECT 1 AS {column}");
    let mut subquery =
        Parser::new(&PostgreSqlDialect {}).try_with_sql(&text).and_then(|mut parser| parser.parse_query()).ok()?;
    if let SetExpr::Select(select) = subquery.body.as_mut()
        && let Some(SelectItem::ExprWithAlias { expr, .. }) = select.projection.first_mut()
    {
        *expr = value;
    }
    let alias = TableAlias { columns: Vec::new(), ..alias.clone() };
    Some(TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None })
}

/// A subquery that stands for one value has one row at most, which DataFusion must be told where it refers outwards.
fn one_row(query: &mut Query) {
    let is_one_of_many = match &query.limit_clause {
        None => false,
        Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, .. }) => {
            limit.to_string() == "1" && query.order_by.is_none()
        }
        Some(_) => return,
    };
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    if is_grouped(select) {
        return;
    }
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    if expr_is_aggregate(value) {
        return;
    }
    *value = call("max", vec![value.clone()]);
    select.distinct = None;
    if is_one_of_many {
        query.limit_clause = None;
    }
    query.order_by = None;
}

fn is_grouped(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(all, _) if all.is_empty()) || select.from.is_empty()
}
