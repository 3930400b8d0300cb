//! Metadata: catalogs, schemas and tables as the engine's `information_schema` lists them, and the capabilities of the
//! server.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables, SqlInfo, SqlSupportedTransaction,
};
use tonic::Status;
use zonelake_query::{QueryEngine, SqlSession};

use crate::rows::plain_schema;
use crate::status::{from_query_error, internal};

/// Response to [`CommandGetCatalogs`].
pub(crate) async fn catalogs(
    engine: &QueryEngine,
    session: &SqlSession,
    command: CommandGetCatalogs,
) -> Result<RecordBatch, Status> {
    let mut builder = command.into_builder();
    for row in
        texts(engine, session, "SELECT DISTINCT catalog_name FROM information_schema.schemata ORDER BY 1").await?
    {
        builder.append(&row[0]);
    }
    builder.build().map_err(|error| internal(&error))
}

/// Response to [`CommandGetDbSchemas`].
pub(crate) async fn schemas(
    engine: &QueryEngine,
    session: &SqlSession,
    command: CommandGetDbSchemas,
) -> Result<RecordBatch, Status> {
    let mut builder = command.into_builder();
    let query = "SELECT catalog_name, schema_name FROM information_schema.schemata ORDER BY 1, 2";
    for row in texts(engine, session, query).await? {
        builder.append(&row[0], &row[1]);
    }
    builder.build().map_err(|error| internal(&error))
}

/// Response to [`CommandGetTables`].
pub(crate) async fn tables(
    engine: &QueryEngine,
    session: &SqlSession,
    command: CommandGetTables,
) -> Result<RecordBatch, Status> {
    let with_schema = command.include_schema;
    let mut builder = command.into_builder();
    let query = "SELECT table_catalog, table_schema, table_name, \
                 CASE table_type WHEN 'BASE TABLE' THEN 'TABLE' ELSE table_type END \
                 FROM information_schema.tables ORDER BY 1, 2, 3";
    for row in texts(engine, session, query).await? {
        let schema = match with_schema {
            true => columns(engine, session, &row[1], &row[2]).await?,
            false => Schema::empty(),
        };
        builder.append(&row[0], &row[1], &row[2], &row[3], &schema).map_err(|error| internal(&error))?;
    }
    builder.build().map_err(|error| internal(&error))
}

/// Response to [`CommandGetTableTypes`].
pub(crate) fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch, Status> {
    let mut builder = command.into_builder();
    for table_type in ["TABLE", "VIEW"] {
        builder.append(table_type);
    }
    builder.build().map_err(|error| internal(&error))
}

/// Keys of tables, of which there are none; `is_primary` selects the columns of primary keys, else those of foreign
/// keys.
pub(crate) fn no_keys(is_primary: bool) -> RecordBatch {
    let text = |name: &str, is_nullable| Field::new(name, DataType::Utf8, is_nullable);
    let rule = |name: &str| Field::new(name, DataType::UInt8, false);
    let sequence = Field::new("key_sequence", DataType::Int32, false);
    let fields = match is_primary {
        true => vec![
            text("catalog_name", true),
            text("db_schema_name", true),
            text("table_name", false),
            text("column_name", false),
            text("key_name", true),
            sequence,
        ],
        false => vec![
            text("pk_catalog_name", true),
            text("pk_db_schema_name", true),
            text("pk_table_name", false),
            text("pk_column_name", false),
            text("fk_catalog_name", true),
            text("fk_db_schema_name", true),
            text("fk_table_name", false),
            text("fk_column_name", false),
            sequence,
            text("fk_key_name", true),
            text("pk_key_name", true),
            rule("update_rule"),
            rule("delete_rule"),
        ],
    };
    RecordBatch::new_empty(Arc::new(Schema::new(fields)))
}

/// Capabilities of the server.
pub(crate) fn sql_info() -> &'static SqlInfoData {
    static INFO: LazyLock<SqlInfoData> = LazyLock::new(|| {
        let mut info = SqlInfoDataBuilder::new();
        info.append(SqlInfo::FlightSqlServerName, "Zonelake");
        info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
        info.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
        info.append(SqlInfo::FlightSqlServerReadOnly, true);
        info.append(SqlInfo::FlightSqlServerSql, true);
        info.append(SqlInfo::FlightSqlServerSubstrait, false);
        info.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
        info.append(SqlInfo::FlightSqlServerCancel, false);
        info.append(SqlInfo::FlightSqlServerBulkIngestion, true);
        info.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
        info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
        info.build().expect("each value is of a kind that the list can hold")
    });
    &INFO
}

/// Schema of a table, as a query over it has it.
async fn columns(engine: &QueryEngine, session: &SqlSession, schema: &str, table: &str) -> Result<Schema, Status> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let sql = format!("SELECT * FROM {}.{}", quoted(schema), quoted(table));
    // Planned and not executed, so the schema costs no scan.
    let statement = engine.parse(&sql).map_err(from_query_error)?;
    let described = engine.describe(&sql, statement, Vec::new(), session).await.map_err(from_query_error)?;
    Ok(plain_schema(&described.schema, session.zone()).as_ref().clone())
}

/// Rows of a query whose columns are all text; null is empty.
async fn texts(engine: &QueryEngine, session: &SqlSession, sql: &str) -> Result<Vec<Vec<String>>, Status> {
    let result = engine.execute_in(sql, session).await.map_err(from_query_error)?;
    let mut rows = Vec::new();
    for batch in result.collect().await.map_err(from_query_error)? {
        let columns = batch.columns().iter().map(|column| cast(column, &DataType::Utf8));
        let columns: Vec<_> = columns.collect::<Result<_, _>>().map_err(|error| internal(&error))?;
        let columns: Vec<&StringArray> =
            columns.iter().filter_map(|column| column.as_any().downcast_ref::<StringArray>()).collect();
        for row in 0..batch.num_rows() {
            let text = |column: &&StringArray| match column.is_valid(row) {
                true => column.value(row).to_owned(),
                false => String::new(),
            };
            rows.push(columns.iter().map(text).collect());
        }
    }
    Ok(rows)
}
