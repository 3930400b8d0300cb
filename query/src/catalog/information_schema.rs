//! `information_schema`: the list of tables and columns. DataFusion's own has the server's settings among its tables, so this
//! one replaces it; SHOW TABLES and SHOW COLUMNS read it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;

use crate::catalog::names::CATALOG;
use crate::catalog::reference_tables::{ReferenceTable, bigint, text, texts};
use crate::catalog::source::ListedTable;

/// Tables of the schema, which list `tables` and `schemas`.
pub(crate) fn information_tables(
    tables: Arc<[ListedTable]>,
    schemas: Vec<String>,
    role: &str,
) -> Vec<(&'static str, Arc<dyn TableProvider>)> {
    let privileges: Arc<dyn TableProvider> = Arc::new(list_privileges(Arc::clone(&tables), role.into()));
    let mut all: Vec<(&'static str, Arc<dyn TableProvider>)> = vec![
        ("tables", Arc::new(list_tables(Arc::clone(&tables)))),
        ("views", Arc::new(list_views(&tables))),
        ("columns", Arc::new(list_columns(tables))),
        ("schemata", Arc::new(list_schemata(schemas))),
        ("character_sets", Arc::new(list_character_sets())),
        ("table_privileges", Arc::clone(&privileges)),
        ("role_table_grants", privileges),
    ];
    for (name, columns) in EMPTY {
        let columns: Vec<Field> = columns.iter().map(|name| text(name)).collect();
        let empty = ReferenceTable::new(columns, |schema| Ok(RecordBatch::new_empty(Arc::clone(schema))));
        all.push((*name, Arc::new(empty)));
    }
    all
}

/// Tables without rows: keys and other constraints, sequences, routines, domains and triggers do not exist here.
const EMPTY: &[(&str, &[&str])] = &[
    (
        "table_constraints",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "table_catalog",
            "table_schema",
            "table_name",
            "constraint_type",
            "is_deferrable",
            "initially_deferred",
            "enforced",
        ],
    ),
    (
        "key_column_usage",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "ordinal_position",
            "position_in_unique_constraint",
        ],
    ),
    (
        "referential_constraints",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "unique_constraint_catalog",
            "unique_constraint_schema",
            "unique_constraint_name",
            "match_option",
            "update_rule",
            "delete_rule",
        ],
    ),
    (
        "constraint_column_usage",
        &[
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
        ],
    ),
    ("check_constraints", &["constraint_catalog", "constraint_schema", "constraint_name", "check_clause"]),
    (
        "domains",
        &[
            "domain_catalog",
            "domain_schema",
            "domain_name",
            "data_type",
            "domain_default",
            "udt_catalog",
            "udt_schema",
            "udt_name",
        ],
    ),
    (
        "parameters",
        &[
            "specific_catalog",
            "specific_schema",
            "specific_name",
            "ordinal_position",
            "parameter_mode",
            "is_result",
            "as_locator",
            "parameter_name",
            "data_type",
            "udt_catalog",
            "udt_schema",
            "udt_name",
            "parameter_default",
        ],
    ),
    (
        "routines",
        &[
            "specific_catalog",
            "specific_schema",
            "specific_name",
            "routine_catalog",
            "routine_schema",
            "routine_name",
            "routine_type",
            "data_type",
            "type_udt_catalog",
            "type_udt_schema",
            "type_udt_name",
            "routine_body",
            "routine_definition",
            "external_name",
            "external_language",
            "is_deterministic",
            "sql_data_access",
            "security_type",
        ],
    ),
    (
        "sequences",
        &[
            "sequence_catalog",
            "sequence_schema",
            "sequence_name",
            "data_type",
            "numeric_precision",
            "numeric_precision_radix",
            "numeric_scale",
            "start_value",
            "minimum_value",
            "maximum_value",
            "increment",
            "cycle_option",
        ],
    ),
    (
        "triggers",
        &[
            "trigger_catalog",
            "trigger_schema",
            "trigger_name",
            "event_manipulation",
            "event_object_catalog",
            "event_object_schema",
            "event_object_table",
            "action_order",
            "action_condition",
            "action_statement",
            "action_orientation",
            "action_timing",
        ],
    ),
];

