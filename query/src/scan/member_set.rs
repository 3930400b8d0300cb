//! A long `IN` list in the filter of a scan, as one expression without parts. For each file that it opens DataFusion walks
//! the filter several times, and with it each member of a list: 4,000 names over 1,461 files took 15 s.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::{Column, InListExpr, Literal};
use datafusion::physical_plan::PhysicalExpr;

/// Members of a list up to which it stays as it is: statistics are consulted for it then.
pub(crate) const SHORT_MAX: usize = 100;

/// The same filter, whose long lists of constants are sets.
///
/// # Errors
/// Where an expression has no type over `schema`.
pub(crate) fn with_member_sets(filter: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    filter
        .transform_down(|node| {
            let set = match node.downcast_ref::<InListExpr>() {
                Some(list) if list.len() > SHORT_MAX => MemberSet::of(list, schema)?,
                _ => None,
            };
            Ok(set.map_or_else(|| Transformed::no(node), |set| Transformed::yes(Arc::new(set) as _)))
        })
        .data()
}

/// A value, and the list that it is looked up in.
#[derive(Debug, Eq)]
struct MemberSet {
    value: Arc<dyn PhysicalExpr>,
    /// The list over the only column of `schema`.
    list: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    members: usize,
}

impl MemberSet {
    /// The set of a list of constants; none of another one.
    fn of(list: &InListExpr, schema: &Schema) -> Result<Option<Self>> {
        if !list.list().iter().all(|member| member.is::<Literal>()) {
            return Ok(None);
        }
        let schema = Arc::new(Schema::new(vec![Field::new(VALUE, list.expr().data_type(schema)?, true)]));
        let column = Arc::new(Column::new(VALUE, 0));
        let over_column = InListExpr::try_new(column, list.list().to_vec(), list.negated(), &schema)?;
        let (value, members) = (Arc::clone(list.expr()), list.len());
        Ok(Some(Self { value, list: Arc::new(over_column), schema, members }))
    }
}

const VALUE: &str = "value";

// Deriving these would move the expressions out of their references.
impl PartialEq for MemberSet {
    fn eq(&self, other: &Self) -> bool {
        self.value.eq(&other.value) && (Arc::ptr_eq(&self.list, &other.list) || self.list.eq(&other.list))
    }
}

impl Hash for MemberSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
        self.members.hash(state);
    }
}

impl fmt::Display for MemberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} IN ({} members)", self.value, self.members)
    }
}

impl PhysicalExpr for MemberSet {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let value = self.value.evaluate(batch)?.into_array(batch.num_rows())?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        self.list.evaluate(&RecordBatch::try_new_with_options(Arc::clone(&self.schema), vec![value], &options)?)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.value]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let [value] = <[Arc<dyn PhysicalExpr>; 1]>::try_from(children)
            // The rejected children say no more than that they are not one.
            .map_err(|_children| internal_datafusion_err!("a set of members has one value"))?;
        let (list, schema) = (Arc::clone(&self.list), Arc::clone(&self.schema));
        Ok(Arc::new(Self { value, list, schema, members: self.members }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt_sql(f)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Float64Array};
    use datafusion::common::ScalarValue;
    use datafusion::physical_expr::expressions::{in_list, lit};

    use super::*;

    #[test]
    fn a_set_passes_the_rows_that_its_list_passes() {
        let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Float64, true)]));
        let values = [Some(0.0), Some(-0.0), Some(1.5), Some(7.0), Some(f64::NAN), None, Some(300.0)];
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Float64Array::from(values.to_vec()))])
            .expect("a column");
        for negated in [false, true] {
            for null in [None, Some(ScalarValue::Float64(None))] {
                let members = (0..200).map(|n| ScalarValue::Float64(Some(f64::from(n)))).chain(null);
                let column = Arc::new(Column::new("v", 0));
                let list = in_list(column, members.map(lit).collect(), &negated, &schema).expect("a list");
                let set = with_member_sets(Arc::clone(&list), &schema).expect("a set");
                assert!(set.is::<MemberSet>() && set.children().len() == 1);
                let rows = |of: &Arc<dyn PhysicalExpr>| {
                    of.evaluate(&batch).and_then(|value| value.into_array(7)).expect("rows").as_boolean().clone()
                };
                assert_eq!(rows(&set), rows(&list));
            }
        }
    }
}
