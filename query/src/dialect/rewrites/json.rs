//! JSON: types, operators and aggregates as functions.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, TableAlias, TableAliasColumnDef, TableFactor,
};

use crate::dialect::corrections::build::{bare, call, has_subquery, take, text};
use crate::postgres::json::functions::{
    AGGREGATED, GET, GET_TEXT, ITEM_TEXTS, ITEMS, JSON, JSONB, NAMES, PATH, PATH_TEXT,
};
use crate::postgres::json::objects::OF_ROWS;

/// Rewrites one expression, whose parts have been rewritten.
pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::Cast { expr: operand, data_type: DataType::JSON, .. } => *expr = call(JSON, vec![take(operand)]),
        Expr::Cast { expr: operand, data_type: DataType::JSONB, .. } => *expr = call(JSONB, vec![take(operand)]),
        Expr::TypedString(typed) if matches!(typed.data_type, DataType::JSON | DataType::JSONB) => {
            let name = if typed.data_type == DataType::JSON { JSON } else { JSONB };
            *expr = call(name, vec![Expr::Value(typed.value.clone())]);
        }
        Expr::BinaryOp { left, op, right } => {
            let name = match op {
                BinaryOperator::Arrow => GET,
                BinaryOperator::LongArrow => GET_TEXT,
                BinaryOperator::HashArrow => PATH,
                BinaryOperator::HashLongArrow => PATH_TEXT,
                _ => return,
            };
            let mut key = take(right);
            if [PATH, PATH_TEXT].contains(&name) && matches!(bare(&key), Expr::Value(_)) {
                key = call("array_of_text", vec![key, text("")]);
            }
            *expr = call(name, vec![take(left), key]);
        }
        Expr::Function(function) => {
            if let Some(made) = aggregate(function) {
                *expr = made;
            }
        }
        _ => {}
    }
}

/// `json_agg(x ORDER BY y)` as the array of the same values, written as JSON.
fn aggregate(function: &mut Function) -> Option<Expr> {
    let name = function.name.to_string().to_lowercase();
    let is_agg = ["json_agg", "jsonb_agg"].contains(&name.as_str());
    if is_agg {
        function.name = ObjectName::from(vec![Ident::new("array_agg")]);
        return Some(call(AGGREGATED, vec![Expr::Function(function.clone())]));
    }
    if ["json_object_agg", "jsonb_object_agg"].contains(&name.as_str()) {
        return object_of_rows(function, name == "jsonb_object_agg");
    }
    if ["json_object", "jsonb_object"].contains(&name.as_str()) {
        read_arrays(function);
        return None;
    }
    let of_rows = items_function(&name)?;
    function.name = ObjectName::from(vec![Ident::new(of_rows)]);
    Some(call("unnest", vec![Expr::Function(function.clone())]))
}

/// `json_object_agg(name, value)` as an object of both arrays.
fn object_of_rows(function: &Function, is_binary: bool) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let [name, value] = list.args.as_slice() else { return None };
    // What stands behind the arguments is written twice.
    let is_repeatable = function.filter.as_ref().is_none_or(|filter| !has_subquery(filter))
        && list.clauses.iter().all(|clause| match clause {
            FunctionArgumentClause::OrderBy(all) => !all.iter().any(|by| has_subquery(&by.expr)),
            _ => false,
        });
    if !is_repeatable {
        return None;
    }
    let array = |of: &FunctionArg| {
        let mut array = function.clone();
        array.name = ObjectName::from(vec![Ident::new("array_agg")]);
        array.args = FunctionArguments::List(FunctionArgumentList { args: vec![of.clone()], ..list.clone() });
        Expr::Function(array)
    };
    let object = call(OF_ROWS, vec![array(name), array(value)]);
    Some(if is_binary { call(JSONB, vec![object]) } else { object })
}

/// Constants as the arrays that `json_object` takes.
fn read_arrays(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    for argument in &mut list.args {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument
            && matches!(bare(value), Expr::Value(_))
        {
            *value = call("array_of_text", vec![take(value), text("")]);
        }
    }
}

/// The function that makes the array whose items a function returns as rows.
fn items_function(name: &str) -> Option<&'static str> {
    match name {
        "json_array_elements" | "jsonb_array_elements" => Some(ITEMS),
        "json_array_elements_text" | "jsonb_array_elements_text" => Some(ITEM_TEXTS),
        "json_object_keys" | "jsonb_object_keys" => Some(NAMES),
        _ => None,
    }
}

/// `FROM json_array_elements(x)` as the items of an array.
pub(super) fn items_as_relation(relation: &mut TableFactor) {
    let TableFactor::Table { name, alias, args: Some(arguments), .. } = relation else { return };
    let function = name.to_string().to_lowercase();
    let Some(of_rows) = items_function(&function) else { return };
    let args = arguments.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    });
    let Some(args) = args.collect::<Option<Vec<Expr>>>() else { return };
    let own = if of_rows == NAMES { function.as_str() } else { "value" };
    let mut alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new(function.clone()),
        columns: vec![TableAliasColumnDef { name: Ident::new(own), data_type: None }],
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns = vec![TableAliasColumnDef { name: alias.name.clone(), data_type: None }];
    }
    *relation = TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: vec![call(of_rows, args)],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
}
