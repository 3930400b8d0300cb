//! A function of SQL over times: what it takes, what it gives, and how.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::functions::ordering::time_order;
use crate::time::columns::{all_constant, column_result};
use crate::time::zone::Zone;

/// The types that a function wants for the types that it is given, and the type of its result.
pub(crate) type Typing = fn(&[DataType]) -> Result<(Vec<DataType>, DataType)>;

/// A call over a batch of rows.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The arguments.
    pub(crate) args: &'a [ColumnarValue],
    /// Rows of the result.
    pub(crate) rows: usize,
    /// The type of the result.
    pub(crate) result: &'a DataType,
    /// The settings of the session.
    pub(crate) config: &'a ConfigOptions,
}

impl Call<'_> {
    /// The rows of an argument.
    pub(crate) fn array(&self, at: usize) -> Result<ArrayRef> {
        self.args[at].to_array(self.rows)
    }

    /// The zone of the session.
    pub(crate) fn zone(&self) -> Result<Zone> {
        Zone::from_session(self.config)
    }
}

/// Whether a function keeps the order of an argument of this type.
type IsOrdered = fn(&DataType) -> bool;

/// A function.
#[derive(Clone)]
pub(crate) struct TimeFunction {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    typing: Typing,
    run: fn(&Call<'_>) -> Result<ArrayRef>,
    ordered_by: Option<(usize, IsOrdered)>,
    result_by_constant: Option<fn(&str) -> Result<DataType>>,
}

impl TimeFunction {
    /// A function whose result follows from its arguments alone.
    pub(crate) fn new(name: &'static str, typing: Typing, run: fn(&Call<'_>) -> Result<ArrayRef>) -> Self {
        Self {
            name,
            aliases: Vec::new(),
            signature: Signature::user_defined(Volatility::Immutable),
            typing,
            run,
            ordered_by: None,
            result_by_constant: None,
        }
    }

    /// Lets the text of the first argument, a constant, choose the type of the result.
    pub(crate) fn typed_by_constant(mut self, result: fn(&str) -> Result<DataType>) -> Self {
        self.result_by_constant = Some(result);
        self
    }

    /// Declares that the result depends on the zone of the session or the time of the statement too, so that it is not
    /// computed once for all sessions.
    pub(crate) fn depending_on_session(mut self) -> Self {
        self.signature = Signature::user_defined(Volatility::Stable);
        self
    }

    /// Adds other names.
    pub(crate) fn with_aliases(mut self, aliases: &[&str]) -> Self {
        self.aliases = aliases.iter().map(|&alias| alias.to_owned()).collect();
        self
    }

    /// Declares that the result never falls while the argument at `at` grows and the others stay the same, where that argument is of a type
    /// that `keeps_order`.
    pub(crate) fn ordered_by(mut self, at: usize, keeps_order: fn(&DataType) -> bool) -> Self {
        self.ordered_by = Some((at, keeps_order));
        self
    }

    /// The function in the form that a session registers.
    pub(crate) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self))
    }
}

impl fmt::Debug for TimeFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeFunction").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for TimeFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TimeFunction {}

impl Hash for TimeFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for TimeFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
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
        let constant = args.scalar_arguments.first().copied().flatten().and_then(|value| value.try_as_str().flatten());
        let result = match (self.result_by_constant, constant) {
            (Some(result), Some(constant)) => result(constant)?,
            _ => self.return_type(&types)?,
        };
        Ok(Arc::new(Field::new(self.name, result, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = all_constant(&args.args);
        let result = args.return_field.data_type();
        // Strict as in PostgreSQL: a null argument makes the result null, and bodies need not look for it.
        if args.args.iter().any(is_null_constant) {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(result)?));
        }
        let rows = if constant { 1 } else { args.number_rows };
        let call = Call { args: &args.args, rows, result, config: &args.config_options };
        column_result((self.run)(&call)?, constant)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(self.ordered_by.map_or(SortProperties::Unordered, |(at, keeps_order)| time_order(inputs, at, keeps_order)))
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        Ok(self.output_ordering(inputs)? != SortProperties::Unordered)
    }
}

fn is_null_constant(argument: &ColumnarValue) -> bool {
    matches!(argument, ColumnarValue::Scalar(value) if value.is_null())
}
