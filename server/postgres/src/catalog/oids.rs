//! Functions from the name of an object to its OID and back: tables, types, functions, schemas, roles.
//! `'probe'::regclass` is rewritten as `to_regclass('probe')`, and `oid::regclass::text` as `object_name('regclass',
//! oid)`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use postgres_types::Type;
use zonelake_registry::Role;

use crate::catalog::objects::{Objects, SCHEMAS, role_oid};
use crate::catalog::oid_names::{function_name, function_oid};
use zonelake_postgres_values::oid_of_name;

/// Types of PostgreSQL whose values are OIDs, each for one kind of object.
pub(crate) const OID_TYPES: [&str; 6] = ["regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole"];

/// Name of the function from an OID to the name of the object.
pub(crate) const OBJECT_NAME: &str = "object_name";

/// Functions from names to OIDs, and the one that goes back.
pub(crate) fn oid_functions(objects: &Arc<Objects>, roles: &Arc<[Arc<Role>]>) -> Vec<Arc<ScalarUDF>> {
    let signature = Signature::variadic_any(Volatility::Stable);
    let to_oid = OID_TYPES.map(|oid_type| OidFunction {
        name: format!("to_{oid_type}"),
        oid_type: Some(oid_type),
        objects: Arc::clone(objects),
        roles: Arc::clone(roles),
        signature: signature.clone(),
    });
    let to_name = OidFunction {
        name: OBJECT_NAME.to_owned(),
        oid_type: None,
        objects: Arc::clone(objects),
        roles: Arc::clone(roles),
        signature: signature.clone(),
    };
    to_oid.into_iter().chain([to_name]).map(|function| Arc::new(ScalarUDF::new_from_impl(function))).collect()
}

#[derive(Debug)]
struct OidFunction {
    name: String,
    /// Type of the OIDs; `None` is the function from an OID to a name.
    oid_type: Option<&'static str>,
    objects: Arc<Objects>,
    roles: Arc<[Arc<Role>]>,
    signature: Signature,
}

impl PartialEq for OidFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.objects, &other.objects)
    }
}

impl Eq for OidFunction {}

impl std::hash::Hash for OidFunction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for OidFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.oid_type.is_some() { DataType::Int32 } else { DataType::Utf8 })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let result: ArrayRef = match (self.oid_type, arrays.as_slice()) {
            // An integer is an OID already.
            (Some(_), [oids]) if oids.data_type().is_integer() => cast(oids, &DataType::Int32)?,
            (Some(oid_type), [names]) => {
                let names = cast(names, &DataType::Utf8)?;
                let oid = |name: Option<&str>| self.oid(oid_type, name?);
                Arc::new(names.as_string::<i32>().iter().map(oid).collect::<Int32Array>())
            }
            (None, [oid_types, oids]) => {
                let (oid_types, oids) = (cast(oid_types, &DataType::Utf8)?, cast(oids, &DataType::Int32)?);
                let both = oid_types.as_string::<i32>().iter().zip(oids.as_primitive::<Int32Type>());
                Arc::new(both.map(|(oid_type, oid)| Some(self.object_name(oid_type?, oid?))).collect::<StringArray>())
            }
            _ => return exec_err!("{} does not take {} arguments", self.name, arrays.len()),
        };
        Ok(ColumnarValue::Array(result))
    }
}

impl OidFunction {
    fn oid(&self, oid_type: &str, name: &str) -> Option<i32> {
        if let Ok(oid) = name.parse() {
            return Some(oid);
        }
        let parts: Vec<String> = name.split('.').map(|part| part.trim_matches('"').to_owned()).collect();
        let last = parts.last()?.as_str();
        match oid_type {
            "regclass" => {
                let tables = self.objects.tables.iter();
                let schema = parts.len().checked_sub(2).map(|index| parts[index].as_str());
                let found = |schema: &str| schema == "public" || schema == "pg_catalog";
                let mut named = tables.filter(|table| table.name == last);
                named.find(|table| schema.map_or(found(table.schema), |schema| table.schema == schema)).map(|t| t.oid)
            }
            "regtype" => oid_of_name(last).and_then(|oid| i32::try_from(oid).ok()),
            "regproc" => function_oid(last),
            "regprocedure" => function_oid(last.split('(').next().unwrap_or_default()),
            "regnamespace" => SCHEMAS.iter().find(|(known, _)| *known == last).map(|(_, oid)| *oid),
            _ => self.roles.iter().find(|role| *role.name == *last).map(|role| role_oid(role)),
        }
    }

    /// Name of an object. An object without a name is shown by its OID, and OID 0 as a dash.
    fn object_name(&self, oid_type: &str, oid: i32) -> String {
        let name = match oid_type {
            "regclass" => self.objects.by_oid(i64::from(oid)).map(|table| match table.schema {
                "public" | "pg_catalog" => table.name.clone(),
                schema => format!("{schema}.{}", table.name),
            }),
            "regtype" => {
                let of = u32::try_from(oid).ok().and_then(Type::from_oid);
                of.map(|of| of.name().to_owned())
            }
            "regproc" | "regprocedure" => function_name(oid).map(str::to_owned),
            "regnamespace" => SCHEMAS.iter().find(|(_, known)| *known == oid).map(|(name, _)| (*name).to_owned()),
            "regrole" => {
                let role = self.roles.iter().find(|role| role_oid(role) == oid);
                role.map(|role| role.name.to_string())
            }
            _ => None,
        };
        name.unwrap_or_else(|| if oid == 0 { "-".to_owned() } else { oid.to_string() })
    }
}
