//! `pg_type`, in which the functions of types are OIDs: so they compare with those of `pg_proc` and with 0, which is
//! none. Clients see their names.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;
use datafusion_pg_catalog::pg_catalog::oid_field::{OID_ALIAS_KEY, kind};

use crate::catalog::oid_names::function_oid;
use crate::catalog::relations::builtin::BUILTIN_TABLES;

/// Columns that hold functions.
pub(crate) const FUNCTION_COLUMNS: [&str; 8] =
    ["typinput", "typoutput", "typreceive", "typsend", "typmodin", "typmodout", "typanalyze", "typsubscript"];

static TYPES: LazyLock<Option<Arc<dyn TableProvider>>> = LazyLock::new(|| {
    let made = make();
    made.inspect_err(|error| tracing::error!("the types of PostgreSQL cannot be read: {error}")).ok().flatten()
});

/// Table `pg_type`; `None` where the builtin tables cannot be read.
pub(crate) fn pg_type() -> Option<Arc<dyn TableProvider>> {
    TYPES.clone()
}

fn make() -> Result<Option<Arc<dyn TableProvider>>> {
    let Some(tables) = BUILTIN_TABLES.as_ref() else { return Ok(None) };
    let batches: Vec<RecordBatch> = tables.pg_type.data().iter().map(with_function_oids).collect::<Result<_>>()?;
    let Some(first) = batches.first() else { return Ok(None) };
    Ok(Some(Arc::new(MemTable::try_new(first.schema(), vec![batches.clone()])?)))
}

fn with_function_oids(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if !FUNCTION_COLUMNS.contains(&field.name().as_str()) {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
            continue;
        }
        let names = cast(column, &DataType::Utf8)?;
        let oids = names.as_string::<i32>().iter().map(|name| name.and_then(function_oid).unwrap_or(0));
        // By this mark clients are sent the names of the functions.
        let mark = [(OID_ALIAS_KEY.to_owned(), kind::REGPROC.to_owned())];
        fields.push(Arc::new(Field::new(field.name(), DataType::Int32, true).with_metadata(mark.into())));
        columns.push(Arc::new(Int32Array::from_iter_values(oids)));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
