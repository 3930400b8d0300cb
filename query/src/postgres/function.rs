//! A scalar function of SQL: what it takes, what it gives, and how.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The types that a function wants for the types that it is given, and the type of its result.
pub(crate) type Typing = fn(&[DataType]) -> Result<(Vec<DataType>, DataType)>;

/// A call over a batch of rows.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The arguments, each with as many rows as the result.
    pub(crate) args: &'a [ArrayRef],
    /// The type of the result.
    pub(crate) result: &'a DataType,
    /// The settings of the session.
    pub(crate) config: &'a ConfigOptions,
}

/// A function whose result follows from its arguments alone.
pub(crate) struct Function {
    name: &'static str,
    signature: Signature,
    typing: Typing,
    run: fn(&Call<'_>) -> Result<ArrayRef>,
    strict: bool,
}

impl Function {
    /// A function that is null where an argument is: its body sees no constant that is null.
    pub(crate) fn new(name: &'static str, typing: Typing, run: fn(&Call<'_>) -> Result<ArrayRef>) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { name, signature, typing, run, strict: true }
    }

    /// Lets the body see arguments that are null.
    pub(crate) fn seeing_nulls(mut self) -> Self {
        self.strict = false;
        self
    }

    /// Declares that the result depends on the zone of the session too, so that it is not computed once for all sessions.
    pub(crate) fn depending_on_session(mut self) -> Self {
        self.signature = Signature::user_defined(Volatility::Stable);
        self
    }

    /// The function in the form that a session registers.
    pub(crate) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self))
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok((self.typing)(given)?.0)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok((self.typing)(types)?.1)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.name, self.return_type(&types)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = args.return_field.data_type();
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let is_null = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(value) if value.is_null());
        if self.strict && args.args.iter().any(is_null) {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(result)?));
        }
        let rows = if is_constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let made = (self.run)(&Call { args: &arrays, result, config: &args.config_options })?;
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&made, 0)?));
        }
        Ok(ColumnarValue::Array(made))
    }
}
