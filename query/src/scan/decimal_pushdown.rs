//! Decimal pushdown: filters and projections of a table in the physical schema of one of its files.
//!
//! The plan speaks of a table as SQL shows it. For each file that it opens, DataFusion asks this adapter to rewrite the
//! expressions that it will evaluate there, be it a projection, a filter of the statement or one that a join or a TOP-k makes while it
//! runs. Fields that a file stores as decimals become doubles by [`DecimalAsDouble`], and comparisons of them with constants
//! become comparisons of decimals, so that the statistics of row groups and pages apply to them. The rest, as
//! columns that a file lacks, is left to DataFusion's own adapter.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, DynamicFilterPhysicalExpr, DynamicFilterTracking, InListExpr, Literal, lit,
};
use datafusion::physical_expr::{conjunction, split_conjunction};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use datafusion::physical_plan::PhysicalExpr;

use crate::scan::decimal_as_double::{DecimalAsDouble, exact};
use crate::scan::decimal_predicate::{ScaledInt, ScaledPredicate};

/// Factory of the adapter of each file.
#[derive(Debug)]
pub(crate) struct DecimalPushdownFactory;

impl PhysicalExprAdapterFactory for DecimalPushdownFactory {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let stored = Arc::new(stored_schema(&logical, &physical));
        let rest = DefaultPhysicalExprAdapterFactory.create(Arc::clone(&stored), physical)?;
        Ok(Arc::new(DecimalPushdown { sql: logical, stored, rest }))
    }
}

/// The table's schema with the decimals of the file in place of the doubles that SQL shows. A column that is alike in
/// both is taken as the file describes it: where only descriptions differ, DataFusion's adapter would put a cast around
/// the column, and statistics would not be found through it.
fn stored_schema(logical: &Schema, physical: &Schema) -> Schema {
    let fields = logical.fields().iter().map(|field| {
        let Some((_, own)) = physical.fields().find(field.name()) else { return Arc::clone(field) };
        let decimals = *field.data_type() == DataType::Float64 && own.data_type().is_decimal();
        if decimals || own.data_type() == field.data_type() { Arc::clone(own) } else { Arc::clone(field) }
    });
    Schema::new(fields.collect::<Vec<_>>())
}

#[derive(Debug)]
struct DecimalPushdown {
    sql: SchemaRef,
    stored: SchemaRef,
    rest: Arc<dyn PhysicalExprAdapter>,
}

impl PhysicalExprAdapter for DecimalPushdown {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let in_decimals = times_first(expr)?.transform_down(|node| self.rewrite_node(node)).data()?;
        self.rest.rewrite(in_decimals)
    }
}

/// Puts the bounds of time that a join has found in front of the rest of its filter: they are compared first and alone, so that
/// the other columns of the filter are decoded for the rows that are left.
fn times_first(filter: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    let mut times = Vec::new();
    for part in split_conjunction(&filter) {
        if let Some(made) = part.downcast_ref::<DynamicFilterPhysicalExpr>()
            && matches!(DynamicFilterTracking::classify(part), DynamicFilterTracking::AllComplete)
        {
            times.extend(split_conjunction(&made.current()?).into_iter().filter(|part| is_of_time(part)).cloned());
        }
    }
    if times.is_empty() { Ok(filter) } else { Ok(conjunction(times.into_iter().chain([filter]))) }
}

/// True for a comparison of the time with a constant.
fn is_of_time(part: &Arc<dyn PhysicalExpr>) -> bool {
    part.downcast_ref::<BinaryExpr>().is_some_and(|comparison| {
        comparison.left().downcast_ref::<Column>().is_some_and(|column| column.name() == "time")
            && comparison.right().is::<Literal>()
    })
}

