//! The tables of the catalog that list what this database has.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Int16Array, Int32Array, Int64Array, StringArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;
use datafusion_pg_catalog::pg_catalog::oid_field::OID_ALIAS_KEY;
use zonelake_query::catalog::CATALOG;
use zonelake_registry::Role;

use crate::catalog::extension::PgCatalog;
use crate::catalog::keywords::keywords;
use crate::catalog::objects::{DATABASE_OID, OWNER_OID, Object, Objects, PG_CLASS_OID, SCHEMAS, column_description, role_oid};
use crate::values::types::{type_bytes, type_of_column};
use crate::session::variables::Variables;

/// Their names.
pub(super) const TABLES: [&str; 19] = [
    "pg_attribute",
    "pg_class",
    "pg_database",
    "pg_description",
    "pg_extension",
    "pg_get_keywords",
    "pg_indexes",
    "pg_locks",
    "pg_matviews",
    "pg_namespace",
    "pg_roles",
    "pg_sequences",
    "pg_settings",
    "pg_shdescription",
    "pg_stat_activity",
    "pg_stat_user_tables",
    "pg_tables",
    "pg_user",
    "pg_views",
];

/// One of them.
pub(super) fn table(name: &str, catalog: &PgCatalog) -> Result<Option<Arc<dyn TableProvider>>> {
    let PgCatalog { objects, variables, roles } = catalog;
    let columns = match name {
        "pg_attribute" => pg_attribute(objects),
        "pg_class" => pg_class(objects),
        "pg_database" => pg_database(),
        "pg_description" => pg_description(objects),
        "pg_extension" => pg_extension(),
        "pg_get_keywords" => keywords(),
        "pg_matviews" => no_rows(&["schemaname", "matviewname", "matviewowner", "tablespace", "definition"]),
        "pg_indexes" => no_rows(&["schemaname", "tablename", "indexname", "tablespace", "indexdef"]),
        "pg_locks" => no_rows(&["locktype", "mode", "granted"]),
        "pg_sequences" => no_rows(&["schemaname", "sequencename", "sequenceowner", "data_type"]),
        "pg_namespace" => pg_namespace(),
        "pg_roles" => pg_roles(roles),
        "pg_settings" => pg_settings(variables),
        "pg_shdescription" => pg_shdescription(),
        "pg_stat_activity" => pg_stat_activity(),
        "pg_stat_user_tables" => pg_stat_user_tables(objects),
        "pg_tables" => pg_tables(objects),
        "pg_user" => pg_user(roles),
        "pg_views" => no_rows(&["schemaname", "viewname", "viewowner", "definition"]),
        _ => return Ok(None),
    };
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    Ok(Some(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?)))
}

pub(super) type NamedColumn = (Field, ArrayRef);

pub(super) fn texts<'a>(name: &str, values: impl IntoIterator<Item = Option<&'a str>>) -> NamedColumn {
    let array: StringArray = values.into_iter().collect();
    (Field::new(name, DataType::Utf8, true), Arc::new(array))
}

fn oids(name: &str, values: impl IntoIterator<Item = i32>) -> NamedColumn {
    let mark = [(OID_ALIAS_KEY.to_owned(), "oid".to_owned())];
    let array = Int32Array::from_iter_values(values);
    (Field::new(name, DataType::Int32, true).with_metadata(mark.into()), Arc::new(array))
}

fn ints(name: &str, values: impl IntoIterator<Item = i32>) -> NamedColumn {
    (Field::new(name, DataType::Int32, true), Arc::new(Int32Array::from_iter_values(values)))
}

fn shorts(name: &str, values: impl IntoIterator<Item = i16>) -> NamedColumn {
    (Field::new(name, DataType::Int16, true), Arc::new(Int16Array::from_iter_values(values)))
}

fn bigints(name: &str, values: impl IntoIterator<Item = Option<i64>>) -> NamedColumn {
    (Field::new(name, DataType::Int64, true), Arc::new(values.into_iter().collect::<Int64Array>()))
}

