//! What has a number, by its name and back: tables, types, functions, schemas, roles. `'probe'::regclass` is
//! `to_regclass('probe')`, and `oid::regclass::text` is `object_name('regclass', oid)`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use pgwire::api::Type;
use zonelake_registry::Role;

use crate::catalog::objects::{Objects, SCHEMAS, role_oid};
use crate::catalog::extension::{FUNCTION_NAMES, function_number};
use crate::values::types::oid_of_name;

/// Kinds of things with numbers, by the names of the types that stand for them.
pub(crate) const KINDS: [&str; 6] = ["regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole"];

/// Name of the function that gives the name of a thing of that kind.
pub(crate) const OBJECT_NAME: &str = "object_name";

/// All functions.
pub(super) fn numbers(objects: &Arc<Objects>, roles: &Arc<[Arc<Role>]>) -> Vec<Arc<ScalarUDF>> {
    let signature = Signature::variadic_any(Volatility::Stable);
    let number = KINDS.map(|kind| NumberFunction {
        name: format!("to_{kind}"),
        kind: Some(kind),
        objects: Arc::clone(objects),
        roles: Arc::clone(roles),
        signature: signature.clone(),
    });
    let name = NumberFunction {
        name: OBJECT_NAME.to_owned(),
        kind: None,
        objects: Arc::clone(objects),
        roles: Arc::clone(roles),
        signature: signature.clone(),
    };
    number.into_iter().chain([name]).map(|function| Arc::new(ScalarUDF::new_from_impl(function))).collect()
}

#[derive(Debug)]
struct NumberFunction {
    name: String,
    /// What is looked up by its name; `None` is the function that goes back.
    kind: Option<&'static str>,
    objects: Arc<Objects>,
    roles: Arc<[Arc<Role>]>,
    signature: Signature,
}

impl PartialEq for NumberFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.objects, &other.objects)
    }
}

impl Eq for NumberFunction {}

impl std::hash::Hash for NumberFunction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for NumberFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.kind.is_some() { DataType::Int32 } else { DataType::Utf8 })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let answer: ArrayRef = match (self.kind, arrays.as_slice()) {
            // A number stands for itself.
            (Some(_), [numbers]) if numbers.data_type().is_integer() => cast(numbers, &DataType::Int32)?,
            (Some(kind), [names]) => {
                let names = cast(names, &DataType::Utf8)?;
                let number = |name: Option<&str>| self.number(kind, name?);
                Arc::new(names.as_string::<i32>().iter().map(number).collect::<Int32Array>())
            }
            (None, [kinds, numbers]) => {
                let (kinds, numbers) = (cast(kinds, &DataType::Utf8)?, cast(numbers, &DataType::Int32)?);
                let both = kinds.as_string::<i32>().iter().zip(numbers.as_primitive::<Int32Type>());
                Arc::new(both.map(|(kind, number)| Some(self.shown(kind?, number?))).collect::<StringArray>())
            }
            _ => return exec_err!("{} does not take {} arguments", self.name, arrays.len()),
        };
        Ok(ColumnarValue::Array(answer))
    }
}

impl NumberFunction {
    fn number(&self, kind: &str, name: &str) -> Option<i32> {
        if let Ok(number) = name.parse() {
            return Some(number);
        }
        let parts: Vec<String> = name.split('.').map(|part| part.trim_matches('"').to_owned()).collect();
        let last = parts.last()?.as_str();
        match kind {
            "regclass" => {
                let tables = self.objects.tables.iter();
                let schema = parts.len().checked_sub(2).map(|index| parts[index].as_str());
                let found = |schema: &str| schema == "public" || schema == "pg_catalog";
                let mut named = tables.filter(|table| table.name == last);
                named.find(|table| schema.map_or(found(table.schema), |schema| table.schema == schema)).map(|t| t.oid)
            }
            "regtype" => oid_of_name(last).and_then(|oid| i32::try_from(oid).ok()),
            "regproc" => function_number(last),
            "regprocedure" => function_number(last.split('(').next().unwrap_or_default()),
            "regnamespace" => SCHEMAS.iter().find(|(known, _)| *known == last).map(|(_, oid)| *oid),
            _ => self.roles.iter().find(|role| *role.name == *last).map(|role| role_oid(role)),
        }
    }

    /// What has no name is shown by its number, and the function 0 as a dash.
    fn shown(&self, kind: &str, number: i32) -> String {
        let name = match kind {
            "regclass" => self.objects.by_oid(i64::from(number)).map(|table| match table.schema {
                "public" | "pg_catalog" => table.name.clone(),
                schema => format!("{schema}.{}", table.name),
            }),
            "regtype" => {
                let of = u32::try_from(number).ok().and_then(Type::from_oid);
                of.map(|of| of.name().to_owned())
            }
            "regproc" | "regprocedure" => FUNCTION_NAMES.get(&number).cloned(),
            "regnamespace" => SCHEMAS.iter().find(|(_, oid)| *oid == number).map(|(name, _)| (*name).to_owned()),
            "regrole" => {
                let role = self.roles.iter().find(|role| role_oid(role) == number);
                role.map(|role| role.name.to_string())
            }
            _ => None,
        };
        name.unwrap_or_else(|| if number == 0 { "-".to_owned() } else { number.to_string() })
    }
}
