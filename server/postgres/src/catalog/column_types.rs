//! Types of columns, where a column says more than its Arrow type.

use arrow::datatypes::{DataType, Field};
use datafusion_pg_catalog::pg_catalog::oid_field::OID_ALIAS_KEY;
use postgres_types::Type;
use zonelake_postgres_values::type_of;

/// Type of PostgreSQL for a column. Its metadata marks integers that are OIDs.
pub(crate) fn type_of_column(field: &Field) -> Type {
    match field.data_type() {
        DataType::Int32 if is_function_oid(field) => Type::REGPROC,
        // Arrow has no type for OIDs, and clients join by them, so they are integers inside the engine.
        DataType::Int32 if field.metadata().contains_key(OID_ALIAS_KEY) => Type::OID,
        data_type => type_of(data_type),
    }
}

/// True for a column of OIDs of functions, which are shown by their names.
pub(crate) fn is_function_oid(field: &Field) -> bool {
    field.metadata().get(OID_ALIAS_KEY).is_some_and(|kind| kind == "regproc")
}
