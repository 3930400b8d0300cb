//! Items and slices of arrays, empty arrays, and the column of `unnest`.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, ArrayElemTypeDef, DataType, Expr, Subscript, TableAliasColumnDef, TableFactor, Value,
};

use crate::dialect::corrections::build::{bare, call, number, take, text};
use crate::postgres::arrays::sets::SLICE;

/// `array[]::integer[]` as a constant: of an array without items nothing else tells the type.
pub(super) fn empty(expr: &mut Expr) {
    if let Expr::Cast { expr: operand, data_type: DataType::Array(_), .. } = expr
        && matches!(bare(operand), Expr::Array(array) if array.elem.is_empty())
    {
        **operand = text("{}");
    }
}

/// `array[x, 2.5]::integer[]` as an array of casts, each of an item as it was written: 2.5 would take the type of x.
pub(super) fn cast_items(expr: &mut Expr) {
    let Expr::Cast { expr: operand, data_type: DataType::Array(ArrayElemTypeDef::SquareBracket(of, _)), kind, .. } =
        expr
    else {
        return;
    };
    let Expr::Array(array) = bare(operand) else { return };
    let is_decimal = |item: &Expr| {
        matches!(bare(item), Expr::Value(value)
        if matches!(&value.value, Value::Number(number, _) if number.to_string().contains(['.', 'e'])))
    };
    let is_constant = |item: &Expr| matches!(bare(item), Expr::Value(_));
    if !array.elem.iter().any(is_decimal) || array.elem.iter().all(is_constant) {
        return;
    }
    let cast = |item: &Expr| Expr::Cast {
        kind: kind.clone(),
        expr: Box::new(item.clone()),
        data_type: of.as_ref().clone(),
        array: false,
        format: None,
    };
    *expr = Expr::Array(Array { elem: array.elem.iter().map(cast).collect(), named: true });
}

/// `array[2:3]`, `array[:3]` and `array[2:]`. DataFusion counts negative bounds from the end.
pub(super) fn slice(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return };
    let [AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride: None })] = access_chain.as_slice()
    else {
        return;
    };
    let lower = lower_bound.clone().unwrap_or_else(|| number(1));
    let upper = upper_bound.clone().unwrap_or_else(|| number(LAST));
    *expr = call(SLICE, vec![take(root), lower, upper]);
}

/// Beyond the last item of any array.
const LAST: usize = 2_147_483_647;

/// `unnest(array) x`: the name of the relation is that of its column too.
pub(super) fn name_unnested(relation: &mut TableFactor) {
    if let TableFactor::UNNEST { alias: Some(alias), array_exprs, .. } = relation
        && alias.columns.is_empty()
        && array_exprs.len() == 1
    {
        alias.columns = vec![TableAliasColumnDef { name: alias.name.clone(), data_type: None }];
    }
}
