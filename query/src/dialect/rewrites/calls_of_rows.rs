//! Functions that return rows, as the items of an array: `generate_subscripts`, `regexp_matches`, `regexp_split_to_table`, `json_each`,
//! and `WITH ORDINALITY`.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, TableAlias, TableAliasColumnDef,
    TableFactor, Value,
};

use super::patterns::is_global;
use crate::dialect::corrections::build::{call, folded, has_subquery, truth};
use crate::postgres::arrays::sorted::PLACES;
use crate::postgres::json::functions::NAMES;
use crate::postgres::json::objects::{VALUE_TEXTS, VALUES};
use crate::postgres::patterns::matches::{ALL_GROUPS, SPLIT};

/// Such a call among the columns of a SELECT.
pub(super) fn among_columns(expr: &mut Expr) {
    let Expr::Function(function) = &*expr else { return };
    if function.over.is_some() {
        return;
    }
    let (Some(name), FunctionArguments::List(list)) = (name_of(&function.name), &function.args) else { return };
    let Some(args) = positional(&list.args) else { return };
    if let Some(array) = array_of(&name, args) {
        *expr = call("unnest", vec![array]);
    }
}

/// The array whose items a function returns as rows; the pattern of a regular expression has not been translated yet.
fn array_of(name: &str, mut args: Vec<Expr>) -> Option<Expr> {
    match (name, args.len()) {
        // Arrays have one dimension here.
        ("generate_subscripts", 2) if is_one(&args[1]) => {
            args.truncate(1);
            Some(call(PLACES, args))
        }
        ("regexp_matches", 2 | 3) => {
            let is_global = args.get(2).is_some_and(is_global);
            let pattern = super::patterns::of_arguments(&mut args)?;
            args.push(pattern);
            args.push(truth(is_global));
            Some(call(ALL_GROUPS, args))
        }
        ("regexp_split_to_table", 2 | 3) => {
            let pattern = super::patterns::of_arguments(&mut args)?;
            args.push(pattern);
            Some(call(SPLIT, args))
        }
        _ => None,
    }
}

/// Such a call as a relation, and `unnest` with its places.
pub(super) fn as_relation(relation: &mut TableFactor) {
    number_items(relation);
    let (name, alias, args, is_numbered, is_lateral) = match &*relation {
        TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
            (name, alias, &args.args, *with_ordinality, false)
        }
        TableFactor::Function { name, alias, args, with_ordinality, .. } => (name, alias, args, *with_ordinality, true),
        _ => return,
    };
    let (Some(name), Some(args)) = (name_of(name), positional(args)) else { return };
    let (arrays, columns): (Vec<Expr>, Vec<&str>) = match (name.as_str(), args.len()) {
        ("json_each" | "jsonb_each" | "json_each_text" | "jsonb_each_text", _) if args.iter().any(has_subquery) => {
            return;
        }
        ("json_each" | "jsonb_each", 1) => (vec![call(NAMES, args.clone()), call(VALUES, args)], vec!["key", "value"]),
        ("json_each_text" | "jsonb_each_text", 1) => {
            (vec![call(NAMES, args.clone()), call(VALUE_TEXTS, args)], vec!["key", "value"])
        }
        ("unnest", 1) if is_lateral => (args, vec![]),
        (name, _) => match array_of(name, args) {
            Some(array) => (vec![array], vec![]),
            None => return,
        },
    };
    let columns = if columns.is_empty() { vec![name.as_str()] } else { columns };
    *relation = unnested(arrays, alias.clone(), &columns, &name);
    if is_numbered {
        mark(relation);
        number_items(relation);
    }
}

/// `unnest(array) WITH ORDINALITY`: the places of the items stand beside them.
fn number_items(relation: &mut TableFactor) {
    let TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } = relation else { return };
    let [array] = array_exprs.as_slice() else { return };
    if !*with_ordinality || has_subquery(array) {
        return;
    }
    let places = call(PLACES, vec![array.clone()]);
    array_exprs.push(places);
    *with_ordinality = false;
    let alias = alias.get_or_insert_with(|| named("unnest"));
    let column = |name: &Ident| TableAliasColumnDef { name: name.clone(), data_type: None };
    if alias.columns.is_empty() {
        alias.columns.push(column(&alias.name));
    }
    if alias.columns.len() == 1 {
        alias.columns.push(column(&Ident::new("ordinality")));
    }
}

fn mark(relation: &mut TableFactor) {
    if let TableFactor::UNNEST { with_ordinality, .. } = relation {
        *with_ordinality = true;
    }
}

fn named(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

fn unnested(arrays: Vec<Expr>, alias: Option<TableAlias>, columns: &[&str], function: &str) -> TableFactor {
    let has_alias = alias.is_some();
    let mut alias = alias.unwrap_or_else(|| named(function));
    if alias.columns.is_empty() {
        let column = |name: Ident| TableAliasColumnDef { name, data_type: None };
        // The one column of a function has the name of its relation.
        alias.columns = match columns {
            [_] if has_alias => vec![column(alias.name.clone())],
            columns => columns.iter().map(|name| column(Ident::new(*name))).collect(),
        };
    }
    TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: arrays,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

fn name_of(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(folded),
        _ => None,
    }
}

fn positional(args: &[FunctionArg]) -> Option<Vec<Expr>> {
    let one = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    };
    args.iter().map(one).collect()
}

fn is_one(dimension: &Expr) -> bool {
    matches!(dimension, Expr::Value(value) if matches!(&value.value, Value::Number(number, _) if *number == "1"))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use crate::dialect::rewrites::rewrite;

    #[test]
    fn functions_of_rows_are_items_of_arrays() {
        let rewritten = |sql: &str| {
            let parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql).expect(sql).remove(0);
            let mut statement = Statement::Statement(Box::new(parsed));
            rewrite(&mut statement);
            statement.to_string()
        };
        for (sql, expected) in [
            (
                "SELECT x, n FROM unnest(a) WITH ORDINALITY AS u (x, n)",
                "SELECT x, n FROM UNNEST(a, array_places(a)) AS u (x, n)",
            ),
            (
                "SELECT * FROM unnest(a) WITH ORDINALITY",
                "SELECT * FROM UNNEST(a, array_places(a)) AS unnest (unnest, ordinality)",
            ),
            ("SELECT generate_subscripts(a, 1)", "SELECT unnest(array_places(a))"),
            ("SELECT regexp_matches(a, 'b', 'g')", "SELECT unnest(regexp_all_groups(a, 'b', true))"),
            ("SELECT 1 FROM generate_series(1, 3) AS g", "SELECT 1 FROM generate_series(1, 3) AS g"),
        ] {
            assert_eq!(rewritten(sql), expected);
        }
    }
}
