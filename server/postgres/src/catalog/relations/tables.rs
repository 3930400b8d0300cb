//! Tables of the catalog that list the objects of this server.

use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;
use zonelake_query::CATALOG;
use zonelake_registry::Role;

use crate::catalog::objects::{
    DATABASE_DESCRIPTION, DATABASE_OID, OWNER_OID, Object, Objects, PG_CLASS_OID, SCHEMAS, column_description, role_oid,
};
use crate::catalog::relation_oids::PG_CATALOG;
use crate::catalog::relations::columns::{
    NamedColumn, bigints, bools, each, instants, ints, nulls, oids, row_counts, shorts, text_array, texts,
};
use crate::catalog::relations::keywords::keywords;
use crate::catalog::relations::vacant::{vacant, vacant_names};
use crate::session::variables::Variables;
use zonelake_postgres_values::type_bytes;

use crate::catalog::column_types::type_of_column;

/// Names of the tables.
pub(crate) static TABLES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let listing = [
        "pg_attribute",
        "pg_class",
        "pg_database",
        "pg_description",
        "pg_extension",
        "pg_get_keywords",
        "pg_namespace",
        "pg_roles",
        "pg_settings",
        "pg_shdescription",
        "pg_stat_activity",
        "pg_stat_all_tables",
        "pg_stat_database",
        "pg_stat_user_tables",
        "pg_statio_all_tables",
        "pg_tables",
        "pg_user",
        "pg_views",
    ];
    listing.into_iter().chain(vacant_names()).collect()
});

/// Table of that name; `None` where this file has none.
pub(crate) fn table(
    name: &str,
    objects: &Objects,
    variables: &Variables,
    roles: &[Arc<Role>],
) -> Result<Option<Arc<dyn TableProvider>>> {
    let columns = match name {
        "pg_attribute" => pg_attribute(objects),
        "pg_class" => pg_class(objects),
        "pg_database" => pg_database(),
        "pg_description" => pg_description(objects),
        "pg_extension" => pg_extension(),
        "pg_get_keywords" => keywords(),
        "pg_namespace" => pg_namespace(),
        "pg_roles" => pg_roles(roles),
        "pg_settings" => pg_settings(variables),
        "pg_shdescription" => pg_shdescription(),
        "pg_stat_all_tables" | "pg_stat_user_tables" => pg_stat_tables(objects),
        "pg_stat_database" => pg_stat_database(),
        "pg_statio_all_tables" => pg_statio_tables(objects),
        "pg_tables" => pg_tables(objects),
        "pg_user" => pg_user(roles),
        "pg_views" => pg_views(objects),
        other => match vacant(other) {
            Some(columns) => columns,
            None => return Ok(None),
        },
    };
    // Made for each statement: the catalog is small, and counts of rows change all the time.
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    Ok(Some(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?)))
}

fn pg_class(objects: &Objects) -> Vec<NamedColumn> {
    let all = &objects.tables;
    let rows = all.len();
    let of = |value: fn(&Object) -> i32| all.iter().map(value);
    let columns = |table: &Object| table.columns.as_ref().map_or(0, |columns| columns.fields().len());
    vec![
        oids("oid", of(|table| table.oid)),
        texts("relname", all.iter().map(|table| Some(table.name.as_str()))),
        oids("relnamespace", of(|table| table.schema_oid)),
        oids("reltype", each(0, rows)),
        oids("reloftype", each(0, rows)),
        oids("relowner", each(OWNER_OID, rows)),
        // A view has no rows of its own.
        oids("relam", of(|table| if table.is_view { 0 } else { HEAP_OID })),
        oids("relfilenode", of(|table| if table.is_view { 0 } else { table.oid })),
        oids("reltablespace", each(0, rows)),
        ints("relpages", each(0, rows)),
        row_counts("reltuples", all.iter().map(|table| table.rows)),
        ints("relallvisible", each(0, rows)),
        oids("reltoastrelid", each(0, rows)),
        bools("relhasindex", each(false, rows)),
        bools("relisshared", each(false, rows)),
        texts("relpersistence", each(Some("p"), rows)),
        texts("relkind", all.iter().map(|table| Some(if table.is_view { "v" } else { "r" }))),
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
        nulls("relacl", text_array(), rows),
        nulls("reloptions", text_array(), rows),
        nulls("relpartbound", DataType::Utf8, rows),
    ]
}

/// OID of the way in which tables are stored, which every PostgreSQL has.
const HEAP_OID: i32 = 2;

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
        nulls("attacl", text_array(), rows),
        nulls("attoptions", text_array(), rows),
        nulls("attfdwoptions", text_array(), rows),
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
        nulls("extcondition", text_array(), 0),
    ]
}

fn pg_shdescription() -> Vec<NamedColumn> {
    vec![oids("objoid", [DATABASE_OID]), oids("classoid", [1_262]), texts("description", [Some(DATABASE_DESCRIPTION)])]
}

