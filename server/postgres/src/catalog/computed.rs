//! A function of a connection whose values are computed from arrays.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// Computes the values of a function from its arguments, of which there is at least one.
type Compute = dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync;

/// A function of at least one argument.
pub(crate) fn computed(
    name: &'static str,
    returns: DataType,
    compute: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Computed {
        name,
        returns,
        compute: Arc::new(compute),
        signature: Signature::variadic_any(Volatility::Stable),
    }))
}

/// Numbers of an argument that are OIDs or counts, or stand in a text; what is no number is null.
pub(crate) fn numbers(argument: &ArrayRef) -> Result<Int64Array> {
    Ok(cast(argument, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

struct Computed {
    name: &'static str,
    returns: DataType,
    compute: Arc<Compute>,
    signature: Signature,
}

impl fmt::Debug for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Computed").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Computed {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.compute, &other.compute)
    }
}

impl Eq for Computed {}

impl Hash for Computed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Computed {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        if arrays.is_empty() {
            return exec_err!("{} takes an argument", self.name);
        }
        Ok(ColumnarValue::Array((self.compute)(&arrays)?))
    }
}
