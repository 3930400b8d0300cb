//! What is known of files and live chunks before they are read, as DataFusion asks for it: to leave whole ones out, and
//! to answer counts.

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

use crate::live_rows::{DAY_US, date_of};

/// Bounds of the values of one column in one file or chunk; an absent one is not known.
#[derive(Debug, Default, Clone)]
pub struct Bounds {
    min: Option<ScalarValue>,
    max: Option<ScalarValue>,
    nulls: Option<u64>,
    /// There are rows that have these bounds, where there are any without null.
    are_met: bool,
}

/// Something that has rows and knows bounds of its columns, in the types that SQL shows.
pub trait Bounded {
    /// Its rows.
    fn rows(&self) -> u64;
    /// The bounds of a column of the SQL schema of `def`.
    fn bounds(&self, def: &TableDef, column: &Field) -> Bounds;
}

impl Bounded for DataFile {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn bounds(&self, def: &TableDef, column: &Field) -> Bounds {
        if column.name() == "date" {
            return Bounds::between(ScalarValue::Date32(Some(self.date)), ScalarValue::Date32(Some(self.date)));
        }
        let Some(stats) = self.stats.get(column.name()) else {
            return if column.name() == "time" { self.time_of_date() } else { Bounds::default() };
        };
        // Doubles have been through JSON text in the table log, and not every reader of it is exact to the last bit.
        Bounds {
            min: stats.min.as_ref().and_then(|bound| shown_bound(bound, def, column, f64::next_down)),
            max: stats.max.as_ref().and_then(|bound| shown_bound(bound, def, column, f64::next_up)),
            nulls: Some(stats.nulls),
            are_met: self.checksum.is_some()
                && is_kept_whole(stats)
                && !matches!(column.data_type(), DataType::Timestamp(..)),
        }
    }
}

/// The time bounds of a file that follow from its date alone.
trait TimeOfDate {
    fn time_of_date(&self) -> Bounds;
}

impl TimeOfDate for DataFile {
    fn time_of_date(&self) -> Bounds {
        let start = i64::from(self.date) * DAY_US;
        Bounds { are_met: false, ..Bounds::between(instant(start), instant(start + DAY_US - 1)) }
    }
}

impl Bounded for Chunk {
    fn rows(&self) -> u64 {
        self.rows.num_rows() as u64
    }

    fn bounds(&self, def: &TableDef, column: &Field) -> Bounds {
        let (first, last) = self.time_us;
        match column.name().as_str() {
            "date" => {
                let date = |time| ScalarValue::Date32(Some(date_of(time)));
                Bounds::between(date(first), date(last))
            }
            "time" => Bounds::between(instant(first), instant(last)),
            "ingested_at" | "quality" | "backfill" => Bounds { nulls: Some(0), ..Bounds::default() },
            name => {
                let position = def.field(name).map(|(position, _)| position + LIVE_FIXED);
                let nulls = position.map(|position| match self.rows.columns().get(position) {
                    Some(kept) => kept.null_count() as u64,
                    None => self.rows(),
                });
                Bounds { nulls, ..Bounds::default() }
            }
        }
    }
}

impl Bounds {
    fn between(min: ScalarValue, max: ScalarValue) -> Self {
        Self { min: Some(min), max: Some(max), nulls: Some(0), are_met: true }
    }

    /// As statistics that prune a file and nothing else: the bounds are true bounds, yet no row need have them.
    fn of_file(self) -> ColumnStatistics {
        let exact = |bound: Option<ScalarValue>| bound.map_or(Precision::Absent, Precision::Exact);
        ColumnStatistics {
            null_count: nulls(self.nulls),
            min_value: exact(self.min),
            max_value: exact(self.max),
            ..ColumnStatistics::new_unknown()
        }
    }
}

/// Whether the table log holds the bounds as they are. Of text it may have a part, and doubles and instants are widened;
/// what other programs write are bounds, and no more is known of them.
fn is_kept_whole(stats: &ColumnStats) -> bool {
    [&stats.min, &stats.max].into_iter().all(|bound| matches!(bound, Some(StatValue::Integer(_))))
}