fn pg_namespace() -> Vec<NamedColumn> {
    vec![
        oids("oid", SCHEMAS.map(|(_, oid)| oid)),
        texts("nspname", SCHEMAS.map(|(name, _)| Some(name))),
        oids("nspowner", each(OWNER_OID, SCHEMAS.len())),
        nulls("nspacl", text_array(), SCHEMAS.len()),
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
        nulls("datacl", text_array(), 1),
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
        nulls("rolconfig", text_array(), rows),
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
        nulls("useconfig", text_array(), rows),
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
        nulls("enumvals", text_array(), all.len()),
        settings("boot_val"),
        settings("reset_val"),
        same("sourcefile", None),
        nulls("sourceline", DataType::Int32, all.len()),
        bools("pending_restart", each(false, all.len())),
    ]
}

/// Tables and views of this server, without those of the catalog.
fn own(objects: &Objects) -> Vec<&Object> {
    objects.tables.iter().filter(|table| table.schema != PG_CATALOG).collect()
}

fn pg_views(objects: &Objects) -> Vec<NamedColumn> {
    let all: Vec<&Object> = own(objects).into_iter().filter(|table| table.is_view).collect();
    vec![
        texts("schemaname", all.iter().map(|view| Some(view.schema))),
        texts("viewname", all.iter().map(|view| Some(view.name.as_str()))),
        texts("viewowner", each(Some("admin"), all.len())),
        texts("definition", all.iter().map(|view| view.definition)),
    ]
}

fn pg_tables(objects: &Objects) -> Vec<NamedColumn> {
    let all: Vec<&Object> = own(objects).into_iter().filter(|table| !table.is_view).collect();
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

/// What is counted of tables: their rows. What PostgreSQL counts besides is null.
fn pg_stat_tables(objects: &Objects) -> Vec<NamedColumn> {
    let all: Vec<&Object> = own(objects).into_iter().filter(|table| !table.is_view).collect();
    let rows = all.len();
    let uncounted =
        |names: &[&str]| -> Vec<NamedColumn> { names.iter().map(|name| nulls(name, DataType::Int64, rows)).collect() };
    let mut columns = vec![
        oids("relid", all.iter().map(|table| table.oid)),
        texts("schemaname", all.iter().map(|table| Some(table.schema))),
        texts("relname", all.iter().map(|table| Some(table.name.as_str()))),
        bigints("n_live_tup", all.iter().map(|table| table.rows.and_then(|rows| i64::try_from(rows).ok()))),
        // Nothing is updated in place, so there are no dead rows.
        bigints("n_dead_tup", each(Some(0), rows)),
    ];
    columns.extend(uncounted(&["seq_scan", "seq_tup_read", "idx_scan", "idx_tup_fetch", "n_tup_ins", "n_tup_upd"]));
    columns.extend(uncounted(&["n_tup_del", "n_tup_hot_upd", "n_mod_since_analyze", "n_ins_since_vacuum"]));
    columns.extend(uncounted(&["vacuum_count", "autovacuum_count", "analyze_count", "autoanalyze_count"]));
    let times = ["last_vacuum", "last_autovacuum", "last_analyze", "last_autoanalyze"];
    columns.extend(times.map(|name| instants(name, each(None, rows))));
    columns
}

/// Tables, for clients that find their names and OIDs here. Blocks are not counted.
fn pg_statio_tables(objects: &Objects) -> Vec<NamedColumn> {
    let all: Vec<&Object> = own(objects).into_iter().filter(|table| !table.is_view).collect();
    let counts = [
        "heap_blks_read",
        "heap_blks_hit",
        "idx_blks_read",
        "idx_blks_hit",
        "toast_blks_read",
        "toast_blks_hit",
        "tidx_blks_read",
        "tidx_blks_hit",
    ];
    let mut columns = vec![
        oids("relid", all.iter().map(|table| table.oid)),
        texts("schemaname", all.iter().map(|table| Some(table.schema))),
        texts("relname", all.iter().map(|table| Some(table.name.as_str()))),
    ];
    columns.extend(counts.map(|name| nulls(name, DataType::Int64, all.len())));
    columns
}

/// The one database. What PostgreSQL counts of it is null: `/metrics` has what is counted here.
fn pg_stat_database() -> Vec<NamedColumn> {
    let uncounted = |name: &&str| nulls(name, DataType::Int64, 1);
    let counts = [
        "xact_commit",
        "xact_rollback",
        "blks_read",
        "blks_hit",
        "tup_returned",
        "tup_fetched",
        "tup_inserted",
        "tup_updated",
        "tup_deleted",
        "conflicts",
        "temp_files",
        "temp_bytes",
        "deadlocks",
        "checksum_failures",
        "sessions",
    ];
    let mut columns = vec![
        oids("datid", [DATABASE_OID]),
        texts("datname", [Some(CATALOG)]),
        nulls("numbackends", DataType::Int32, 1),
        instants("stats_reset", [None]),
    ];
    columns.extend(counts.iter().map(uncounted));
    columns
}