fn bools(name: &str, values: impl IntoIterator<Item = bool>) -> NamedColumn {
    let array: BooleanArray = values.into_iter().map(Some).collect();
    (Field::new(name, DataType::Boolean, true), Arc::new(array))
}

fn nulls(name: &str, of: DataType, rows: usize) -> NamedColumn {
    let array = new_null_array(&of, rows);
    (Field::new(name, of, true), array)
}

fn text_list() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

fn no_rows(names: &[&str]) -> Vec<NamedColumn> {
    names.iter().map(|name| texts(name, [])).collect()
}

/// The same value for each row.
fn each<T: Clone>(value: T, rows: usize) -> impl Iterator<Item = T> {
    std::iter::repeat_n(value, rows)
}

fn pg_class(objects: &Objects) -> Vec<NamedColumn> {
    let all = &objects.tables;
    let rows = all.len();
    let of = |value: fn(&Object) -> i32| all.iter().map(value);
    let tuples: Float32Array = all.iter().map(|table| Some(table.rows.map_or(-1.0, float))).collect();
    let columns = |table: &Object| table.columns.as_ref().map_or(0, |columns| columns.fields().len());
    vec![
        oids("oid", of(|table| table.oid)),
        texts("relname", all.iter().map(|table| Some(table.name.as_str()))),
        oids("relnamespace", of(|table| table.schema_oid)),
        oids("reltype", each(0, rows)),
        oids("reloftype", each(0, rows)),
        oids("relowner", each(OWNER_OID, rows)),
        oids("relam", each(2, rows)),
        oids("relfilenode", of(|table| table.oid)),
        oids("reltablespace", each(0, rows)),
        ints("relpages", each(0, rows)),
        (Field::new("reltuples", DataType::Float32, true), Arc::new(tuples)),
        ints("relallvisible", each(0, rows)),
        oids("reltoastrelid", each(0, rows)),
        bools("relhasindex", each(false, rows)),
        bools("relisshared", each(false, rows)),
        texts("relpersistence", each(Some("p"), rows)),
        texts("relkind", each(Some("r"), rows)),
        shorts("relnatts", all.iter().map(|table| i16::try_from(columns(table)).unwrap_or(i16::MAX))),
        shorts("relchecks", each(0, rows)),
        bools("relhasrules", each(false, rows)),
        bools("relhastriggers", each(false, rows)),
        bools("relhassubclass", each(false, rows)),
        bools("relrowsecurity", each(false, rows)),
        bools("relforcerowsecurity", each(false, rows)),
        bools("relispopulated", each(true, rows)),
        texts("relreplident", each(Some("d"), rows)),
        bools("relispartition", each(false, rows)),
        oids("relrewrite", each(0, rows)),
        ints("relfrozenxid", each(0, rows)),
        ints("relminmxid", each(0, rows)),
        nulls("relacl", text_list(), rows),
        nulls("reloptions", text_list(), rows),
        nulls("relpartbound", DataType::Utf8, rows),
    ]
}

/// A number of rows, about, as PostgreSQL keeps it.
fn float(rows: usize) -> f32 {
    rows as f32
}

