//! Tables about the server itself, for the administrator: what each table has, its files, and recent merges.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use zonelake_parquet::DataFile;
use zonelake_schemas::columns::timestamp;
use zonelake_storage::{MergeEntry, MergeOutcome, TableState, times_us};

use crate::catalog::reference_tables::{ReferenceTable, bigint, double, instants, text, texts};
use crate::catalog::source::Pinned;

/// A table of the schema `system`.
pub(crate) struct SystemTable {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) table: ReferenceTable,
}

/// All of them, as of the moment at which the statement's tables were pinned.
pub(crate) fn system_tables(pinned: &Pinned, merges: Vec<MergeEntry>) -> Vec<SystemTable> {
    let files = pinned.tables.iter().map(|table| (table.def.name.clone(), Arc::clone(&table.view.files)));
    vec![
        SystemTable {
            name: "tables",
            description: "Rows, files and bytes of each table, the earliest and latest time of its rows, and bytes of files for each reading",
            table: tables(pinned),
        },
        SystemTable {
            name: "files",
            description: "Parquet files of all tables, by path below the table's folder",
            table: files_of(files.collect()),
        },
        SystemTable {
            name: "compactions",
            description: "The last 1,000 merges of small files into one, and what became of them",
            table: compactions(merges),
        },
    ]
}

fn tables(pinned: &Pinned) -> ReferenceTable {
    let columns = vec![
        text("table_name"),
        bigint("rows"),
        bigint("live_rows"),
        bigint("bytes"),
        bigint("files"),
        bigint("files_of_a_date_max"),
        Field::new("oldest", timestamp(), true),
        Field::new("newest", timestamp(), true),
        double("bytes_per_reading"),
        bigint("log_version"),
    ];
    let pinned: Vec<_> = pinned.tables.iter().map(|table| (Arc::clone(&table.def), Arc::clone(&table.view))).collect();
    ReferenceTable::new(columns, move |schema| {
        let rows: Vec<(&str, TableState, i64)> =
            pinned.iter().map(|(def, view)| (def.name.as_str(), TableState::of(view, def), view.log_version)).collect();
        let per_reading = |state: &TableState| (state.readings > 0).then(|| state.bytes as f64 / state.readings as f64);
        RecordBatch::try_new(
            Arc::clone(schema),
            vec![
                texts(&rows, |(name, ..)| Some(*name)),
                counts(&rows, |(_, state, _)| state.file_rows + state.live_rows),
                counts(&rows, |(_, state, _)| state.live_rows),
                counts(&rows, |(_, state, _)| state.bytes),
                counts(&rows, |(_, state, _)| state.files),
                counts(&rows, |(_, state, _)| state.date_files_max),
                instants(&rows, |(_, state, _)| state.times_us.map(|times| times.0)),
                instants(&rows, |(_, state, _)| state.times_us.map(|times| times.1)),
                Arc::new(rows.iter().map(|(_, state, _)| per_reading(state)).collect::<Float64Array>()),
                Arc::new(rows.iter().map(|(.., version)| Some(*version)).collect::<Int64Array>()),
            ],
        )
    })
}

/// Files of tables by their names.
type FilesOfTables = Vec<(String, Arc<Vec<Arc<DataFile>>>)>;

fn files_of(tables: FilesOfTables) -> ReferenceTable {
    let columns = vec![
        text("table_name"),
        text("path"),
        Field::new("date", DataType::Date32, true),
        bigint("rows"),
        bigint("bytes"),
        Field::new("oldest", timestamp(), true),
        Field::new("newest", timestamp(), true),
    ];
    ReferenceTable::new(columns, move |schema| {
        let rows: Vec<(&str, &DataFile)> = tables
            .iter()
            .flat_map(|(name, files)| files.iter().map(move |file| (name.as_str(), file.as_ref())))
            .collect();
        RecordBatch::try_new(
            Arc::clone(schema),
            vec![
                texts(&rows, |(name, _)| Some(*name)),
                texts(&rows, |(_, file)| Some(file.path.as_str())),
                dates(&rows, |(_, file)| file.date),
                counts(&rows, |(_, file)| file.rows),
                counts(&rows, |(_, file)| file.bytes),
                instants(&rows, |(_, file)| times_us(file).map(|times| times.0)),
                instants(&rows, |(_, file)| times_us(file).map(|times| times.1)),
            ],
        )
    })
}

fn compactions(merges: Vec<MergeEntry>) -> ReferenceTable {
    let columns = vec![
        text("table_name"),
        Field::new("date", DataType::Date32, true),
        Field::new("started", timestamp(), true),
        double("duration_seconds"),
        text("state"),
        bigint("files"),
        bigint("rows"),
        bigint("bytes_before"),
        bigint("bytes_after"),
        text("error"),
    ];
    ReferenceTable::new(columns, move |schema| {
        let after = |merge: &MergeEntry| match merge.outcome {
            MergeOutcome::Merged { bytes_after } => i64::try_from(bytes_after).ok(),
            MergeOutcome::Dropped | MergeOutcome::Failed(_) => None,
        };
        RecordBatch::try_new(
            Arc::clone(schema),
            vec![
                texts(&merges, |merge| Some(merge.table.as_str())),
                dates(&merges, |merge| merge.date),
                instants(&merges, |merge| Some(merge.started_us)),
                Arc::new(merges.iter().map(|merge| Some(merge.took.as_secs_f64())).collect::<Float64Array>()),
                texts(&merges, |merge| Some(state(&merge.outcome))),
                counts(&merges, |merge| merge.files),
                counts(&merges, |merge| merge.rows),
                counts(&merges, |merge| merge.bytes_before),
                Arc::new(merges.iter().map(after).collect::<Int64Array>()),
                texts(&merges, |merge| match &merge.outcome {
                    MergeOutcome::Failed(error) => Some(error.as_str()),
                    MergeOutcome::Merged { .. } | MergeOutcome::Dropped => None,
                }),
            ],
        )
    })
}

fn state(outcome: &MergeOutcome) -> &'static str {
    match outcome {
        MergeOutcome::Merged { .. } => "done",
        MergeOutcome::Dropped => "dropped",
        MergeOutcome::Failed(_) => "failed",
    }
}

fn counts<T>(rows: &[T], of: impl Fn(&T) -> u64) -> ArrayRef {
    Arc::new(rows.iter().map(|row| i64::try_from(of(row)).ok()).collect::<Int64Array>())
}

fn dates<T>(rows: &[T], of: impl Fn(&T) -> i32) -> ArrayRef {
    Arc::new(rows.iter().map(|row| Some(of(row))).collect::<Date32Array>())
}
