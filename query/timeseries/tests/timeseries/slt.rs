//! Runs the files in `tests/slt` by the crate `sqllogictest`. Cells of an expected row are joined by ` | `, since texts of
//! times have spaces in them. `SET TIME ZONE '…'` begins a session in that zone.

use std::path::Path;

use async_trait::async_trait;
use datafusion::error::DataFusionError;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Normalizer, Record, Runner};

use crate::harness::Session;

/// The database that the records are run on.
struct Database {
    session: Session,
}

#[async_trait]
impl AsyncDB for Database {
    type Error = DataFusionError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DataFusionError> {
        if let Some(zone) = sql.strip_prefix("SET TIME ZONE '") {
            self.session = Session::new(zone.trim_end_matches('\''));
            return Ok(DBOutput::StatementComplete(0));
        }
        let rows = self.session.rows(sql).await?;
        // All cells come as text, as PostgreSQL writes them.
        let columns = rows.first().map_or(0, Vec::len);
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Text; columns], rows })
    }

    async fn shutdown(&mut self) {}
}

/// Whether rows are the expected ones to the last character: no white space is normalized.
fn same_rows(_: Normalizer, found: &[Vec<String>], wanted: &[String]) -> bool {
    found.iter().map(|row| row.join(" | ")).eq(wanted.iter().cloned())
}

#[tokio::test]
async fn every_statement_of_the_slt_files_answers_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut records, mut wrong) = (0, Vec::new());
    for file in files {
        let mut runner = Runner::new(|| async { Ok(Database { session: Session::new("UTC") }) });
        runner.with_validator(same_rows);
        for record in sqllogictest::parse_file::<DefaultColumnType>(&file).unwrap() {
            records += usize::from(matches!(record, Record::Query { .. }));
            if let Err(difference) = runner.run_async(record).await {
                wrong.push(difference.to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(records > 40, "{records} records were found");
}
