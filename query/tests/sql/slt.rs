//! Runs the files in `tests/slt` with `sqllogictest`. Rows stand in their order, cells joined by ` | `.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Normalizer, Runner};
use zonelake_query::{QueryEngine, QueryError};
use zonelake_schemas::tables::builtin_tables;

use crate::harness::{HOUR_US, Harness, NEW_YEAR_US, PROBE, ProbeRow, caller, cells, probe_batch};

/// The built-in tables, empty, and `probe` with 48 hourly rows of two devices: the first day in a file, the second live.
async fn filled() -> Arc<Harness> {
    let mut declared = builtin_tables();
    declared.push(zonelake_schemas::TableDef::from_toml(PROBE).unwrap());
    let harness = Harness::new(&declared);
    let keys = harness.devices("vung-ang", &["d0".to_owned(), "d1".to_owned()]);
    for day in 0..2 {
        let hours = 24 * day..24 * (day + 1);
        let row = |n: i64| keys.iter().map(move |&key| ProbeRow::numbered(n, key, NEW_YEAR_US + n * HOUR_US));
        let all: Vec<ProbeRow> = hours.flat_map(row).collect();
        harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), &all)]);
        if day == 0 {
            harness.flush("probe", &zonelake_parquet::ParquetOptions::default()).await;
        }
    }
    harness
}

/// The engine as the runner sees it.
struct Database(Arc<QueryEngine>);

#[async_trait]
impl AsyncDB for Database {
    type Error = QueryError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, QueryError> {
        let result = self.0.execute(sql, &caller()).await?;
        let types = vec![DefaultColumnType::Any; result.schema.fields().len()];
        let rows = result.collect().await?.iter().flat_map(cells).collect();
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}
}

/// Compares whole lines: cells may have spaces, so the runner's own comparison by words would say too little.
fn same_lines(_: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    actual.iter().map(|row| row.join(" | ")).eq(expected.iter().cloned())
}

#[tokio::test]
async fn every_statement_of_the_slt_files_answers_as_written() {
    let harness = filled().await;
    let engine = harness.engine();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    let mut runner = Runner::new(|| async { Ok(Database(Arc::clone(&engine))) });
    runner.with_validator(same_lines);
    let (mut records, mut wrong) = (0, Vec::new());
    for file in files {
        for record in sqllogictest::parse_file(&file).unwrap() {
            records += usize::from(matches!(record, sqllogictest::Record::Query { .. }));
            if let Err(difference) = runner.run_async(record).await {
                wrong.push(difference.display(false).to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(records > 20, "{records} records were found");
}
