//! `information_schema`: which tables and columns there are. DataFusion's own has the server's settings among its
//! tables, so this one stands in its place; SHOW TABLES and SHOW COLUMNS read it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;

use crate::catalog::{CATALOG, SCHEMA};
use crate::reference_tables::{ReferenceTable, bigint, text, texts};

/// Its name.
pub const INFORMATION_SCHEMA: &str = "information_schema";

/// A table or column for `information_schema` to list: name and schema of each table.
type Listed = Arc<Vec<(String, SchemaRef)>>;

/// Its tables, which list those of `tables`.
pub fn information_tables(tables: Vec<(String, SchemaRef)>) -> Vec<(&'static str, Arc<dyn TableProvider>)> {
    let tables: Listed = Arc::new(tables);
    vec![
        ("tables", Arc::new(list_tables(Arc::clone(&tables))) as _),
        ("columns", Arc::new(list_columns(tables)) as _),
        ("schemata", Arc::new(list_schemata()) as _),
    ]
}

fn list_tables(tables: Listed) -> ReferenceTable {
    let columns = vec![text("table_catalog"), text("table_schema"), text("table_name"), text("table_type")];
    ReferenceTable::new(columns, move |schema| {
        let columns = vec![
            texts(&tables, |_| Some(CATALOG)),
            texts(&tables, |_| Some(SCHEMA)),
            texts(&tables, |(name, _)| Some(name.as_str())),
            texts(&tables, |_| Some("BASE TABLE")),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

fn list_columns(tables: Listed) -> ReferenceTable {
    let columns = vec![
        text("table_catalog"),
        text("table_schema"),
        text("table_name"),
        text("column_name"),
        bigint("ordinal_position"),
        text("is_nullable"),
        text("data_type"),
    ];
    ReferenceTable::new(columns, move |schema| {
        let rows: Vec<_> = tables
            .iter()
            .flat_map(|(table, of)| (1i64..).zip(of.fields()).map(move |(position, column)| (table, position, column)))
            .collect();
        let columns: Vec<ArrayRef> = vec![
            texts(&rows, |_| Some(CATALOG)),
            texts(&rows, |_| Some(SCHEMA)),
            texts(&rows, |(table, ..)| Some(table.as_str())),
            texts(&rows, |(.., column)| Some(column.name().as_str())),
            Arc::new(rows.iter().map(|(_, position, _)| Some(*position)).collect::<Int64Array>()),
            texts(&rows, |(.., column)| Some(if column.is_nullable() { "YES" } else { "NO" })),
            texts(&rows, |(.., column)| Some(sql_name(column.data_type()))),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

fn list_schemata() -> ReferenceTable {
    ReferenceTable::new(vec![text("catalog_name"), text("schema_name")], |schema| {
        let rows = [SCHEMA, INFORMATION_SCHEMA];
        RecordBatch::try_new(
            Arc::clone(schema),
            vec![texts(&rows, |_| Some(CATALOG)), texts(&rows, |name| Some(*name))],
        )
    })
}

/// The name that PostgreSQL has for a type.
pub fn sql_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Float64 => "double precision",
        DataType::Int64 => "bigint",
        DataType::Date32 => "date",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        _ => "text",
    }
}