/// A bound that a file's statistics give, in the type that SQL shows. n / 10^d grows with n, so the bounds of the
/// integers give those of the doubles. `widen` moves a bound that is a double itself by one step outwards.
fn shown_bound(bound: &StatValue, def: &TableDef, column: &Field, widen: fn(f64) -> f64) -> Option<ScalarValue> {
    let decimals = def.field(column.name()).and_then(|(_, field)| match field.kept() {
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

/// Many files or chunks, for one evaluation of a pruning predicate.
#[derive(Debug)]
pub struct Candidates<'a, T> {
    /// The table's declaration.
    pub def: &'a TableDef,
    /// The table's SQL schema.
    pub schema: &'a Schema,
    /// The files or chunks.
    pub all: &'a [Arc<T>],
}

impl<T: Bounded> Candidates<'_, T> {
    fn column(&self, column: &Column) -> Option<(&Field, impl Iterator<Item = Bounds>)> {
        let field = self.schema.field_with_name(column.name()).ok()?;
        Some((field, self.all.iter().map(|one| one.bounds(self.def, field))))
    }

    fn values(&self, column: &Column, of: fn(Bounds) -> Option<ScalarValue>) -> Option<ArrayRef> {
        let (field, bounds) = self.column(column)?;
        let unknown = ScalarValue::try_new_null(field.data_type()).ok()?;
        ScalarValue::iter_to_array(bounds.map(|bounds| of(bounds).unwrap_or_else(|| unknown.clone()))).ok()
    }
}

impl<T: Bounded> PruningStatistics for Candidates<'_, T> {
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

/// Statistics of one file with which the scan leaves it out when a filter that is made while the statement runs (that of
/// a join or a TOP-k) cannot match; `columns` are those of the file as SQL shows them, and only those of `wanted`
/// positions are filled in.
pub fn file_statistics(file: &DataFile, def: &TableDef, columns: &Schema, wanted: &[usize]) -> Statistics {
    let mut statistics = Statistics::new_unknown(columns);
    statistics.num_rows = Precision::Exact(usize_of(file.rows));
    for &position in wanted {
        statistics.column_statistics[position] = file.bounds(def, columns.field(position)).of_file();
    }
    statistics
}

/// Counts of rows and of nulls over all candidates, and the least and greatest values where those are known to be met by
/// rows; all exact.
pub fn counts<T: Bounded>(all: &[Arc<T>], def: &TableDef, columns: &Schema) -> Statistics {
    let mut statistics = Statistics::new_unknown(columns);
    statistics.num_rows = Precision::Exact(usize_of(all.iter().map(|one| one.rows()).sum()));
    for (column, field) in statistics.column_statistics.iter_mut().zip(columns.fields()) {
        let bounds: Vec<(u64, Bounds)> = all.iter().map(|one| (one.rows(), one.bounds(def, field))).collect();
        column.null_count = nulls(bounds.iter().map(|(_, bounds)| bounds.nulls).sum());
        if let Some((min, max)) = extremes(&bounds) {
            column.min_value = Precision::Exact(min);
            column.max_value = Precision::Exact(max);
        }
    }
    statistics
}

/// The least and the greatest value; none where they are not known, and where there is no value.
fn extremes(all: &[(u64, Bounds)]) -> Option<(ScalarValue, ScalarValue)> {
    let mut found: Option<(ScalarValue, ScalarValue)> = None;
    for (rows, bounds) in all {
        if bounds.nulls == Some(*rows) {
            continue;
        }
        let (Some(min), Some(max), true) = (&bounds.min, &bounds.max, bounds.are_met) else { return None };
        found = Some(match found {
            None => (min.clone(), max.clone()),
            Some((least, greatest)) => {
                (if *min < least { min.clone() } else { least }, if *max > greatest { max.clone() } else { greatest })
            }
        });
    }
    found
}

/// Sets what is known of the times of rows and of how many places there are.
pub fn add_times(statistics: &mut Statistics, position: usize, (first_us, last_us): (i64, i64)) {
    let column = &mut statistics.column_statistics[position];
    column.min_value = Precision::Exact(instant(first_us));
    column.max_value = Precision::Exact(instant(last_us));
}

fn nulls(count: Option<u64>) -> Precision<usize> {
    count.map_or(Precision::Absent, |count| Precision::Exact(usize_of(count)))
}

fn usize_of(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

const _: () = assert!(SQL_FIXED == 9 && LIVE_FIXED == 5 && live::TIME == 0, "columns are found by position");
