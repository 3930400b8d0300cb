//! SQL functions of a connection.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, ListArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion_pg_catalog::pg_catalog::{self as pg, array_bounds_udf, format_type, pg_get_expr_udf, quote_ident_udf};
use zonelake_query::constant_function;
use zonelake_registry::Role;

use crate::catalog::comments::look_ups;
use crate::catalog::constants::constants;
use crate::catalog::objects::Objects;
use crate::catalog::oids::oid_functions;
use crate::catalog::relations::activity::end_functions;
use crate::catalog::rights::role_functions;
use crate::catalog::set_config::{PendingSettings, set_config};
use crate::catalog::sizes::sizes;
use crate::protocol::backends::{Asker, Backends};
use crate::session::variables::Variables;

/// Functions that are the same for all connections.
static SHARED: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    let of_crate = [
        format_type::create_format_type_udf(),
        pg_get_expr_udf::create_pg_get_expr_udf(),
        pg::create_pg_get_partkeydef_udf(),
        pg::create_pg_get_statisticsobjdef_columns_udf(),
        pg::create_pg_get_partition_ancestors_udf(),
        quote_ident_udf::create_quote_ident_udf(),
        quote_ident_udf::create_parse_ident_udf(),
        array_bounds_udf::create_array_upper_udf(),
        array_bounds_udf::create_array_lower_udf(),
        ScalarUDF::new_from_impl(SizePretty::default()),
        ScalarUDF::new_from_impl(CurrentSchemas::default()),
    ];
    let mut all: Vec<Arc<ScalarUDF>> = of_crate.into_iter().map(Arc::new).collect();
    all.extend(constants());
    all
});

/// Data that the functions of a connection return.
#[derive(Debug)]
pub(crate) struct FunctionContext<'a> {
    pub variables: &'a Arc<Variables>,
    pub set_config: &'a Arc<PendingSettings>,
    pub objects: &'a Arc<Objects>,
    /// The same with the sizes that they have now.
    pub counted: &'a Arc<Objects>,
    pub roles: &'a Arc<[Arc<Role>]>,
    pub process_id: i32,
    /// All connections.
    pub backends: &'a Arc<Backends>,
    /// Who may cancel and end connections by the statement.
    pub asker: &'a Asker,
}

/// Functions of a connection.
pub(crate) fn functions(context: &FunctionContext<'_>) -> Vec<Arc<ScalarUDF>> {
    let FunctionContext { variables, set_config: pending, objects, counted, roles, process_id, backends, asker } =
        context;
    let mut all = SHARED.clone();
    all.push(constant_function("pg_backend_pid", ScalarValue::from(*process_id)));
    all.push(set_config(variables, pending));
    all.extend(end_functions(backends, asker));
    all.extend(look_ups(objects, variables));
    all.extend(oid_functions(objects, roles));
    all.extend(sizes(counted));
    all.extend(role_functions(roles, &asker.name));
    all
}

/// SQL function `current_schemas(with_implicit)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CurrentSchemas(Signature);

impl Default for CurrentSchemas {
    fn default() -> Self {
        Self(Signature::exact(vec![DataType::Boolean], Volatility::Stable))
    }
}

impl ScalarUDFImpl for CurrentSchemas {
    fn name(&self) -> &'static str {
        "current_schemas"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
        let mut values = Vec::new();
        let mut lengths = Vec::new();
        for with_implicit in arrays[0].as_boolean() {
            let schemas: &[&str] = if with_implicit == Some(true) { &["pg_catalog", "public"] } else { &["public"] };
            values.extend_from_slice(schemas);
            lengths.push(schemas.len());
        }
        let offsets = arrow::buffer::OffsetBuffer::from_lengths(lengths);
        let list = ListArray::try_new(item, offsets, Arc::new(StringArray::from(values)), None)?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}

/// SQL function `pg_size_pretty(bytes)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SizePretty(Signature);

impl Default for SizePretty {
    fn default() -> Self {
        Self(Signature::one_of(vec![TypeSignature::Any(1)], Volatility::Immutable))
    }
}

impl ScalarUDFImpl for SizePretty {
    fn name(&self) -> &'static str {
        "pg_size_pretty"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let bytes = cast(&arrays[0], &DataType::Int64)?;
        let texts = bytes.as_primitive::<Int64Type>().iter().map(|bytes| bytes.map(size_text));
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        Ok(ColumnarValue::Array(texts))
    }
}

/// Bytes in the unit in which they are below 10,240, as PostgreSQL has it.
fn size_text(bytes: i64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes;
    for unit in units {
        if value.abs() < 10_240 {
            return format!("{value} {unit}");
        }
        value /= 1_024;
    }
    format!("{value} PB")
}
