//! Pruning statistics of files and live chunks, as DataFusion asks for them: to leave whole ones out, and to answer counts, minima
//! and maxima without a scan.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, ScalarValue, Statistics};
use zonelake_parquet::{ColumnStats, DataFile, StatValue};
use zonelake_schemas::columns::{LIVE_FIXED, SQL_FIXED, live};
use zonelake_schemas::decimal::to_f64;
use zonelake_schemas::{StorageType, TableDef};
use zonelake_storage::Chunk;

use crate::scan::live_columns::{DAY_US, date_of};

/// Pruning statistics of one column in one file or chunk; an absent one is not known.
#[derive(Debug, Default, Clone)]
pub(crate) struct ColumnBounds {
    min: Option<ScalarValue>,
    max: Option<ScalarValue>,
    nulls: Option<u64>,
    /// True where rows have these bounds as values, if any row is not null.
    is_attained: bool,
}

/// Rows whose columns have pruning statistics, in the types of SQL.
pub(crate) trait HasBounds {
    /// Number of rows.
    fn rows(&self) -> u64;
    /// Statistics of a column of the SQL schema of `def`.
    fn bounds(&self, def: &TableDef, column: &Field) -> ColumnBounds;
}

impl HasBounds for DataFile {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn bounds(&self, def: &TableDef, column: &Field) -> ColumnBounds {
        if column.name() == "date" {
            return ColumnBounds::between(ScalarValue::Date32(Some(self.date)), ScalarValue::Date32(Some(self.date)));
        }
        let Some(stats) = self.stats.get(column.name()) else {
            return if column.name() == "time" { self.time_of_date() } else { ColumnBounds::default() };
        };
        // Doubles have been through JSON text in the Delta log, and not every reader of it is exact to the last bit.
        ColumnBounds {
            min: stats.min.as_ref().and_then(|bound| sql_bound(bound, def, column, f64::next_down)),
            max: stats.max.as_ref().and_then(|bound| sql_bound(bound, def, column, f64::next_up)),
            nulls: Some(stats.nulls),
            is_attained: self.checksum.is_some()
                && is_stored_exactly(stats)
                && !matches!(column.data_type(), DataType::Timestamp(..)),
        }
    }
}

/// Bounds of the time of a file by its date alone.
trait TimeOfDate {
    fn time_of_date(&self) -> ColumnBounds;
}

impl TimeOfDate for DataFile {
    fn time_of_date(&self) -> ColumnBounds {
        let start = i64::from(self.date) * DAY_US;
        ColumnBounds { is_attained: false, ..ColumnBounds::between(instant(start), instant(start + DAY_US - 1)) }
    }
}

impl HasBounds for Chunk {
    fn rows(&self) -> u64 {
        self.rows.num_rows() as u64
    }

    fn bounds(&self, def: &TableDef, column: &Field) -> ColumnBounds {
        let (first, last) = self.time_us;
        match column.name().as_str() {
            "date" => {
                let date = |time| ScalarValue::Date32(Some(date_of(time)));
                ColumnBounds::between(date(first), date(last))
            }
            "time" => ColumnBounds::between(instant(first), instant(last)),
            "ingested_at" | "quality" | "backfill" => ColumnBounds { nulls: Some(0), ..ColumnBounds::default() },
            name => {
                let position = def.field(name).map(|(position, _)| position + LIVE_FIXED);
                let nulls = position.map(|position| match self.rows.columns().get(position) {
                    Some(column) => column.null_count() as u64,
                    None => self.rows(),
                });
                ColumnBounds { nulls, ..ColumnBounds::default() }
            }
        }
    }
}

impl ColumnBounds {
    fn between(min: ScalarValue, max: ScalarValue) -> Self {
        Self { min: Some(min), max: Some(max), nulls: Some(0), is_attained: true }
    }

    /// Statistics that prune a file and nothing else: the bounds hold, yet no row need have them.
    pub(crate) fn into_file_statistics(self) -> ColumnStatistics {
        let exact = |bound: Option<ScalarValue>| bound.map_or(Precision::Absent, Precision::Exact);
        ColumnStatistics {
            null_count: nulls(self.nulls),
            min_value: exact(self.min),
            max_value: exact(self.max),
            ..ColumnStatistics::new_unknown()
        }
    }
}

/// True where the Delta log has minimum and maximum themselves. Of text it may have a part, and doubles and instants are
/// widened. ColumnBounds by other programs hold, and no more is known of them.
fn is_stored_exactly(stats: &ColumnStats) -> bool {
    [&stats.min, &stats.max].into_iter().all(|bound| matches!(bound, Some(StatValue::Integer(_))))
}

