//! Catalog queries: statements that read only PostgreSQL's catalog and the information schema. Clients send them as
//! they stand in their sources, and they are rewritten as DataFusion SQL.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, Ident, LimitClause, ObjectName, Query,
    SelectItem, SetExpr, Statement, Subscript, TableAlias, TableAliasColumnDef, TableFactor, Value,
};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, ResolveUnqualifiedIdentifier, SqlStatementRewriteRule,
};
use zonelake_query::dialect::{Correlation, call, calls_aggregate, correlation, is_grouped, template};
use zonelake_timeseries::{SyntaxVisitor, SyntaxVisitorMut, visit_query, visit_statement, visit_statement_mut};

use crate::catalog::relation_oids::PG_CATALOG;
use crate::catalog::relations::without_rows::is_without_rows;
use crate::catalog::schema::is_relation;
use crate::statement::build::{literal, rule_by_rule};
use crate::statement::empty_relations::replace_empty_subqueries;
use crate::statement::with_names::names_of_with;

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
    let named = names_of_with(statement);
    let walk = visit_statement_mut(statement, &mut ScalarSubqueries { named });
    debug_assert!(walk.is_continue(), "all subqueries are rewritten");
    rule_by_rule(statement, &RULES);
}

/// True where a statement reads PostgreSQL's catalog or the information schema, and no other relation. A statement of functions
/// alone is none: what it means is the engine's to say.
pub(crate) fn is_catalog_query(statement: &Statement) -> bool {
    let mut relations = Relations { named: names_of_with(statement), of_catalog: false };
    let walk = visit_statement(statement, &mut relations);
    walk.is_continue() && relations.of_catalog
}

/// Kind of a relation by its name.
enum Kind {
    /// Of the catalog or the information schema.
    Catalog,
    /// A query of WITH.
    With,
    /// Any other.
    Other,
}

fn kind_of(name: &ObjectName, named: &HashSet<String>) -> Kind {
    let parts: Vec<String> = name.0.iter().map(|part| part.to_string().trim_matches('"').to_lowercase()).collect();
    match parts.as_slice() {
        [.., schema, _] if schema == PG_CATALOG || schema == "information_schema" => Kind::Catalog,
        [table] if named.contains(table) => Kind::With,
        [table] if is_relation(table) || is_without_rows(table) => Kind::Catalog,
        _ => Kind::Other,
    }
}

/// Ends the walk at the first relation that is neither of the catalog nor of WITH.
struct Relations {
    named: HashSet<String>,
    of_catalog: bool,
}

impl SyntaxVisitor for Relations {
    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args, .. } = table else { return ControlFlow::Continue(()) };
        if args.is_some() {
            self.of_catalog |= relation_of_function(name).is_some();
            return ControlFlow::Continue(());
        }
        match kind_of(name, &self.named) {
            Kind::Catalog => self.of_catalog = true,
            Kind::With => {}
            Kind::Other => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }
}

/// Ends the walk at a relation of the catalog: at any, or at one of these names.
struct ReadsCatalog<'a> {
    named: &'a HashSet<String>,
    names: Option<&'a [&'a str]>,
}

impl SyntaxVisitor for ReadsCatalog<'_> {
    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args: None, .. } = table else { return ControlFlow::Continue(()) };
        let last = name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.to_lowercase());
        let is_named = self.names.is_none_or(|names| last.is_some_and(|last| names.contains(&last.as_str())));
        match kind_of(name, self.named) {
            Kind::Catalog if is_named => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Relations of which a row that differs from what is asked for does not exist here: every text has the collation of its type.
const WITHOUT_DIFFERENCE: [&str; 1] = ["pg_collation"];

/// Rewrites subqueries that stand for a value, and functions that stand for a relation.
struct ScalarSubqueries {
    /// Names of the queries of WITH, in lower case.
    named: HashSet<String>,
}

impl SyntaxVisitorMut for ScalarSubqueries {
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(letter) = letter_of_name(expr) {
            *expr = letter;
        }
        if let Expr::Subquery(query) = expr {
            let reads = |names| visit_query(query, &mut ReadsCatalog { named: &self.named, names }).is_break();
            let is_of_catalog = reads(None);
            match correlation(query) {
                // DataFusion cannot plan these. Whatever else reads the query around it is refused there.
                Correlation::Other if reads(Some(&WITHOUT_DIFFERENCE)) => *expr = literal(Value::Null),
                Correlation::Other => {}
                Correlation::None | Correlation::Equality if is_of_catalog => one_row(query),
                Correlation::None | Correlation::Equality => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args, .. } = table
            && args.is_some()
            && let Some(relation) = relation_of_function(name)
        {
            *name = ObjectName::from(vec![Ident::new(PG_CATALOG), Ident::new(relation)]);
            *args = None;
        }
        if let TableFactor::Table { name, args: Some(arguments), alias: Some(alias), .. } = table
            && let Some(function) = name.0.last().and_then(|part| part.as_ident())
        {
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

/// `typname[0] = '_'`: a name of PostgreSQL is an array of its bytes, which counts from 0.
fn letter_of_name(expr: &Expr) -> Option<Expr> {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return None };
    let [AccessExpr::Subscript(Subscript::Index { index })] = access_chain.as_slice() else { return None };
    let column = match root.as_ref() {
        Expr::Identifier(column) => column,
        Expr::CompoundIdentifier(names) => names.last()?,
        _ => return None,
    };
    let number: usize = index.to_string().parse().ok().filter(|_| column.value.eq_ignore_ascii_case("typname"))?;
    let count = |number: usize| literal(Value::Number(number.to_string(), false));
    Some(call("substr", vec![root.as_ref().clone(), count(number + 1), count(1)]))
}

/// Functions of the catalog that return rows, each with the relation that has them.
const RELATIONS: [(&str, &str); 2] = [("pg_get_keywords", "pg_get_keywords"), ("pg_show_all_settings", "pg_settings")];

fn relation_of_function(name: &ObjectName) -> Option<&'static str> {
    let last = name.0.last().and_then(|part| part.as_ident())?;
    RELATIONS.iter().find(|(function, _)| last.value.eq_ignore_ascii_case(function)).map(|(_, relation)| *relation)
}

/// Casts the bounds of a series that are lengths of arrays to bigint, since the series of the engine take no other whole number.
pub(crate) fn lengths_as_bigint(relation: &mut TableFactor) {
    if let TableFactor::Table { name, args: Some(arguments), .. } = relation
        && name.0.last().is_some_and(|last| last.to_string().eq_ignore_ascii_case("generate_series"))
    {
        arguments.args.iter_mut().for_each(as_bigint);
    }
}

fn as_bigint(argument: &mut FunctionArg) {
    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value @ Expr::Function(_))) = argument
        && let Expr::Function(function) = &*value
        && ["array_upper", "array_lower", "array_length", "cardinality"]
            .iter()
            .any(|name| function.name.0.last().is_some_and(|last| last.to_string().eq_ignore_ascii_case(name)))
    {
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
    let mut subquery = template(&format!("SELECT 1 AS {column}"))?;
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
    if is_grouped(select) || select.from.is_empty() {
        return;
    }
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    if calls_aggregate(value) {
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
