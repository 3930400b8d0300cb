//! Statistics of the files of a scan, with which it leaves files out when a filter that is made while the statement runs (that
//! of a join or a TOP-k) cannot match.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use zonelake_parquet::DataFile;
use zonelake_schemas::TableDef;

use crate::scan::pruning_statistics::{HasBounds, usize_of};

/// Columns of files up to which each file of a scan has its own statistics, which take 300 bytes a column. Beyond, the files
/// of a date share the bounds of its times.
pub(crate) const OWN_STATISTICS_MAX: usize = 50_000;

/// Statistics of each file of a scan.
pub(crate) struct FilesStatistics<'a> {
    def: &'a TableDef,
    columns: &'a Schema,
    /// Statistics by date; none where each file has its own.
    by_date: Option<BTreeMap<i32, Arc<Statistics>>>,
}

impl<'a> FilesStatistics<'a> {
    /// Statistics of these files; `columns` are those of the files that the scan names, as SQL shows them.
    pub(crate) fn new(files: &[Arc<DataFile>], def: &'a TableDef, columns: &'a Schema) -> Self {
        let own = Self { def, columns, by_date: None };
        if files.len() * (columns.fields().len() + 1) <= OWN_STATISTICS_MAX {
            return own;
        }
        let time = columns.index_of("time").ok();
        let mut by_date: BTreeMap<i32, Statistics> = BTreeMap::new();
        for file in files {
            let Some(time) = time else {
                by_date.entry(file.date).or_insert_with(|| own.unknown(file.date));
                continue;
            };
            let of_file = file.bounds(def, columns.field(time)).into_file_statistics();
            match by_date.entry(file.date) {
                Entry::Vacant(first) => first.insert(own.unknown(file.date)).column_statistics[time] = of_file,
                Entry::Occupied(mut of_date) => widen(&mut of_date.get_mut().column_statistics[time], &of_file),
            }
        }
        let by_date = by_date.into_iter().map(|(date, statistics)| (date, Arc::new(statistics))).collect();
        Self { by_date: Some(by_date), ..own }
    }

    /// Statistics of one of the files. The date stands behind the columns of the file.
    pub(crate) fn of(&self, file: &DataFile) -> Arc<Statistics> {
        if let Some(of_date) = self.by_date.as_ref().and_then(|by_date| by_date.get(&file.date)) {
            return Arc::clone(of_date);
        }
        let mut statistics = self.unknown(file.date);
        statistics.num_rows = Precision::Exact(usize_of(file.rows));
        for (column, field) in statistics.column_statistics.iter_mut().zip(self.columns.fields()) {
            *column = file.bounds(self.def, field).into_file_statistics();
        }
        Arc::new(statistics)
    }

    fn unknown(&self, date: i32) -> Statistics {
        let mut statistics = Statistics::new_unknown(self.columns);
        let date = Precision::Exact(ScalarValue::Date32(Some(date)));
        statistics.column_statistics.push(ColumnStatistics {
            null_count: Precision::Exact(0),
            min_value: date.clone(),
            max_value: date,
            distinct_count: Precision::Exact(1),
            ..ColumnStatistics::new_unknown()
        });
        statistics
    }
}

/// Widens the bounds of some files by those of one more.
fn widen(bounds: &mut ColumnStatistics, by: &ColumnStatistics) {
    bounds.null_count = bounds.null_count.add(&by.null_count);
    bounds.min_value = bounds.min_value.min(&by.min_value);
    bounds.max_value = bounds.max_value.max(&by.max_value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(min: i64, max: i64) -> ColumnStatistics {
        let exact = |value| Precision::Exact(ScalarValue::Int64(Some(value)));
        ColumnStatistics {
            null_count: Precision::Exact(0),
            min_value: exact(min),
            max_value: exact(max),
            ..ColumnStatistics::new_unknown()
        }
    }

    #[test]
    fn bounds_of_several_files_are_those_of_all_their_rows() {
        let mut all = bounds(5, 7);
        for (min, max) in [(1, 6), (6, 9)] {
            widen(&mut all, &bounds(min, max));
        }
        assert_eq!(all, bounds(1, 9));
        widen(&mut all, &ColumnStatistics::new_unknown());
        assert_eq!(
            (all.min_value, all.max_value),
            (Precision::Absent, Precision::Absent),
            "one file may have anything"
        );
    }
}
