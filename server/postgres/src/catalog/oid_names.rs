//! Names of PostgreSQL's functions by OID, and OIDs of functions and types by name.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};

use crate::catalog::relations::builtin::BUILTIN_TABLES;

/// Names of functions by their OIDs.
static FUNCTION_NAMES: LazyLock<HashMap<i32, String>> =
    LazyLock::new(|| BUILTIN_TABLES.iter().flat_map(|tables| named(tables.pg_proc.data(), "proname")).collect());

/// OIDs of types by their names.
static TYPE_OIDS: LazyLock<HashMap<String, i32>> = LazyLock::new(|| {
    let all = BUILTIN_TABLES.iter().flat_map(|tables| named(tables.pg_type.data(), "typname"));
    all.map(|(oid, name)| (name, oid)).collect()
});

/// OIDs of the rows of a table of PostgreSQL, with their names in that column.
fn named(batches: &[RecordBatch], name: &str) -> Vec<(i32, String)> {
    let mut all = Vec::new();
    for batch in batches {
        let column = |name: &str, of: &DataType| batch.column_by_name(name).and_then(|column| cast(column, of).ok());
        let (Some(oids), Some(names)) = (column("oid", &DataType::Int32), column(name, &DataType::Utf8)) else {
            continue;
        };
        let both = oids.as_primitive::<Int32Type>().iter().zip(names.as_string::<i32>());
        all.extend(both.filter_map(|(oid, name)| Some((oid?, name?.to_owned()))));
    }
    all
}

/// OIDs of functions by their names; of overloaded functions the lowest.
static FUNCTION_OIDS: LazyLock<HashMap<&'static str, i32>> = LazyLock::new(|| {
    let mut oids: HashMap<&'static str, i32> = HashMap::new();
    // The lowest OID is the same one whatever the order of the hash table.
    FUNCTION_NAMES.iter().for_each(|(oid, name)| {
        let lowest = oids.entry(name).or_insert(*oid);
        *lowest = (*lowest).min(*oid);
    });
    oids
});

/// OID of a function.
pub(crate) fn function_oid(name: &str) -> Option<i32> {
    FUNCTION_OIDS.get(name).copied()
}

/// OID of a type by the name that `pg_type` has.
pub(crate) fn type_oid(name: &str) -> Option<i32> {
    TYPE_OIDS.get(name).copied()
}

/// Name of a function.
pub(crate) fn function_name(oid: i32) -> Option<&'static str> {
    FUNCTION_NAMES.get(&oid).map(String::as_str)
}

/// Names of the functions of these OIDs as PostgreSQL shows them: a dash where there is none.
pub(crate) fn function_names(oids: &ArrayRef) -> ArrayRef {
    let Some(oids) = oids.as_primitive_opt::<Int32Type>() else { return Arc::clone(oids) };
    let name = |oid: i32| function_name(oid).unwrap_or("-");
    Arc::new(oids.iter().map(|oid| oid.map(name)).collect::<StringArray>())
}
