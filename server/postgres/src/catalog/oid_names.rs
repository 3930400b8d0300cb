//! Names of PostgreSQL's functions by OID, and OIDs by name.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};

use crate::catalog::relations::builtin::BUILTIN_TABLES;

/// Names of functions by their OIDs.
static FUNCTION_NAMES: LazyLock<HashMap<i32, String>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    for batch in BUILTIN_TABLES.iter().flat_map(|tables| tables.pg_proc.data()) {
        let column = |name: &str, of: &DataType| batch.column_by_name(name).and_then(|column| cast(column, of).ok());
        let (Some(oids), Some(names_of_functions)) =
            (column("oid", &DataType::Int32), column("proname", &DataType::Utf8))
        else {
            continue;
        };
        let oids = oids.as_primitive::<Int32Type>().iter().flatten();
        names.extend(
            oids.zip(names_of_functions.as_string::<i32>()).filter_map(|(oid, name)| Some((oid, name?.to_owned()))),
        );
    }
    names
});

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
