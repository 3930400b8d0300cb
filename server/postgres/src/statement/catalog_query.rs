//! Catalog queries: statements that read only PostgreSQL's catalog and the information schema. Clients send them as
//! they stand in their sources, and they are rewritten as DataFusion SQL.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, LimitClause,
    ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement, TableAlias, TableAliasColumnDef,
    TableFactor, Value,
};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, ResolveUnqualifiedIdentifier, SqlStatementRewriteRule,
};
use zonelake_timeseries::{SyntaxVisitor, SyntaxVisitorMut, visit_statement, visit_statement_mut};

use crate::statement::build::{call, literal, query_template, rule_by_rule};
use crate::statement::correlation::{Correlation, correlation};
use crate::statement::empty_relations::{expr_is_aggregate, replace_empty_subqueries};
use crate::statement::in_subquery::rewrite_in_subqueries;

/// Catalog queries of clients that sqlparser cannot parse, by their whole text.
static BY_TEXT: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);

/// Rules for catalog queries only.
static RULES: LazyLock<Vec<Box<dyn SqlStatementRewriteRule>>> =
    LazyLock::new(|| vec![Box::new(AliasDuplicatedProjectionRewrite), Box::new(ResolveUnqualifiedIdentifier)]);

/// Statement of a text that sqlparser cannot parse; `None` where the text is no known catalog query.
pub(crate) fn statement_by_text(text: &str) -> Option<Statement> {
    // Only texts that mention the catalog, since the parser would accept much else.
    let mut statements = BY_TEXT.parse(text).ok().filter(|_| text.contains("pg_"))?;
    (statements.len() == 1).then(|| statements.remove(0))
}

/// Rewrites a catalog query as DataFusion SQL.
pub(crate) fn rewrite_catalog_query(statement: &mut Statement) {
    // Subqueries without rows go first: DataFusion could not plan what is left of some of them.
    replace_empty_subqueries(statement);
    rewrite_in_subqueries(statement);
    let walk = visit_statement_mut(statement, &mut ScalarSubqueries);
    debug_assert!(walk.is_continue(), "all subqueries are rewritten");
    rule_by_rule(statement, &RULES);
}

/// True where a statement reads only PostgreSQL's catalog and the information schema.
pub(crate) fn is_catalog_query(statement: &Statement) -> bool {
    let mut relations = CatalogRelations { named: HashSet::new() };
    let walk = visit_statement(statement, &mut relations);
    walk.is_continue() && mentions_catalog(statement)
}

/// Ends the walk at the first relation that is not of the catalog.
struct CatalogRelations {
    /// Names of the subqueries of WITH, in lower case.
    named: HashSet<String>,
}

impl SyntaxVisitor for CatalogRelations {
    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        // Before the relations of the query are met, so that they are known as subqueries.
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

/// True where a statement names a function, type or relation of the catalog. `SELECT 1` names none, and is no catalog
/// query.
fn mentions_catalog(statement: &Statement) -> bool {
    let text = statement.to_string().to_lowercase();
    ["pg_", "regclass", "regtype", "regproc", "regnamespace", "information_schema", "current_", "format_type"]
        .iter()
        .any(|word| text.contains(word))
}

/// Rewrites subqueries that stand for a value, arrays of rows, and functions that stand for a relation.
struct ScalarSubqueries;

impl SyntaxVisitorMut for ScalarSubqueries {
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Subquery(query) = expr {
            match correlation(query) {
                Correlation::None | Correlation::Equality => one_row(query),
                // DataFusion cannot plan it. Clients look for collations and the like in this way, of which there are
                // none.
                Correlation::Other => *expr = literal(Value::Null),
            }
        }
        if let Expr::Function(function) = expr
            && function.args == FunctionArguments::None
            && function.name.to_string().eq_ignore_ascii_case("user")
        {
            *expr = call("session_user", Vec::new());
        }
        // `ARRAY(SELECT …)` lists what this catalog has none of: roles of roles, columns of keys.
        if let Expr::Function(function) = expr
            && function.name.to_string().eq_ignore_ascii_case("array")
            && matches!(function.args, FunctionArguments::Subquery(_))
        {
            *expr = literal(Value::SingleQuotedString("{}".to_owned()));
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
            // PostgreSQL gives the one column of a function's relation the name of the relation.
            if ROW_FUNCTIONS.contains(&function.value.to_lowercase().as_str()) {
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

/// Casts an argument to bigint, since the series of the engine take no other type.
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

/// Functions that return rows.
const ROW_FUNCTIONS: [&str; 2] = ["generate_series", "unnest"];

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

/// Relation of one row and one column.
fn one_value(value: Expr, alias: &TableAlias) -> Option<TableFactor> {
    let column = alias.columns.first().map_or_else(|| alias.name.clone(), |column| column.name.clone());
    let mut subquery = query_template(&format!("SELECT 1 AS {column}"))?;
    if let SetExpr::Select(select) = subquery.body.as_mut()
        && let Some(SelectItem::ExprWithAlias { expr, .. }) = select.projection.first_mut()
    {
        *expr = value;
    }
    let alias = TableAlias { columns: Vec::new(), ..alias.clone() };
    Some(TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None })
}

/// Makes a subquery that stands for one value an aggregate. PostgreSQL promises that it has at most one row; DataFusion
/// asks for an aggregate where the subquery is correlated.
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
    // Over one value these change nothing, and DataFusion plans none of them in a correlated subquery.
    select.distinct = None;
    if is_one_of_many {
        query.limit_clause = None;
    }
    query.order_by = None;
}

fn is_grouped(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(all, _) if all.is_empty()) || select.from.is_empty()
}
