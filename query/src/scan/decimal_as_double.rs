//! A field with decimals as SQL shows it: the stored integer n as the double n / 10^d, which is the nearest double to the
//! decimal for every n of at most 15 digits.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal32Type, Decimal64Type, Decimal128Type, Float64Type, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::PhysicalExpr;
use zonelake_schemas::decimal::POWERS;
use zonelake_schemas::table::DIGITS_64;

/// Doubles of an array of decimals. Decimals of more than 15 digits, which only a foreign writer of the files could have
/// made, are rounded.
///
/// # Errors
/// For an array that is not of decimals.
pub(crate) fn to_doubles(decimals: &ArrayRef) -> Result<ArrayRef> {
    match decimals.data_type() {
        DataType::Decimal32(digits, scale) if exact(*digits, *scale) => {
            Ok(scaled::<Decimal32Type>(decimals, *scale, f64::from))
        }
        DataType::Decimal64(digits, scale) if exact(*digits, *scale) => {
            Ok(scaled::<Decimal64Type>(decimals, *scale, |n| n as f64))
        }
        DataType::Decimal128(digits, scale) if exact(*digits, *scale) => {
            Ok(scaled::<Decimal128Type>(decimals, *scale, |n| n as f64))
        }
        _ => Ok(cast(decimals, &DataType::Float64)?),
    }
}

/// True where n / 10^scale is the nearest double for every n of that many digits.
pub(crate) fn exact(digits: u8, scale: i8) -> bool {
    digits <= DIGITS_64 && (0..=DIGITS_64.cast_signed()).contains(&scale)
}

fn scaled<T: ArrowPrimitiveType>(decimals: &ArrayRef, scale: i8, double: impl Fn(T::Native) -> f64) -> ArrayRef {
    let power = POWERS[usize::from(scale.unsigned_abs())];
    let doubles: Float64Array = decimals.as_primitive::<T>().unary::<_, Float64Type>(|n| double(n) / power);
    Arc::new(doubles)
}

/// Column of decimals in a file, as doubles.
#[derive(Debug, Eq)]
pub(crate) struct DecimalAsDouble {
    decimals: Arc<dyn PhysicalExpr>,
}

// Deriving these would move the expression out of its reference.
impl PartialEq for DecimalAsDouble {
    fn eq(&self, other: &Self) -> bool {
        self.decimals.eq(&other.decimals)
    }
}

impl Hash for DecimalAsDouble {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.decimals.hash(state);
    }
}

impl DecimalAsDouble {
    /// Doubles of the decimals of an expression.
    pub(crate) fn new(decimals: Arc<dyn PhysicalExpr>) -> Self {
        Self { decimals }
    }
}

impl fmt::Display for DecimalAsDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "double({})", self.decimals)
    }
}

impl PhysicalExpr for DecimalAsDouble {
    fn data_type(&self, _input_schema: &Schema) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn nullable(&self, input_schema: &Schema) -> Result<bool> {
        self.decimals.nullable(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(match self.decimals.evaluate(batch)? {
            ColumnarValue::Array(decimals) => ColumnarValue::Array(to_doubles(&decimals)?),
            ColumnarValue::Scalar(decimal) => {
                let one = to_doubles(&decimal.to_array()?)?;
                ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&one, 0)?)
            }
        })
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.decimals]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let [decimals] = <[Arc<dyn PhysicalExpr>; 1]>::try_from(children)
            // The rejected children say no more than that they are not one.
            .map_err(|_children| datafusion::common::internal_datafusion_err!("a decimal as a double has one input"))?;
        Ok(Arc::new(Self::new(decimals)))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decimals.fmt_sql(f)
    }
}