fn pg_attribute(objects: &Objects) -> Vec<NamedColumn> {
    let mut all: Vec<(i32, usize, &Field)> = Vec::new();
    for table in &objects.tables {
        let fields = table.columns.iter().flat_map(|columns| columns.fields().iter().enumerate());
        all.extend(fields.map(|(index, field)| (table.oid, index, field.as_ref())));
    }
    let rows = all.len();
    let types: Vec<_> = all.iter().map(|(.., field)| type_of_column(field)).collect();
    vec![
        oids("attrelid", all.iter().map(|(oid, ..)| *oid)),
        texts("attname", all.iter().map(|(.., field)| Some(field.name().as_str()))),
        oids("atttypid", types.iter().map(|of| i32::try_from(of.oid()).unwrap_or(0))),
        ints("attstattarget", each(-1, rows)),
        shorts("attlen", types.iter().map(type_bytes)),
        shorts("attnum", all.iter().map(|(_, index, _)| i16::try_from(index + 1).unwrap_or(i16::MAX))),
        ints("attndims", each(0, rows)),
        ints("attcacheoff", each(-1, rows)),
        ints("atttypmod", each(-1, rows)),
        bools("attbyval", types.iter().map(|of| type_bytes(of) > 0)),
        texts("attalign", each(Some("i"), rows)),
        texts("attstorage", each(Some("p"), rows)),
        texts("attcompression", each(Some(""), rows)),
        bools("attnotnull", all.iter().map(|(.., field)| !field.is_nullable())),
        bools("atthasdef", each(false, rows)),
        bools("atthasmissing", each(false, rows)),
        texts("attidentity", each(Some(""), rows)),
        texts("attgenerated", each(Some(""), rows)),
        bools("attisdropped", each(false, rows)),
        bools("attislocal", each(true, rows)),
        ints("attinhcount", each(0, rows)),
        oids("attcollation", each(0, rows)),
        nulls("attacl", text_list(), rows),
        nulls("attoptions", text_list(), rows),
        nulls("attfdwoptions", text_list(), rows),
        nulls("attmissingval", DataType::Utf8, rows),
    ]
}

fn pg_description(objects: &Objects) -> Vec<NamedColumn> {
    let mut all: Vec<(i32, i32, String)> = Vec::new();
    for table in &objects.tables {
        if !table.description.is_empty() {
            all.push((table.oid, 0, table.description.clone()));
        }
        let Some(columns) = &table.columns else { continue };
        for (number, index) in (1..).zip(0..columns.fields().len()) {
            all.extend(column_description(columns, index).map(|description| (table.oid, number, description)));
        }
    }
    vec![
        oids("objoid", all.iter().map(|(oid, ..)| *oid)),
        oids("classoid", each(PG_CLASS_OID, all.len())),
        ints("objsubid", all.iter().map(|(_, number, _)| *number)),
        texts("description", all.iter().map(|(.., description)| Some(description.as_str()))),
    ]
}

fn pg_extension() -> Vec<NamedColumn> {
    vec![
        oids("oid", []),
        texts("extname", []),
        oids("extowner", []),
        oids("extnamespace", []),
        bools("extrelocatable", []),
        texts("extversion", []),
        nulls("extconfig", DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true))), 0),
        nulls("extcondition", text_list(), 0),
    ]
}

fn pg_shdescription() -> Vec<NamedColumn> {
    vec![
        oids("objoid", [DATABASE_OID]),
        oids("classoid", [1_262]),
        texts("description", [Some("Telemetry of industrial zones")]),
    ]
}

fn pg_namespace() -> Vec<NamedColumn> {
    vec![
        oids("oid", SCHEMAS.map(|(_, oid)| oid)),
        texts("nspname", SCHEMAS.map(|(name, _)| Some(name))),
        oids("nspowner", each(OWNER_OID, SCHEMAS.len())),
        nulls("nspacl", text_list(), SCHEMAS.len()),
    ]
}

fn pg_database() -> Vec<NamedColumn> {
    vec![
        oids("oid", [DATABASE_OID]),
        texts("datname", [Some(CATALOG)]),
        oids("datdba", [OWNER_OID]),
        ints("encoding", [6]),
        texts("datlocprovider", [Some("c")]),
        bools("datistemplate", [false]),
        bools("datallowconn", [true]),
        ints("datconnlimit", [-1]),
        ints("datfrozenxid", [0]),
        ints("datminmxid", [0]),
        oids("dattablespace", [1_663]),
        texts("datcollate", [Some("C")]),
        texts("datctype", [Some("C")]),
        texts("daticulocale", [None]),
        texts("datcollversion", [None]),
        nulls("datacl", text_list(), 1),
    ]
}