/// Bound of a file's statistics in the type of SQL. n / 10^d grows with n, so the bounds of the integers give those of the
/// doubles. `widen` moves a bound that is a double itself outwards to the next double.
fn sql_bound(bound: &StatValue, def: &TableDef, column: &Field, widen: fn(f64) -> f64) -> Option<ScalarValue> {
    let decimals = def.field(column.name()).and_then(|(_, field)| match field.storage_type() {
        StorageType::Decimal32 { decimals } | StorageType::Decimal64 { decimals } => Some(decimals),
        _ => None,
    });
    Some(match (bound, column.data_type(), decimals) {
        (StatValue::Integer(n), DataType::Float64, Some(decimals)) => ScalarValue::Float64(Some(to_f64(*n, decimals))),
        (StatValue::Integer(us), DataType::Timestamp(TimeUnit::Microsecond, _), _) => instant(*us),
        (StatValue::Integer(n), DataType::Int64, _) => ScalarValue::Int64(Some(*n)),
        (StatValue::Double(value), DataType::Float64, None) if !value.is_nan() => {
            ScalarValue::Float64(Some(widen(*value)))
        }
        (StatValue::Text(text), DataType::Utf8View, _) => ScalarValue::Utf8View(Some(text.clone())),
        _ => return None,
    })
}

fn instant(us: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into()))
}

/// Files or chunks, for one evaluation of a pruning predicate.
#[derive(Debug)]
pub(crate) struct Candidates<'a, T> {
    /// Declaration of the table.
    pub def: &'a TableDef,
    /// SQL schema of the table.
    pub schema: &'a Schema,
    /// Files or chunks.
    pub all: &'a [Arc<T>],
}

impl<T: HasBounds> Candidates<'_, T> {
    fn column(&self, column: &Column) -> Option<(&Field, impl Iterator<Item = ColumnBounds>)> {
        let field = self.schema.field_with_name(column.name()).ok()?;
        Some((field, self.all.iter().map(|one| one.bounds(self.def, field))))
    }

    fn values(&self, column: &Column, of: fn(ColumnBounds) -> Option<ScalarValue>) -> Option<ArrayRef> {
        let (field, bounds) = self.column(column)?;
        let unknown = ScalarValue::try_new_null(field.data_type()).ok()?;
        ScalarValue::iter_to_array(bounds.map(|bounds| of(bounds).unwrap_or_else(|| unknown.clone()))).ok()
    }
}

impl<T: HasBounds> PruningStatistics for Candidates<'_, T> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |bounds| bounds.min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |bounds| bounds.max)
    }

    fn num_containers(&self) -> usize {
        self.all.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (_, bounds) = self.column(column)?;
        Some(Arc::new(bounds.map(|bounds| bounds.nulls).collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.all.iter().map(|one| Some(one.rows())).collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Counts of rows and of nulls over all candidates, and minima and maxima where rows are known to have them; all exact.
pub(crate) fn counts<T: HasBounds>(all: &[Arc<T>], def: &TableDef, columns: &Schema) -> Statistics {
    let mut statistics = Statistics::new_unknown(columns);
    statistics.num_rows = Precision::Exact(usize_of(all.iter().map(|one| one.rows()).sum()));
    for (column, field) in statistics.column_statistics.iter_mut().zip(columns.fields()) {
        let bounds: Vec<(u64, ColumnBounds)> = all.iter().map(|one| (one.rows(), one.bounds(def, field))).collect();
        column.null_count = nulls(bounds.iter().map(|(_, bounds)| bounds.nulls).sum());
        if let Some((min, max)) = minimum_and_maximum(&bounds) {
            column.min_value = Precision::Exact(min);
            column.max_value = Precision::Exact(max);
        }
    }
    statistics
}

/// Minimum and maximum; none where they are not known, and where no row has a value.
fn minimum_and_maximum(all: &[(u64, ColumnBounds)]) -> Option<(ScalarValue, ScalarValue)> {
    let mut found: Option<(ScalarValue, ScalarValue)> = None;
    for (rows, bounds) in all {
        if bounds.nulls == Some(*rows) {
            continue;
        }
        let (Some(min), Some(max), true) = (&bounds.min, &bounds.max, bounds.is_attained) else { return None };
        found = Some(match found {
            None => (min.clone(), max.clone()),
            Some((minimum, maximum)) => {
                (if *min < minimum { min.clone() } else { minimum }, if *max > maximum { max.clone() } else { maximum })
            }
        });
    }
    found
}

/// Sets minimum and maximum of the column of time.
pub(crate) fn add_times(statistics: &mut Statistics, position: usize, (first_us, last_us): (i64, i64)) {
    let column = &mut statistics.column_statistics[position];
    column.min_value = Precision::Exact(instant(first_us));
    column.max_value = Precision::Exact(instant(last_us));
}

fn nulls(count: Option<u64>) -> Precision<usize> {
    count.map_or(Precision::Absent, |count| Precision::Exact(usize_of(count)))
}

pub(crate) fn usize_of(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

const _: () = assert!(SQL_FIXED == 9 && LIVE_FIXED == 5 && live::TIME == 0, "columns are found by position");
