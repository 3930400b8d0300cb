//! Names of gap filling in SQL. They are functions so that SQL can be planned; the rule replaces them before anything runs.

use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::functions::time_bucket::bucket_types;

/// A function that the rule replaces.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Placeholder {
    name: &'static str,
    signature: Signature,
}

/// `time_bucket_gapfill(width, time [, zone] [, start, finish])`.
pub(crate) const GAPFILL: &str = "time_bucket_gapfill";
/// `locf(value)`: in a filled row, the value of the row before.
pub(crate) const LOCF: &str = "locf";
/// `interpolate(value)`: in a filled row, on the straight line between the rows around it.
pub(crate) const INTERPOLATE: &str = "interpolate";

impl Placeholder {
    /// The placeholders that a session registers.
    pub(crate) fn all() -> [Self; 3] {
        [GAPFILL, LOCF, INTERPOLATE]
            .map(|name| Self { name, signature: Signature::user_defined(Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for Placeholder {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match (self.name, given) {
            (INTERPOLATE, [_]) => Ok(vec![DataType::Float64]),
            (LOCF, [value]) => Ok(vec![value.clone()]),
            (GAPFILL, [_, _, ..]) if given.len() <= 5 => bucket_types(self.name, given),
            _ => plan_err!("{} does not take {} arguments", self.name, given.len()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.name, types) {
            (INTERPOLATE, _) => Ok(DataType::Float64),
            (GAPFILL, [_, time, ..]) => Ok(time.clone()),
            (_, [value, ..]) => Ok(value.clone()),
            _ => plan_err!("{} takes an argument", self.name),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match self.name {
            GAPFILL => exec_err!("{GAPFILL} stands in GROUP BY, and once"),
            name => {
                exec_err!("{name} stands around a whole value in the SELECT list of a statement grouped by {GAPFILL}")
            }
        }
    }
}