fn pg_roles(roles: &[Arc<Role>]) -> Vec<NamedColumn> {
    let rows = roles.len();
    vec![
        texts("rolname", roles.iter().map(|role| Some(&*role.name))),
        bools("rolsuper", each(false, rows)),
        bools("rolinherit", each(true, rows)),
        bools("rolcreaterole", each(false, rows)),
        bools("rolcreatedb", each(false, rows)),
        bools("rolcanlogin", each(true, rows)),
        bools("rolreplication", each(false, rows)),
        ints("rolconnlimit", each(-1, rows)),
        texts("rolpassword", each(Some("********"), rows)),
        texts("rolvaliduntil", each(None, rows)),
        bools("rolbypassrls", each(false, rows)),
        nulls("rolconfig", text_list(), rows),
        oids("oid", roles.iter().map(|role| role_oid(role))),
    ]
}

fn pg_user(roles: &[Arc<Role>]) -> Vec<NamedColumn> {
    let rows = roles.len();
    vec![
        texts("usename", roles.iter().map(|role| Some(&*role.name))),
        oids("usesysid", roles.iter().map(|role| role_oid(role))),
        bools("usecreatedb", each(false, rows)),
        bools("usesuper", each(false, rows)),
        bools("userepl", each(false, rows)),
        bools("usebypassrls", each(false, rows)),
        texts("passwd", each(Some("********"), rows)),
        texts("valuntil", each(None, rows)),
        nulls("useconfig", text_list(), rows),
    ]
}

fn pg_settings(variables: &Variables) -> Vec<NamedColumn> {
    let all: Vec<(&str, &str, &str)> = variables.all().collect();
    let same = |name: &str, value: Option<&'static str>| texts(name, each(value, all.len()));
    let settings = |name: &str| texts(name, all.iter().map(|(_, value, _)| Some(*value)));
    vec![
        texts("name", all.iter().map(|(name, ..)| Some(*name))),
        settings("setting"),
        same("unit", None),
        same("category", Some("Client Connection Defaults")),
        texts("short_desc", all.iter().map(|(.., description)| Some(*description))),
        same("extra_desc", None),
        same("context", Some("user")),
        same("vartype", Some("string")),
        same("source", Some("session")),
        same("min_val", None),
        same("max_val", None),
        nulls("enumvals", text_list(), all.len()),
        settings("boot_val"),
        settings("reset_val"),
        same("sourcefile", None),
        nulls("sourceline", DataType::Int32, all.len()),
        bools("pending_restart", each(false, all.len())),
    ]
}

/// Statements are listed by `system.queries`.
fn pg_stat_activity() -> Vec<NamedColumn> {
    let mut columns =
        no_rows(&["datname", "usename", "application_name", "client_addr", "state", "query", "backend_type"]);
    columns.push(oids("datid", []));
    columns.push(ints("pid", []));
    columns
}

fn own(objects: &Objects) -> Vec<&Object> {
    objects.tables.iter().filter(|table| table.columns.is_some()).collect()
}

fn pg_tables(objects: &Objects) -> Vec<NamedColumn> {
    let all = own(objects);
    vec![
        texts("schemaname", all.iter().map(|table| Some(table.schema))),
        texts("tablename", all.iter().map(|table| Some(table.name.as_str()))),
        texts("tableowner", each(Some("admin"), all.len())),
        texts("tablespace", each(None, all.len())),
        bools("hasindexes", each(false, all.len())),
        bools("hasrules", each(false, all.len())),
        bools("hastriggers", each(false, all.len())),
        bools("rowsecurity", each(false, all.len())),
    ]
}

fn pg_stat_user_tables(objects: &Objects) -> Vec<NamedColumn> {
    let all = own(objects);
    vec![
        oids("relid", all.iter().map(|table| table.oid)),
        texts("schemaname", all.iter().map(|table| Some(table.schema))),
        texts("relname", all.iter().map(|table| Some(table.name.as_str()))),
        bigints("seq_scan", each(Some(0), all.len())),
        bigints("n_live_tup", all.iter().map(|table| table.rows.and_then(|rows| i64::try_from(rows).ok()))),
        bigints("n_dead_tup", each(Some(0), all.len())),
    ]
}
