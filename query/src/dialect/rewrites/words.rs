//! Words that are calls, names with their schema, and collations.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, SelectItem, SetExpr, TableAlias, TableFactor,
};

use crate::dialect::corrections::build::{call, folded, template};

/// Words without parentheses that PostgreSQL takes for calls, and the parser for columns.
const WORDS: [&str; 3] = ["current_schema", "current_catalog", "current_role"];

/// `current_schema` as a call.
pub(super) fn call_of_word(expr: &mut Expr) {
    if let Expr::Identifier(name) = expr
        && name.quote_style.is_none()
        && WORDS.contains(&name.value.to_lowercase().as_str())
    {
        *expr = call(&name.value.to_lowercase(), Vec::new());
    }
}

/// Functions of one value that clients ask as relations: `SELECT * FROM current_schema()`.
const VALUES: [&str; 8] = [
    "current_catalog",
    "current_database",
    "current_schema",
    "current_setting",
    "current_user",
    "now",
    "session_user",
    "version",
];

/// A function of one value as a relation of one row, whose column has the name of the function or of its alias.
pub(super) fn value_as_relation(relation: &mut TableFactor) {
    let TableFactor::Table { name, alias, args: Some(arguments), .. } = relation else { return };
    let [part] = name.0.as_slice() else { return };
    let Some(function) = part.as_ident().map(folded).filter(|name| VALUES.contains(&name.as_str())) else { return };
    let values = arguments.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    });
    let Some(values) = values.collect::<Option<Vec<Expr>>>() else { return };
    let alias = alias.clone().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new(&function),
        columns: Vec::new(),
        at: None,
    });
    let column = alias.columns.first().map_or_else(|| alias.name.clone(), |column| column.name.clone());
    let Some(mut subquery) = template("SELECT 1") else { return };
    if let SetExpr::Select(select) = subquery.body.as_mut() {
        select.projection = vec![SelectItem::ExprWithAlias { expr: call(&function, values), alias: column }];
    }
    let alias = TableAlias { columns: Vec::new(), ..alias };
    *relation = TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
}

/// `pg_catalog.upper(x)` as `upper(x)`: functions stand in no schema here.
pub(super) fn strip_schema_of_call(expr: &mut Expr) {
    if let Expr::Function(function) = expr {
        strip_schema(&mut function.name);
    }
}

/// `pg_catalog.generate_series(…)` as `generate_series(…)`, and names of such functions in lower case, as they are registered.
pub(super) fn strip_schema_of_relation(relation: &mut TableFactor) {
    if let TableFactor::Table { name, args: Some(_), .. } = relation {
        strip_schema(name);
        if let [part] = name.0.as_mut_slice()
            && let Some(ident) = part.as_ident()
            && ident.quote_style.is_none()
        {
            *name = ObjectName::from(vec![Ident::new(ident.value.to_lowercase())]);
        }
    }
}

fn strip_schema(name: &mut ObjectName) {
    if let [schema, function] = name.0.as_slice()
        && schema.as_ident().is_some_and(|schema| folded(schema) == "pg_catalog")
    {
        *name = ObjectName(vec![function.clone()]);
    }
}

/// Collations that order by bytes, as everything is ordered here.
const BY_BYTES: [&str; 4] = ["C", "POSIX", "default", "ucs_basic"];

/// True for a collation that changes nothing here.
fn is_by_bytes(collation: &ObjectName) -> bool {
    collation.0.last().and_then(|name| name.as_ident()).is_some_and(|name| BY_BYTES.contains(&name.value.as_str()))
}

/// `x COLLATE "C"` as `x`.
pub(super) fn strip_collation(expr: &mut Expr) {
    if let Expr::Collate { expr: inner, collation } = expr
        && is_by_bytes(collation)
    {
        *expr = std::mem::replace(inner.as_mut(), Expr::Identifier(Ident::new("")));
    }
}
