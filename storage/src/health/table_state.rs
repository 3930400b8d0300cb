//! Counts of one table at a moment.

use std::collections::BTreeMap;

use zonelake_parquet::DataFile;
use zonelake_schemas::TableDef;

use crate::rules::file_times::times_us;
use crate::table::view::TableView;

/// What a table has, in files and in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableState {
    /// Rows in memory and in the WAL, not yet in a file.
    pub live_rows: u64,
    /// Rows in files.
    pub file_rows: u64,
    /// Parquet files.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Values of fields in them that are not null.
    pub readings: u64,
    /// Most files of one date.
    pub date_files_max: u64,
    /// Earliest and latest time of a row, microseconds since 1970, UTC; those of files are known to the millisecond.
    pub times_us: Option<(i64, i64)>,
}

impl TableState {
    /// Counts a table.
    pub fn of(view: &TableView, def: &TableDef) -> Self {
        let mut state = Self { live_rows: view.live_rows() as u64, ..Self::default() };
        let mut of_dates: BTreeMap<i32, u64> = BTreeMap::new();
        for file in view.files.iter() {
            state.files += 1;
            state.bytes += file.bytes;
            state.file_rows += file.rows;
            state.readings += readings(file, def);
            *of_dates.entry(file.date).or_default() += 1;
            if let Some(times_us) = times_us(file) {
                state.add_times(times_us);
            }
        }
        view.chunks().for_each(|chunk| state.add_times(chunk.time_us));
        state.date_files_max = of_dates.into_values().max().unwrap_or_default();
        state
    }

    fn add_times(&mut self, (first, last): (i64, i64)) {
        self.times_us = Some(self.times_us.map_or((first, last), |known| (known.0.min(first), known.1.max(last))));
    }
}

/// Values of fields in a file. A field that the file was written without has none.
fn readings(file: &DataFile, def: &TableDef) -> u64 {
    let of_field = |name: &str| file.stats.get(name).map_or(0, |stats| file.rows.saturating_sub(stats.nulls));
    def.fields.iter().map(|field| of_field(&field.name)).sum()
}
