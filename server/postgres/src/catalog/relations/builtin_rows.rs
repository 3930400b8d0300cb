//! Builtin tables with columns of the types that PostgreSQL has: functions are OIDs, so that they compare with those of `pg_proc` and
//! with 0, which is none, and clients see their names; lists of privileges and options are lists, and null. Of their rows those are left
//! that are so here: of the schema `pg_catalog`, and of collations those by bytes, which is how texts are compared.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;
use datafusion_pg_catalog::pg_catalog::oid_field::{OID_ALIAS_KEY, kind};

use crate::catalog::computed::numbers;
use crate::catalog::objects::schema_oid;
use crate::catalog::oid_names::function_oid;
use crate::catalog::relation_oids::PG_CATALOG;
use crate::catalog::relations::builtin::BUILTIN_TABLES;
use crate::catalog::relations::columns::text_array;
use crate::catalog::relations::without_rows::is_without_texts;

/// Columns that hold functions.
pub(crate) const FUNCTION_COLUMNS: [&str; 12] = [
    "amhandler",
    "oprcode",
    "oprjoin",
    "oprrest",
    "typanalyze",
    "typinput",
    "typmodin",
    "typmodout",
    "typoutput",
    "typreceive",
    "typsend",
    "typsubscript",
];

/// Collations of texts by their bytes.
const BY_BYTES: [&str; 3] = ["default", "C", "POSIX"];

/// Tables with such columns, by name.
static TABLES: LazyLock<HashMap<&'static str, Arc<dyn TableProvider>>> = LazyLock::new(|| {
    let Some(tables) = BUILTIN_TABLES.as_ref() else { return HashMap::new() };
    let named = [
        ("pg_am", &tables.pg_am),
        ("pg_collation", &tables.pg_collation),
        ("pg_operator", &tables.pg_operator),
        ("pg_proc", &tables.pg_proc),
        ("pg_tablespace", &tables.pg_tablespace),
        ("pg_type", &tables.pg_type),
    ];
    let made = named.into_iter().filter_map(|(name, table)| {
        let made = make(table.data());
        let made = made.inspect_err(|error| tracing::error!("{name} of PostgreSQL cannot be read: {error}")).ok()??;
        Some((name, made))
    });
    made.collect()
});

/// Table of that name; `None` where it is served as it is.
pub(crate) fn builtin_rows(name: &str) -> Option<Arc<dyn TableProvider>> {
    TABLES.get(name).cloned()
}

/// A builtin table without its rows.
pub(crate) fn without_builtin_rows(table: &dyn TableProvider) -> Result<Arc<dyn TableProvider>> {
    let none = with_own_types(&RecordBatch::new_empty(table.schema()))?;
    Ok(Arc::new(MemTable::try_new(none.schema(), vec![vec![none]])?))
}

fn make(batches: &[RecordBatch]) -> Result<Option<Arc<dyn TableProvider>>> {
    let batches: Vec<RecordBatch> = batches.iter().map(with_own_types).collect::<Result<_>>()?;
    let Some(first) = batches.first() else { return Ok(None) };
    Ok(Some(Arc::new(MemTable::try_new(first.schema(), vec![batches.clone()])?)))
}

fn with_own_types(batch: &RecordBatch) -> Result<RecordBatch> {
    let batch = &filter_record_batch(batch, &are_here(batch)?)?;
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if FUNCTION_COLUMNS.contains(&field.name().as_str()) {
            let names = cast(column, &DataType::Utf8)?;
            let oids = names.as_string::<i32>().iter().map(|name| name.and_then(function_oid).unwrap_or(0));
            // By this mark clients are sent the names of the functions.
            let mark = [(OID_ALIAS_KEY.to_owned(), kind::REGPROC.to_owned())];
            fields.push(Arc::new(Field::new(field.name(), DataType::Int32, true).with_metadata(mark.into())));
            columns.push(Arc::new(Int32Array::from_iter_values(oids)));
        } else if is_without_texts(field.name()) {
            fields.push(Arc::new(Field::new(field.name(), text_array(), true)));
            columns.push(new_null_array(&text_array(), batch.num_rows()));
        } else if field.name() == "colllocale" {
            // Its name in PostgreSQL 15.
            fields.push(Arc::new(field.as_ref().clone().with_name("colliculocale")));
            columns.push(Arc::clone(column));
        } else {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// True for each row of what exists here.
fn are_here(batch: &RecordBatch) -> Result<BooleanArray> {
    let mut here = vec![true; batch.num_rows()];
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if field.name().ends_with("namespace") {
            let schema = i64::from(schema_oid(PG_CATALOG));
            let schemas = numbers(column)?;
            here.iter_mut().zip(&schemas).for_each(|(here, of)| *here &= of == Some(schema));
        } else if field.name() == "collname" {
            let names = cast(column, &DataType::Utf8)?;
            let names = names.as_string::<i32>();
            here.iter_mut()
                .zip(names)
                .for_each(|(here, name)| *here &= name.is_some_and(|name| BY_BYTES.contains(&name)));
        }
    }
    Ok(here.into())
}
