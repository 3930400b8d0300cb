//! Names of the catalog in a statement: OIDs by name, relations of `pg_catalog` without their schema, and what clients write around
//! its functions. The language itself is that of all interfaces (`zonelake_query::dialect`).

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectNamePart, Select, SelectItem, SelectItemQualifiedWildcardKind, Statement, TableAlias,
    TableFactor, TableWithJoins, Value,
};
use datafusion_pg_catalog::sql::rules::{
    RewritePgCatalogOperator, SqlStatementRewriteRule, StripCallableQualifier, StripCollate,
};
use zonelake_query::dialect::call;
use zonelake_timeseries::{SyntaxVisitorMut, visit_expressions_mut, visit_statement_mut};

use crate::catalog::oids::{OBJECT_NAME, OID_TYPES};
use crate::catalog::relation_oids::PG_CATALOG;
use crate::catalog::relations::builtin_rows::FUNCTION_COLUMNS;
use crate::catalog::schema::is_relation;
use crate::statement::build::{literal, rule_by_rule, type_name};
use crate::statement::catalog_query::lengths_as_bigint;
use crate::statement::table_oids::replace_table_oids;
use crate::statement::with_names::names_of_with;

/// Rules for any statement; each keeps the meaning of the statement.
static RULES: LazyLock<Vec<Box<dyn SqlStatementRewriteRule>>> =
    LazyLock::new(|| vec![Box::new(StripCallableQualifier), Box::new(RewritePgCatalogOperator)]);

/// Rules for catalog queries, whose collations are names of the catalog and no orders.
static CATALOG_RULES: LazyLock<Vec<Box<dyn SqlStatementRewriteRule>>> = LazyLock::new(|| vec![Box::new(StripCollate)]);

/// Rewrites the names of the catalog in a statement.
pub(crate) fn rewrite(statement: &mut Statement, is_catalog_query: bool) {
    let walk = visit_expressions_mut(statement, &mut |expr| {
        rewrite_oid_cast(expr);
        ControlFlow::Continue(())
    });
    debug_assert!(walk.is_continue(), "no rewrite ends the walk");
    qualify_catalog_relations(statement);
    replace_table_oids(statement);
    rule_by_rule(statement, &RULES);
    if is_catalog_query {
        rule_by_rule(statement, &CATALOG_RULES);
    }
}

/// `pg_class` as `pg_catalog.pg_class`, unless a query of WITH has that name.
fn qualify_catalog_relations(statement: &mut Statement) {
    let mut relations = CatalogNames { named: names_of_with(statement) };
    let walk = visit_statement_mut(statement, &mut relations);
    debug_assert!(walk.is_continue(), "nothing ends the walk");
}

struct CatalogNames {
    /// Names of the queries of WITH, in lower case.
    named: HashSet<String>,
}

impl SyntaxVisitorMut for CatalogNames {
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let wildcards: Vec<Ident> = select.projection.iter().filter_map(relation_of_wildcard).collect();
        let joined = select.from.iter_mut().flat_map(|tables| {
            let TableWithJoins { relation, joins } = tables;
            std::iter::once(relation).chain(joins.iter_mut().map(|join| &mut join.relation))
        });
        joined.for_each(|relation| name_for_wildcard(relation, &wildcards));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, relation: &mut TableFactor) -> ControlFlow<()> {
        lengths_as_bigint(relation);
        if let TableFactor::Table { name, args: None, .. } = relation
            && let [part] = name.0.as_slice()
            && let Some(last) = part.as_ident().map(|name| name.value.to_lowercase())
            && !self.named.contains(&last)
            && is_relation(&last)
        {
            name.0.insert(0, ObjectNamePart::Identifier(Ident::new(PG_CATALOG)));
        }
        ControlFlow::Continue(())
    }
}

/// `columns` of `columns.*`.
fn relation_of_wildcard(item: &SelectItem) -> Option<Ident> {
    let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item else { return None };
    let [part] = name.0.as_slice() else { return None };
    part.as_ident().cloned()
}

/// `SELECT columns.* FROM information_schema.columns`: DataFusion knows the relation of a wildcard by its name there alone.
fn name_for_wildcard(relation: &mut TableFactor, wildcards: &[Ident]) {
    if let TableFactor::Table { name, alias: alias @ None, args: None, .. } = relation
        && let [_, .., part] = name.0.as_slice()
        && let Some(last) = part.as_ident()
        && let Some(named) = wildcards.iter().find(|named| named.value.eq_ignore_ascii_case(&last.value))
    {
        *alias = Some(TableAlias { explicit: true, name: named.clone(), columns: Vec::new(), at: None });
    }
}

/// OIDs by name, and names by OID: `'probe'::regclass`, `oid::regclass::text`.
fn rewrite_oid_cast(expr: &mut Expr) {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return };
    let of = type_name(data_type);
    if OID_TYPES.contains(&of.as_str()) {
        *expr = call(&of, vec![inner.as_ref().clone()]);
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
            let oid_type = name.strip_prefix("to_").unwrap_or(&name);
            OID_TYPES.contains(&oid_type).then(|| (oid_type.to_owned(), expr.clone()))
        }
        _ => None,
    }
}

fn is_function_column(name: &Ident) -> bool {
    FUNCTION_COLUMNS.contains(&name.value.to_lowercase().as_str())
}