impl DecimalPushdown {
    fn rewrite_node(&self, node: Arc<dyn PhysicalExpr>) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
        let rewritten = if let Some(comparison) = node.downcast_ref::<BinaryExpr>() {
            self.comparison(comparison)?
        } else if let Some(list) = node.downcast_ref::<InListExpr>() {
            self.in_list(list)?
        } else if self.decimal(&node).is_some() {
            Some(Arc::new(DecimalAsDouble::new(Arc::clone(&node))) as _)
        } else {
            None
        };
        Ok(match rewritten {
            Some(rewritten) => Transformed::new(rewritten, true, TreeNodeRecursion::Jump),
            None => Transformed::no(node),
        })
    }

    /// Decimal type of a column that SQL shows as a double.
    fn decimal(&self, node: &Arc<dyn PhysicalExpr>) -> Option<&DataType> {
        let name = node.downcast_ref::<Column>()?.name();
        let stored = self.stored.field_with_name(name).ok()?.data_type();
        let shown = self.sql.field_with_name(name).ok()?.data_type();
        (stored.is_decimal() && stored != shown).then_some(stored)
    }

    fn comparison(&self, comparison: &BinaryExpr) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let (left, right) = (comparison.left(), comparison.right());
        let (column, op, constant) = if self.decimal(left).is_some() {
            (left, *comparison.op(), right)
        } else if self.decimal(right).is_some() {
            let Some(op) = comparison.op().swap() else { return Ok(None) };
            (right, op, left)
        } else {
            return Ok(None);
        };
        let Some(stored) = self.decimal(column) else { return Ok(None) };
        let (Some(scaled), Some(constant)) = (scaled_int(stored), double(constant)) else { return Ok(None) };
        let Some(constant) = constant else {
            return Ok(scaled.predicate(op, 0.0).map(|_| lit(ScalarValue::Boolean(None))));
        };
        let Some(predicate) = scaled.predicate(op, constant) else { return Ok(None) };
        scaled_comparison(column, stored, scaled, predicate).map(Some)
    }

    fn in_list(&self, list: &InListExpr) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let column = list.expr();
        let Some(stored) = self.decimal(column) else { return Ok(None) };
        let Some(scaled) = scaled_int(stored) else { return Ok(None) };
        let mut members = Vec::with_capacity(list.len());
        for member in list.list() {
            match double(member) {
                Some(Some(constant)) => {
                    if let Some(n) = scaled.exactly(constant) {
                        members.push(lit(decimal_scalar(stored, n)?));
                    }
                }
                Some(None) => members.push(lit(ScalarValue::try_new_null(stored)?)),
                None => return Ok(None),
            }
        }
        if members.is_empty() {
            let predicate = if list.negated() { ScaledPredicate::All } else { ScaledPredicate::None };
            return scaled_comparison(column, stored, scaled, predicate).map(Some);
        }
        let list = InListExpr::try_new(Arc::clone(column), members, list.negated(), &self.stored)?;
        Ok(Some(Arc::new(list)))
    }
}

/// Comparison with a decimal that a predicate on the stored integers is. Like every comparison it is null for null, so that
/// it may stand below a NOT.
fn scaled_comparison(
    column: &Arc<dyn PhysicalExpr>,
    stored: &DataType,
    scaled: ScaledInt,
    predicate: ScaledPredicate,
) -> Result<Arc<dyn PhysicalExpr>> {
    let (op, n) = match predicate {
        ScaledPredicate::Below(bound) => (Operator::Lt, bound),
        ScaledPredicate::AtLeast(bound) => (Operator::GtEq, bound),
        ScaledPredicate::Is(value) => (Operator::Eq, value),
        ScaledPredicate::IsNot(value) => (Operator::NotEq, value),
        ScaledPredicate::All => (Operator::LtEq, scaled.limit()),
        ScaledPredicate::None => (Operator::Gt, scaled.limit()),
    };
    Ok(Arc::new(BinaryExpr::new(Arc::clone(column), op, lit(decimal_scalar(stored, n)?))))
}

fn scaled_int(stored: &DataType) -> Option<ScaledInt> {
    let (digits, scale) = match stored {
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale) => (*digits, *scale),
        _ => return None,
    };
    exact(digits, scale).then_some(ScaledInt { decimals: scale.unsigned_abs(), digits })
}

fn decimal_scalar(stored: &DataType, n: i64) -> Result<ScalarValue> {
    match stored {
        DataType::Decimal32(digits, scale) => match i32::try_from(n) {
            Ok(n) => Ok(ScalarValue::Decimal32(Some(n), *digits, *scale)),
            Err(_) => datafusion::common::internal_err!("{n} does not fit {digits} digits"),
        },
        DataType::Decimal64(digits, scale) => Ok(ScalarValue::Decimal64(Some(n), *digits, *scale)),
        DataType::Decimal128(digits, scale) => Ok(ScalarValue::Decimal128(Some(n.into()), *digits, *scale)),
        other => datafusion::common::internal_err!("{other} is not a decimal that is stored"),
    }
}

