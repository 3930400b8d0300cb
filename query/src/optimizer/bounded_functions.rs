//! Functions that make a value of any length out of a few bytes of SQL. Their values are not counted against the memory of a
//! statement, so one call could take all memory of the machine, and ingest with it.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::max;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// Functions that are removed: nested calls of them multiply. Rows of a series come from the table function
/// `generate_series`.
const LEFT_OUT: [&str; 5] = ["array_repeat", "array_resize", "generate_series", "range", "repeat"];
/// Functions whose second argument is the length of their value.
const BOUNDED: [&str; 2] = ["lpad", "rpad"];
/// Characters of such a value.
const LENGTH_MAX: i64 = 10_000;

/// Removes and limits functions of a session.
///
/// # Errors
/// Where DataFusion does not know one of them.
pub(crate) fn bound_functions(state: &mut SessionState) -> Result<()> {
    for name in LEFT_OUT {
        state.deregister_udf(name)?;
    }
    for name in BOUNDED {
        let function = state.udf(name)?;
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(Bounded { function })))?;
    }
    Ok(())
}

/// A function whose second argument has a limit.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    function: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.function.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(length) = args.args.get(1) else { return self.function.invoke_with_args(args) };
        let lengths = length.to_array(args.number_rows)?;
        let longest = lengths.as_primitive_opt::<Int64Type>().map(max);
        match longest {
            Some(longest) if longest.is_none_or(|longest| longest <= LENGTH_MAX) => {
                self.function.invoke_with_args(args)
            }
            _ => exec_err!("{} makes at most {LENGTH_MAX} characters", self.name()),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}
