//! Functions that look up the description of a table or column by OID, and variables by name.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use zonelake_query::{QueryError, QueryErrorCode};

use crate::catalog::objects::{DATABASE_DESCRIPTION, DATABASE_OID, Objects};
use crate::session::variables::Variables;

/// Subject of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LookUp {
    /// Description of an object: `obj_description(oid [, 'pg_class'])`.
    Object,
    /// Description of a shared object, of which the database has one: `shobj_description(oid, 'pg_database')`.
    Shared,
    /// Description of a column: `col_description(oid, number)`.
    Column,
    /// A variable: `current_setting(name [, missing_ok])`.
    Setting,
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
        ("shobj_description", LookUp::Shared),
        ("col_description", LookUp::Column),
        ("current_setting", LookUp::Setting),
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
            LookUp::Shared => {
                let oids = cast(first, &DataType::Int64)?;
                let oids = oids.as_primitive::<Int64Type>().iter();
                let is_database = |oid: Option<i64>| oid == Some(i64::from(DATABASE_OID));
                Arc::new(oids.map(|oid| is_database(oid).then_some(DATABASE_DESCRIPTION)).collect::<StringArray>())
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
                        let message = format!("unrecognized configuration parameter \"{name}\"");
                        let error = QueryError::new(QueryErrorCode::Execution, message).with_sqlstate("42704");
                        return Err(DataFusionError::External(Box::new(error)));
                    }
                    values.push(value);
                }
                Arc::new(StringArray::from(values))
            }
        };
        Ok(ColumnarValue::Array(result))
    }
}
