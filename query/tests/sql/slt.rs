//! Runs the files in `tests/slt`. Each record is a statement and what it answers, records divided by an empty line:
//!
//! ```text
//! query              the lines below ---- are the rows, in their order, cells joined by ` | `
//! error words        the statement fails, and its message has these words
//! # a comment
//! ```

use std::path::Path;
use std::sync::Arc;

use zonelake_query::QueryEngine;
use zonelake_schemas::tables::builtin_tables;

use crate::bed::{Bed, HOUR_US, NEW_YEAR_US, PROBE, ProbeRow, probe_batch, rows};

/// The built-in tables, empty, and `probe` with 48 hourly rows of two devices: the first day in a file, the second live.
async fn filled() -> Arc<Bed> {
    let mut declared = builtin_tables();
    declared.push(zonelake_schemas::TableDef::from_toml(PROBE).unwrap());
    let bed = Bed::new(&declared);
    let keys = bed.devices("vung-ang", &["d0".to_owned(), "d1".to_owned()]);
    for day in 0..2 {
        let hours = 24 * day..24 * (day + 1);
        let row = |n: i64| keys.iter().map(move |&key| ProbeRow::numbered(n, key, NEW_YEAR_US + n * HOUR_US));
        let all: Vec<ProbeRow> = hours.flat_map(row).collect();
        bed.add_live("probe", vec![probe_batch(bed.schemas("probe"), &all)]);
        if day == 0 {
            bed.flush("probe", &zonelake_parquet::ParquetOptions::default()).await;
        }
    }
    bed
}

#[tokio::test]
async fn every_statement_of_the_slt_files_answers_as_written() {
    let bed = filled().await;
    let engine = bed.engine();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut records = 0;
    let mut wrong = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        for record in std::fs::read_to_string(&file).unwrap().split("\n\n") {
            let lines = record.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
            if lines.iter().all(|line| line.trim().is_empty()) {
                continue;
            }
            records += 1;
            if let Err(difference) = check(&engine, &lines).await {
                wrong.push(format!("{}: {difference}", file.file_name().unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(records > 20, "{records} records were found");
}

async fn check(engine: &QueryEngine, lines: &[&str]) -> Result<(), String> {
    let lines: Vec<_> = lines.iter().skip_while(|line| line.trim().is_empty()).collect();
    let (head, body) = lines.split_first().ok_or("an empty record")?;
    let end = body.iter().position(|line| ***line == *"----").unwrap_or(body.len());
    let sql = body[..end].iter().map(|line| **line).collect::<Vec<_>>().join("\n");
    let found = rows(engine, &sql).await;
    match (head.split_once(' ').unwrap_or((head, "")), found) {
        (("query", _), Ok(found)) => {
            let wanted: Vec<_> = body.iter().skip(end + 1).map(|line| (**line).to_owned()).collect();
            if found == wanted { Ok(()) } else { Err(format!("{sql}\n---- found\n{}", found.join("\n"))) }
        }
        (("error", words), Err(error)) if error.message.contains(words) => Ok(()),
        (_, Ok(found)) => Err(format!("{sql}\n---- found, where an error was expected\n{}", found.join("\n"))),
        (_, Err(error)) => Err(format!("{sql}\n---- error\n{error}")),
    }
}
