//! Sizes of tables and views by OID or name: bytes of their files, which do not count what is in memory; and the SQL of views.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::catalog::computed::{computed, numbers};
use crate::catalog::objects::{Object, Objects};

/// All functions of this file.
pub(crate) fn sizes(objects: &Arc<Objects>) -> Vec<Arc<ScalarUDF>> {
    let mut all: Vec<Arc<ScalarUDF>> = ["pg_relation_size", "pg_table_size", "pg_total_relation_size"]
        .into_iter()
        .map(|name| {
            let objects = Arc::clone(objects);
            computed(name, DataType::Int64, move |arguments| {
                let of = |object: Option<&Object>| object.and_then(bytes);
                Ok(Arc::new(look_up(&objects, &arguments[0])?.into_iter().map(of).collect::<Int64Array>()))
            })
        })
        .collect();
    // Files of no other database and of no other place exist. What a role may not know is not counted.
    all.extend(["pg_database_size", "pg_tablespace_size"].map(|name| {
        let objects = Arc::clone(objects);
        computed(name, DataType::Int64, move |arguments| {
            let sum: i64 = objects.tables.iter().filter_map(bytes).sum();
            Ok(Arc::new(Int64Array::from_value(sum, arguments[0].len())) as ArrayRef)
        })
    }));
    let objects = Arc::clone(objects);
    all.push(computed("pg_get_viewdef", DataType::Utf8, move |arguments| {
        let found = look_up(&objects, &arguments[0])?.into_iter();
        let definition = |object: &Object| {
            // As PostgreSQL ends it, and pg_dump cuts off.
            object.definition.map(|sql| format!("{};", sql.trim_end().trim_end_matches(';')))
        };
        Ok(Arc::new(found.map(|object| object.and_then(definition)).collect::<StringArray>()))
    }));
    all
}

/// Bytes of the files of an object, where they are known; a view has none.
fn bytes(object: &Object) -> Option<i64> {
    if object.is_view {
        return Some(0);
    }
    object.bytes.and_then(|bytes| i64::try_from(bytes).ok())
}

/// Objects of a column of OIDs or names.
fn look_up<'a>(objects: &'a Objects, argument: &ArrayRef) -> Result<Vec<Option<&'a Object>>> {
    let oids = numbers(argument)?;
    if !argument.data_type().is_string() {
        return Ok(oids.iter().map(|oid| objects.by_oid(oid?)).collect());
    }
    let names = cast(argument, &DataType::Utf8)?;
    let both = names.as_string::<i32>().iter().zip(oids.iter());
    Ok(both.map(|(name, oid)| oid.map_or_else(|| objects.by_name(name?), |oid| objects.by_oid(oid))).collect())
}
