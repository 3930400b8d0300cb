//! Functions that look up a table or column by its number, and settings by their name.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::objects::Objects;
use crate::types::oid_of_name;
use crate::variables::Variables;

/// What a function looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum LookUp {
    /// Description of an object: `obj_description(oid [, 'pg_class'])`.
    Object,
    /// Description of a column: `col_description(oid, number)`.
    Column,
    /// Number of a table: `to_regclass(name)`; null where there is none.
    Regclass,
    /// Number of a type: `to_regtype(name)`; null where there is none.
    Regtype,
    /// Name of a function by its number, which `typreceive::text` is.
    Function,
    /// A variable: `current_setting(name [, missing_ok])`.
    Setting,
    /// `set_config(name, value, is_local)`, which sets nothing and answers the value.
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

/// All of them.
pub(super) fn look_ups(objects: &Arc<Objects>, variables: &Arc<Variables>) -> Vec<Arc<ScalarUDF>> {
    let all = [
        ("obj_description", LookUp::Object),
        ("col_description", LookUp::Column),
        ("to_regclass", LookUp::Regclass),
        ("to_regtype", LookUp::Regtype),
        ("function_name", LookUp::Function),
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
        Ok(match self.what {
            LookUp::Regclass | LookUp::Regtype => DataType::Int32,
            _ => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(first) = arrays.first() else { return exec_err!("{} takes an argument", self.name) };
        let rows = first.len();
        let answer: ArrayRef = match self.what {
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
            LookUp::Regclass => {
                let names = cast(first, &DataType::Utf8)?;
                Arc::new(names.as_string::<i32>().iter().map(|name| self.regclass(name?)).collect::<Int32Array>())
            }
            LookUp::Regtype => {
                let names = cast(first, &DataType::Utf8)?;
                let number = |name: &str| oid_of_name(name).and_then(|oid| i32::try_from(oid).ok());
                Arc::new(names.as_string::<i32>().iter().map(|name| number(name?)).collect::<Int32Array>())
            }
            LookUp::Function => super::function_names(&cast(first, &DataType::Int32)?),
            LookUp::Setting => {
                let names = cast(first, &DataType::Utf8)?;
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
        Ok(ColumnarValue::Array(answer))
    }
}

impl LookUpFunction {
    fn regclass(&self, name: &str) -> Option<i32> {
        if let Ok(oid) = name.parse() {
            return Some(oid);
        }
        let parts: Vec<String> = name.split('.').map(|part| part.trim_matches('"').to_owned()).collect();
        let table = match parts.as_slice() {
            [.., schema, table] => {
                self.objects.tables.iter().find(|known| known.schema == schema && known.name == *table)
            }
            [table] => self.objects.tables.iter().find(|known| known.name == *table),
            [] => None,
        };
        table.map(|table| table.oid)
    }
}