/// Constant of a literal: a double, or null within.
fn double(expr: &Arc<dyn PhysicalExpr>) -> Option<Option<f64>> {
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Float64(constant) => Some(*constant),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, BooleanArray, Decimal32Array, Decimal64Array, Float64Array};
    use arrow::datatypes::Field;
    use arrow::record_batch::RecordBatch;
    use datafusion::physical_expr::expressions::{col, in_list, not};
    use proptest::prelude::*;
    use zonelake_schemas::decimal::to_f64;

    use super::*;

    /// One column `v` as a file keeps it and as SQL shows it.
    fn both(values: &[Option<i64>], decimals: u8, digits: u8) -> (RecordBatch, RecordBatch) {
        let scale = decimals.cast_signed();
        let kept: ArrayRef = if digits == 9 {
            let values =
                values.iter().map(|n| n.map(|n| i32::try_from(n).expect("nine digits"))).collect::<Decimal32Array>();
            Arc::new(values.with_precision_and_scale(9, scale).expect("a type that fields have"))
        } else {
            let values = values.iter().copied().collect::<Decimal64Array>();
            Arc::new(values.with_precision_and_scale(15, scale).expect("a type that fields have"))
        };
        let shown: Float64Array = values.iter().map(|n| n.map(|n| to_f64(n, decimals))).collect();
        let batch = |column: ArrayRef| {
            let schema = Schema::new(vec![Field::new("v", column.data_type().clone(), true)]);
            RecordBatch::try_new(Arc::new(schema), vec![column]).expect("one column")
        };
        (batch(kept), batch(Arc::new(shown)))
    }

    fn evaluate(filter: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> BooleanArray {
        let array = filter.evaluate(batch).and_then(|value| value.into_array(batch.num_rows())).expect("a filter");
        array.as_boolean().clone()
    }

    fn filters(schema: &Schema, constants: &[f64]) -> Vec<Arc<dyn PhysicalExpr>> {
        let column = || col("v", schema).expect("the column");
        let one = |constant: f64| lit(ScalarValue::Float64(Some(constant)));
        let null = || lit(ScalarValue::Float64(None));
        let mut filters: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
        let ops = [Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq, Operator::Eq, Operator::NotEq];
        for op in ops {
            for &constant in constants {
                filters.push(Arc::new(BinaryExpr::new(column(), op, one(constant))));
                filters.push(Arc::new(BinaryExpr::new(one(constant), op, column())));
            }
            filters.push(Arc::new(BinaryExpr::new(column(), op, null())));
        }
        filters.push(Arc::new(BinaryExpr::new(column(), Operator::IsDistinctFrom, null())));
        for negated in [false, true] {
            let members: Vec<_> = constants.iter().map(|&constant| one(constant)).collect();
            let with_null = members.iter().cloned().chain([null()]).collect();
            for members in [members, with_null, vec![one(f64::NAN)]] {
                filters.push(in_list(column(), members, &negated, schema).expect("a list"));
            }
        }
        let negations: Vec<_> = filters.iter().map(|filter| not(Arc::clone(filter)).expect("a negation")).collect();
        filters.extend(negations);
        filters
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_filter_on_decimals_passes_the_rows_that_it_passes_on_doubles(
            (digits, decimals) in prop_oneof![Just(9u8), Just(15)].prop_flat_map(|digits| (Just(digits), 0..=digits)),
            raw in proptest::collection::vec(proptest::option::of(any::<i64>()), 1..20),
            nudges in proptest::collection::vec(0..5, 1..5),
            near in prop_oneof![Just(1_000i64), Just(1_000_000_000_000_000)],
        ) {
            let limit = ScaledInt { decimals, digits }.limit();
            let values: Vec<_> = raw.iter().map(|n| n.map(|n| n % near % (limit + 1))).collect();
            let (kept, shown) = both(&values, decimals, digits);
            let at = |index: usize| to_f64(values[index % values.len()].unwrap_or_default(), decimals);
            let constants: Vec<f64> = nudges.iter().enumerate().map(|(index, nudge)| match nudge {
                0 => at(index),
                1 => at(index).next_up(),
                2 => at(index).next_down(),
                3 => at(index) + 0.5 * to_f64(1, decimals),
                _ => f64::INFINITY,
            }).collect();
            let adapter = DecimalPushdownFactory.create(shown.schema(), kept.schema()).expect("an adapter");
            for filter in filters(&shown.schema(), &constants) {
                let in_file = adapter.rewrite(Arc::clone(&filter)).expect("a rewritten filter");
                prop_assert_eq!(evaluate(&in_file, &kept), evaluate(&filter, &shown), "{} as {}", filter, in_file);
            }
        }
    }

    #[test]
    fn a_comparison_with_a_constant_is_one_of_decimals() {
        let (kept, shown) = both(&[Some(1)], 2, 9);
        let adapter = DecimalPushdownFactory.create(shown.schema(), kept.schema()).expect("an adapter");
        let column = col("v", &shown.schema()).expect("the column");
        let filter: Arc<dyn PhysicalExpr> =
            Arc::new(BinaryExpr::new(column, Operator::Gt, lit(ScalarValue::Float64(Some(1.005)))));
        let in_file = adapter.rewrite(filter).expect("a rewritten filter");
        assert_eq!(in_file.to_string(), "v@0 >= 1.01");
    }

    #[test]
    fn a_field_that_a_file_lacks_is_null() {
        let (_, shown) = both(&[Some(1)], 2, 9);
        let empty = Arc::new(Schema::new(vec![Field::new("other", DataType::Int64, true)]));
        let adapter = DecimalPushdownFactory.create(shown.schema(), empty).expect("an adapter");
        let rewritten = adapter.rewrite(col("v", &shown.schema()).expect("the column")).expect("a null");
        assert_eq!(rewritten.downcast_ref::<Literal>().map(Literal::value), Some(&ScalarValue::Float64(None)));
    }
}
