//! The operator in a logical plan.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::common::{DFSchema, DFSchemaRef, Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

/// The value of a column in a row that is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fill {
    /// The value that the whole group has.
    Key,
    /// The bucket.
    Bucket,
    /// Nothing.
    Null,
    /// The value of the row before.
    Last,
    /// The value on the line between the rows around it.
    Line,
}

/// A bound of the range that is filled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bound {
    /// A constant.
    pub(crate) time: Expr,
    /// The range begins, or ends, a microsecond later.
    pub(crate) one_us_later: bool,
}

/// Fills the gaps of groups.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct GapFill {
    /// Rows of groups, at most one for a bucket.
    pub(crate) input: LogicalPlan,
    /// Values of filled rows, one for each column.
    pub(crate) fills: Vec<Fill>,
    /// The width of buckets and their zone.
    pub(crate) bucket: Vec<Expr>,
    /// The range begins at the latest of these.
    pub(crate) starts: Vec<Bound>,
    /// The range ends before the earliest of these.
    pub(crate) finishes: Vec<Bound>,
    schema: DFSchemaRef,
}

impl GapFill {
    /// Over rows whose columns are filled by `fills`.
    pub(crate) fn try_new(
        input: LogicalPlan,
        fills: Vec<Fill>,
        bucket: Vec<Expr>,
        starts: Vec<Bound>,
        finishes: Vec<Bound>,
    ) -> Result<Self> {
        let fields = input.schema().iter().zip(&fills).map(|((table, field), fill)| {
            let nullable = field.is_nullable() || !matches!(fill, Fill::Key | Fill::Bucket);
            let field =
                Field::new(field.name(), field.data_type().clone(), nullable).with_metadata(field.metadata().clone());
            (table.cloned(), Arc::new(field))
        });
        let schema = DFSchema::new_with_metadata(fields.collect(), input.schema().metadata().clone())?;
        Ok(Self { input, fills, bucket, starts, finishes, schema: Arc::new(schema) })
    }
}

impl PartialOrd for GapFill {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        // DataFusion asks for an order of nodes; any that agrees with equality of inputs will do.
        self.input.partial_cmp(&other.input)
    }
}

impl UserDefinedLogicalNodeCore for GapFill {
    fn name(&self) -> &str {
        "GapFill"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let bounds = self.starts.iter().chain(&self.finishes).map(|bound| bound.time.clone());
        self.bucket.iter().cloned().chain(bounds).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GapFill: {:?}", self.fills)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(input) = inputs.pop() else { return plan_err!("GapFill has one input") };
        let mut exprs = exprs.into_iter();
        let bucket = exprs.by_ref().take(self.bucket.len()).collect();
        let mut bounds = |of: &[Bound]| -> Vec<Bound> {
            let times = exprs.by_ref().take(of.len());
            of.iter().zip(times).map(|(bound, time)| Bound { time, one_us_later: bound.one_us_later }).collect()
        };
        let (starts, finishes) = (bounds(&self.starts), bounds(&self.finishes));
        Self::try_new(input, self.fills.clone(), bucket, starts, finishes)
    }
}
