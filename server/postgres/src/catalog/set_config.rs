//! `set_config(name, value, is_local)`: a statement that sets a variable. Values are checked while the statement is executed and take
//! effect at its end, as its description and its plan are of the variables before.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use zonelake_query::{QueryError, QueryErrorCode};

use crate::error::PgError;
use crate::session::variables::Variables;

/// A variable that a statement has set; no value is the one at the start of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetConfig {
    pub name: String,
    pub value: Option<String>,
    /// True where it ends with the transaction.
    pub is_local: bool,
}

/// Variables that the statement in execution has set.
#[derive(Debug, Default)]
pub(crate) struct PendingSettings(Mutex<Vec<SetConfig>>);

impl PendingSettings {
    /// Takes them all.
    pub(crate) fn take(&self) -> Vec<SetConfig> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds one. Beyond [`PENDING_MAX`] the statement sets a variable for each of many rows.
    fn add(&self, set: SetConfig) -> Result<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == PENDING_MAX {
            return exec_err!("a statement sets at most {PENDING_MAX} variables");
        }
        all.push(set);
        Ok(())
    }
}

const PENDING_MAX: usize = 100;

/// The function of a connection.
pub(crate) fn set_config(variables: &Arc<Variables>, pending: &Arc<PendingSettings>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(SetConfigFunction {
        variables: Arc::clone(variables),
        pending: Arc::clone(pending),
        // Never computed while a statement is planned.
        signature: Signature::any(3, Volatility::Volatile),
    }))
}

#[derive(Debug)]
struct SetConfigFunction {
    variables: Arc<Variables>,
    pending: Arc<PendingSettings>,
    signature: Signature,
}

impl PartialEq for SetConfigFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pending, &other.pending)
    }
}

impl Eq for SetConfigFunction {}

impl Hash for SetConfigFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for SetConfigFunction {
    fn name(&self) -> &'static str {
        "set_config"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let mut columns = Vec::with_capacity(args.args.len());
        for value in args.args {
            columns.push(value.into_array(rows)?);
        }
        let [names, values, locals] = columns.as_slice() else { return exec_err!("set_config takes three arguments") };
        let (names, values) = (cast(names, &DataType::Utf8)?, cast(values, &DataType::Utf8)?);
        let locals = cast(locals, &DataType::Boolean)?;
        let (names, values, locals) = (names.as_string::<i32>(), values.as_string::<i32>(), locals.as_boolean());
        let mut shown = Vec::with_capacity(rows);
        for row in 0..rows {
            if names.is_null(row) {
                return exec_err!("SET requires parameter name");
            }
            let value = values.is_valid(row).then(|| values.value(row));
            shown.push(self.set(names.value(row), value, locals.is_valid(row) && locals.value(row))?);
        }
        let shown: ArrayRef = Arc::new(StringArray::from(shown));
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&shown, 0)?));
        }
        Ok(ColumnarValue::Array(shown))
    }
}

impl SetConfigFunction {
    /// Notes a variable, and gives back its value as SHOW shows it.
    fn set(&self, name: &str, value: Option<&str>, is_local: bool) -> Result<String> {
        let mut tried = self.variables.as_ref().clone();
        let set = match value {
            Some(value) => tried.set(name, value),
            None => tried.reset(name),
        };
        set.map_err(refused)?;
        let shown = tried.show(name).map_err(refused)?.to_owned();
        self.pending.add(SetConfig { name: name.to_owned(), value: value.map(str::to_owned), is_local })?;
        Ok(shown)
    }
}

/// The error on its way through the engine.
fn refused(error: PgError) -> DataFusionError {
    let through = QueryError::new(QueryErrorCode::Execution, error.message).with_sqlstate(error.sqlstate);
    DataFusionError::External(Box::new(through))
}