fn list_tables(tables: Arc<[ListedTable]>) -> ReferenceTable {
    let columns = vec![text("table_catalog"), text("table_schema"), text("table_name"), text("table_type")];
    ReferenceTable::new(columns, move |schema| {
        let columns = vec![
            texts(&tables, |_| Some(CATALOG)),
            texts(&tables, |table| Some(table.schema)),
            texts(&tables, |table| Some(table.name.as_str())),
            texts(&tables, |table| Some(if table.definition.is_some() { "VIEW" } else { "BASE TABLE" })),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

fn list_columns(tables: Arc<[ListedTable]>) -> ReferenceTable {
    let columns = vec![
        text("table_catalog"),
        text("table_schema"),
        text("table_name"),
        text("column_name"),
        bigint("ordinal_position"),
        text("column_default"),
        text("is_nullable"),
        text("data_type"),
        bigint("character_maximum_length"),
        bigint("numeric_precision"),
        bigint("numeric_precision_radix"),
        bigint("numeric_scale"),
        bigint("datetime_precision"),
        text("udt_catalog"),
        text("udt_schema"),
        text("udt_name"),
        text("is_identity"),
        text("is_generated"),
        text("is_updatable"),
    ];
    ReferenceTable::new(columns, move |schema| {
        let rows: Vec<(&ListedTable, i64, &Field)> = tables
            .iter()
            .flat_map(|table| {
                (1i64..).zip(table.columns.fields()).map(move |(position, column)| (table, position, column.as_ref()))
            })
            .collect();
        let numbers = |of: &dyn Fn(&DataType) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.iter().map(|(.., column)| of(column.data_type())).collect::<Int64Array>())
        };
        let columns: Vec<ArrayRef> = vec![
            texts(&rows, |_| Some(CATALOG)),
            texts(&rows, |(table, ..)| Some(table.schema)),
            texts(&rows, |(table, ..)| Some(table.name.as_str())),
            texts(&rows, |(.., column)| Some(column.name().as_str())),
            Arc::new(rows.iter().map(|(_, position, _)| Some(*position)).collect::<Int64Array>()),
            texts(&rows, |_| None),
            texts(&rows, |(.., column)| Some(if column.is_nullable() { "YES" } else { "NO" })),
            texts(&rows, |(.., column)| Some(sql_name(column.data_type()))),
            numbers(&|_| None),
            numbers(&|data_type| precision(data_type).map(|(bits, _)| bits)),
            numbers(&|data_type| precision(data_type).map(|_| 2)),
            numbers(&|data_type| precision(data_type).and_then(|(_, is_exact)| is_exact.then_some(0))),
            numbers(&|data_type| match data_type {
                DataType::Timestamp(..) => Some(6),
                DataType::Date32 => Some(0),
                _ => None,
            }),
            texts(&rows, |_| Some(CATALOG)),
            texts(&rows, |_| Some("pg_catalog")),
            texts(&rows, |(.., column)| Some(short_name(column.data_type()))),
            texts(&rows, |_| Some("NO")),
            texts(&rows, |_| Some("NEVER")),
            texts(&rows, |_| Some("NO")),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

/// What the role of the statement may do with what it sees: read.
fn list_privileges(tables: Arc<[ListedTable]>, role: Arc<str>) -> ReferenceTable {
    let columns = [
        "grantor",
        "grantee",
        "table_catalog",
        "table_schema",
        "table_name",
        "privilege_type",
        "is_grantable",
        "with_hierarchy",
    ];
    ReferenceTable::new(columns.map(text).to_vec(), move |schema| {
        let columns = vec![
            texts(&tables, |_| Some("admin")),
            texts(&tables, |_| Some(&*role)),
            texts(&tables, |_| Some(CATALOG)),
            texts(&tables, |table| Some(table.schema)),
            texts(&tables, |table| Some(table.name.as_str())),
            texts(&tables, |_| Some("SELECT")),
            texts(&tables, |_| Some("NO")),
            texts(&tables, |_| Some("YES")),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

fn list_views(tables: &[ListedTable]) -> ReferenceTable {
    let views: Vec<ListedTable> = tables.iter().filter(|table| table.definition.is_some()).cloned().collect();
    let columns = [
        "table_catalog",
        "table_schema",
        "table_name",
        "view_definition",
        "check_option",
        "is_updatable",
        "is_insertable_into",
    ];
    ReferenceTable::new(columns.map(text).to_vec(), move |schema| {
        let columns = vec![
            texts(&views, |_| Some(CATALOG)),
            texts(&views, |view| Some(view.schema)),
            texts(&views, |view| Some(view.name.as_str())),
            texts(&views, |view| view.definition),
            texts(&views, |_| Some("NONE")),
            texts(&views, |_| Some("NO")),
            texts(&views, |_| Some("NO")),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

fn list_schemata(schemas: Vec<String>) -> ReferenceTable {
    let columns = vec![text("catalog_name"), text("schema_name"), text("schema_owner")];
    ReferenceTable::new(columns, move |schema| {
        RecordBatch::try_new(
            Arc::clone(schema),
            vec![
                texts(&schemas, |_| Some(CATALOG)),
                texts(&schemas, |name| Some(name.as_str())),
                texts(&schemas, |_| Some("admin")),
            ],
        )
    })
}

fn list_character_sets() -> ReferenceTable {
    let columns = ["character_set_catalog", "character_set_schema", "character_set_name", "character_repertoire"];
    ReferenceTable::new(columns.map(text).to_vec(), |schema| {
        let values = [None, None, Some("UTF8"), Some("UCS")];
        let column = |value: &Option<&'static str>| texts(std::slice::from_ref(value), |value| *value);
        RecordBatch::try_new(Arc::clone(schema), values.iter().map(column).collect())
    })
}

/// Bits of a number, and true for an integer.
fn precision(data_type: &DataType) -> Option<(i64, bool)> {
    match data_type {
        DataType::Int16 => Some((16, true)),
        DataType::Int32 => Some((32, true)),
        DataType::Int64 => Some((64, true)),
        DataType::Float32 => Some((24, false)),
        DataType::Float64 => Some((53, false)),
        _ => None,
    }
}

/// Name of a type in PostgreSQL's SQL.
pub fn sql_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Int64 | DataType::UInt32 => "bigint",
        DataType::Date32 => "date",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        _ => "text",
    }
}

/// Name of a type in PostgreSQL's catalog.
fn short_name(data_type: &DataType) -> &'static str {
    match sql_name(data_type) {
        "boolean" => "bool",
        "smallint" => "int2",
        "integer" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" => "float8",
        "date" => "date",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        _ => "text",
    }
}
