//! Functions that look up the description of a table or column by OID, and variables by name.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::catalog::objects::Objects;
use crate::session::variables::Variables;

/// Subject of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LookUp {
    /// Description of an object: `obj_description(oid [, 'pg_class'])`.
    Object,
    /// Description of a column: `col_description(oid, number)`.
    Column,
    /// A variable: `current_setting(name [, missing_ok])`.
    Setting,
    /// `set_config(name, value, is_local)`, which sets nothing and returns the value.
    SetConfig,
}

#[derive(Debug)]
struct LookUpFunction {
    name: &'static str,
    what: LookUp,
    objects: Arc<Objects>,
    variables: Arc<Variables>,
    signature: Signature,
}

impl PartialEq for LookUpFunction {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what && Arc::ptr_eq(&self.objects, &other.objects)
    }
}

impl Eq for LookUpFunction {}

impl std::hash::Hash for LookUpFunction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.what.hash(state);
    }
}

/// All functions of this file.
pub(crate) fn look_ups(objects: &Arc<Objects>, variables: &Arc<Variables>) -> Vec<Arc<ScalarUDF>> {
    let all = [
        ("obj_description", LookUp::Object),
        ("col_description", LookUp::Column),
        ("current_setting", LookUp::Setting),
        ("set_config", LookUp::SetConfig),
    ];
    let function = |(name, what)| {
        Arc::new(ScalarUDF::new_from_impl(LookUpFunction {
            name,
            what,
            objects: Arc::clone(objects),
            variables: Arc::clone(variables),
            signature: Signature::variadic_any(Volatility::Stable),
        }))
    };
    all.map(function).into()
}

impl ScalarUDFImpl for LookUpFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(first) = arrays.first() else { return exec_err!("{} takes an argument", self.name) };
        let rows = first.len();
        let result: ArrayRef = match self.what {
            LookUp::Object => {
                let oids = cast(first, &DataType::Int64)?;
                let oids = oids.as_primitive::<Int64Type>();
                Arc::new(
                    (0..rows)
                        .map(|row| {
                            let table = oids.is_valid(row).then(|| self.objects.by_oid(oids.value(row))).flatten()?;
                            Some(table.description.as_str()).filter(|text| !text.is_empty())
                        })
                        .collect::<StringArray>(),
                )
            }
            LookUp::Column => {
                let Some(second) = arrays.get(1) else { return exec_err!("col_description takes two arguments") };
                let (oids, numbers) = (cast(first, &DataType::Int64)?, cast(second, &DataType::Int64)?);
                let (oids, numbers) = (oids.as_primitive::<Int64Type>(), numbers.as_primitive::<Int64Type>());
                Arc::new(
                    (0..rows)
                        .map(|row| {
                            let is_known = oids.is_valid(row) && numbers.is_valid(row);
                            is_known
                                .then(|| self.objects.column_description(oids.value(row), numbers.value(row)))
                                .flatten()
                        })
                        .collect::<StringArray>(),
                )
            }
            LookUp::Setting => {
                let names = cast(first, &DataType::Utf8)?;
                // Any second argument counts as missing_ok = true.
                let is_lenient = arrays.len() > 1;
                let mut values = Vec::with_capacity(rows);
                for name in names.as_string::<i32>() {
                    let value = name.and_then(|name| self.variables.get(name));
                    if let (None, Some(name), false) = (value, name, is_lenient) {
                        return exec_err!("unrecognized configuration parameter \"{name}\"");
                    }
                    values.push(value);
                }
                Arc::new(StringArray::from(values))
            }
            LookUp::SetConfig => {
                let Some(second) = arrays.get(1) else { return exec_err!("set_config takes three arguments") };
                cast(second, &DataType::Utf8)?
            }
        };
        Ok(ColumnarValue::Array(result))
    }
}
