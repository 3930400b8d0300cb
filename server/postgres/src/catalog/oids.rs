//! Functions from the name of an object to its OID and back: tables, types, functions, schemas, roles.
//! `'probe'::regclass` is rewritten as `regclass('probe')`, which refuses a name that is unknown, as `to_regclass('probe')` does not;
//! and `oid::regclass::text` as `object_name('regclass', oid)`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use postgres_types::Type;
use zonelake_query::{QueryError, QueryErrorCode};
use zonelake_registry::Role;

use crate::catalog::objects::{Objects, SCHEMAS, role_oid};
use crate::catalog::oid_names::{function_name, function_oid, type_oid};
use zonelake_postgres_values::oid_of_name;

/// Types of PostgreSQL whose values are OIDs, each for one kind of object.
pub(crate) const OID_TYPES: [&str; 7] =
    ["regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole", "regoperator"];

/// Name of the function from an OID to the name of the object.
pub(crate) const OBJECT_NAME: &str = "object_name";

/// Functions from names to OIDs, and the one that goes back.
pub(crate) fn oid_functions(objects: &Arc<Objects>, roles: &Arc<[Arc<Role>]>) -> Vec<Arc<ScalarUDF>> {
    let signature = Signature::variadic_any(Volatility::Stable);
    let function = |name: String, oid_type: Option<&'static str>, is_cast: bool| {
        let (objects, roles) = (Arc::clone(objects), Arc::clone(roles));
        OidFunction { name, oid_type, is_cast, objects, roles, signature: signature.clone() }
    };
    let to_oid = OID_TYPES.map(|oid_type| function(format!("to_{oid_type}"), Some(oid_type), false));
    let casts = OID_TYPES.map(|oid_type| function(oid_type.to_owned(), Some(oid_type), true));
    let to_name = function(OBJECT_NAME.to_owned(), None, false);
    let all = to_oid.into_iter().chain(casts).chain([to_name]);
    all.map(|function| Arc::new(ScalarUDF::new_from_impl(function))).collect()
}

#[derive(Debug)]
struct OidFunction {
    name: String,
    /// Type of the OIDs; `None` is the function from an OID to a name.
    oid_type: Option<&'static str>,
    /// True where a name that is unknown is an error.
    is_cast: bool,
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
                let oid = |name: Option<&str>| match name.map(|name| (name, self.oid(oid_type, name))) {
                    Some((name, None)) if self.is_cast => Err(unknown(oid_type, name)),
                    found => Ok(found.and_then(|(_, oid)| oid)),
                };
                Arc::new(names.as_string::<i32>().iter().map(oid).collect::<Result<Int32Array>>()?)
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

/// The error of a name that there is none of.
fn unknown(oid_type: &str, name: &str) -> DataFusionError {
    let (what, sqlstate) = match oid_type {
        "regclass" => ("relation", "42P01"),
        "regtype" => ("type", "42704"),
        "regnamespace" => ("schema", "3F000"),
        "regrole" => ("role", "42704"),
        "regoperator" => ("operator", "42883"),
        _ => ("function", "42883"),
    };
    let error = QueryError::new(QueryErrorCode::Execution, format!("{what} \"{name}\" does not exist"));
    DataFusionError::External(Box::new(error.with_sqlstate(sqlstate)))
}

impl OidFunction {
    fn oid(&self, oid_type: &str, name: &str) -> Option<i32> {
        if let Ok(oid) = name.parse() {
            return Some(oid);
        }
        // Which is how an OID of nothing is shown.
        if name == "-" {
            return Some(0);
        }
        let parts: Vec<String> = name.split('.').map(|part| part.trim_matches('"').to_owned()).collect();
        let last = parts.last()?.as_str();
        match oid_type {
            "regclass" => self.objects.by_name(name).map(|table| table.oid),
            "regtype" => oid_of_name(last).and_then(|oid| i32::try_from(oid).ok()).or_else(|| type_oid(last)),
            "regproc" => function_oid(last),
            "regprocedure" => function_oid(last.split('(').next().unwrap_or_default()),
            "regnamespace" => SCHEMAS.iter().find(|(known, _)| *known == last).map(|(_, oid)| *oid),
            // Operators with their types are beyond this: none is found.
            "regoperator" => None,
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
