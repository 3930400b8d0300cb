//! What is known of places, as columns of rows.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatchOptions, StringViewArray};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use zonelake_schemas::columns::{LIVE_FIXED, timestamp};
use zonelake_schemas::decimal::{POWERS, to_f64};
use zonelake_schemas::{TableDef, TableSchemas};
use zonelake_storage::{Bucket, Cell, Moments, NumberKind, Numbers, Sample, WindowKey, WindowLayout};

use crate::last::columns::instants;

/// Buckets by their beginning and their place.
pub(crate) type Buckets = BTreeMap<(i64, u32), Bucket>;

/// A field of numbers that a role sees.
#[derive(Debug, Clone)]
pub(crate) struct WindowField {
    /// Name.
    pub name: String,
    /// Position in the table.
    pub field: usize,
    /// Digits behind the point of what is stored as an integer; none for doubles.
    pub decimals: Option<u8>,
    /// True where SQL shows integers.
    is_whole: bool,
}

/// Columns of the windows of a table, as a role sees them.
#[derive(Debug)]
pub(crate) struct WindowColumns {
    pub(crate) layout: Arc<WindowLayout>,
    pub(crate) fields: Vec<WindowField>,
    /// Columns of `rights_by`.
    pub(crate) by: Vec<String>,
    schema: SchemaRef,
    sources: Vec<Source>,
}

/// Source of a column.
#[derive(Debug, Clone, Copy)]
enum Source {
    Province,
    Zone,
    By(usize),
    Time,
    GoodRows,
    UncertainRows,
    BadRows,
    /// Of a field, by its position among those of the columns.
    Of(usize, Stat),
}

/// What is known of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stat {
    Count,
    Uncertain,
    Bad,
    Sum,
    SumSquares,
    Min,
    Max,
    First,
    FirstTime,
    Last,
    LastTime,
    Mean,
    Deviation,
}

impl WindowColumns {
    /// Columns of a table of which a role sees the columns in `seen`, under the types that they have for it.
    pub(crate) fn new(def: &TableDef, schemas: &TableSchemas, seen: &Schema) -> Self {
        let layout = Arc::new(WindowLayout::new(def, schemas));
        let field = |(position, field): (usize, &FieldRef)| {
            let kind = layout.kind(position)?;
            // A role that sees hashes of a field sees texts, and no moments.
            let shown = seen.field_with_name(field.name()).ok().filter(|shown| shown.data_type().is_numeric())?;
            let decimals = match field.data_type() {
                DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => u8::try_from(*scale).ok(),
                _ => (kind == NumberKind::Integer).then_some(0),
            };
            let is_whole = shown.data_type().is_integer();
            Some((WindowField { name: field.name().clone(), field: position, decimals, is_whole }, shown.clone()))
        };
        let seen_fields: Vec<(WindowField, Field)> =
            schemas.live.fields().iter().skip(LIVE_FIXED).enumerate().filter_map(field).collect();
        let by = def.rights_by.clone();
        let (sources, columns) = columns(&by, &seen_fields);
        let fields = seen_fields.into_iter().map(|(field, _)| field).collect();
        Self { layout, fields, by, schema: Arc::new(Schema::new(columns)), sources }
    }

    /// All columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Positions of the columns of the chosen fields, behind those of the place and its rows; of all fields that `known` says to have
    /// values where none is chosen. The error is the name of a field that there is not.
    pub(crate) fn positions(&self, chosen: &[String], known: impl Fn(usize) -> bool) -> Result<Vec<usize>, String> {
        let unknown = |name: &&String| !self.fields.iter().any(|field| field.name == **name);
        if let Some(name) = chosen.iter().find(unknown) {
            return Err(name.clone());
        }
        let is_wanted = |field: &WindowField| match chosen {
            [] => known(field.field),
            chosen => chosen.contains(&field.name),
        };
        let positions = self.sources.iter().enumerate().filter(|(_, source)| match source {
            Source::Of(at, _) => is_wanted(&self.fields[*at]),
            _ => true,
        });
        Ok(positions.map(|(position, _)| position).collect())
    }

    /// Buckets as rows with the columns at the positions of `projection`.
    pub(crate) fn rows(
        &self,
        buckets: &Buckets,
        keys: &[Arc<WindowKey>],
        projection: &[usize],
    ) -> Result<RecordBatch, ArrowError> {
        let schema = Arc::new(self.schema.project(projection)?);
        let columns = projection.iter().map(|&position| self.column(self.sources[position], buckets, keys));
        let options = RecordBatchOptions::new().with_row_count(Some(buckets.len()));
        RecordBatch::try_new_with_options(schema, columns.collect::<Result<_, _>>()?, &options)
    }

    fn column(&self, source: Source, buckets: &Buckets, keys: &[Arc<WindowKey>]) -> Result<ArrayRef, ArrowError> {
        let places = || buckets.keys().map(|(_, group)| keys[*group as usize].as_ref());
        let texts = |values: &mut dyn Iterator<Item = Option<&str>>| -> ArrayRef {
            Arc::new(values.collect::<StringViewArray>())
        };
        let counts = |of: fn(&Bucket) -> u64| integers(buckets.values().map(|bucket| Some(of(bucket))));
        Ok(match source {
            Source::Province => texts(&mut places().map(|place| place.province.as_deref())),
            Source::Zone => texts(&mut places().map(|place| place.zone.as_deref())),
            Source::By(at) => texts(&mut places().map(|place| place.by.get(at)?.as_deref())),
            Source::Time => instants(buckets.keys().map(|(begin_us, _)| Some(*begin_us))),
            Source::GoodRows => counts(|bucket| bucket.rows.good),
            Source::UncertainRows => counts(|bucket| bucket.rows.uncertain),
            Source::BadRows => counts(|bucket| bucket.rows.bad),
            Source::Of(at, stat) => {
                let field = &self.fields[at];
                let number = u16::try_from(field.field).map_err(|error| ArrowError::SchemaError(error.to_string()))?;
                let cells: Vec<Option<&Cell>> = buckets.values().map(|bucket| bucket.field(number)).collect();
                field.column(stat, &cells)?
            }
        })
    }
}

impl WindowField {
    fn column(&self, stat: Stat, cells: &[Option<&Cell>]) -> Result<ArrayRef, ArrowError> {
        let cells = || cells.iter().copied();
        let count_of = |of: fn(&Cell) -> u64| integers(cells().map(|cell| Some(cell.map_or(0, of))));
        Ok(match stat {
            Stat::Count => count_of(count),
            Stat::Uncertain => count_of(|cell| cell.uncertain.into()),
            Stat::Bad => count_of(|cell| cell.bad.into()),
            Stat::Sum => match self.decimals {
                Some(decimals) => {
                    let sums = cells().map(|cell| match &cell?.numbers {
                        Numbers::Integer(of) if of.count > 0 => Some(of.sum),
                        _ => None,
                    });
                    let sums = sums.collect::<Decimal128Array>();
                    Arc::new(sums.with_precision_and_scale(DECIMAL128_MAX_PRECISION, decimals.cast_signed())?)
                }
                None => self.doubles(cells(), |of| Some(of.sum.value()), |_, _| None),
            },
            Stat::SumSquares => self.doubles(
                cells(),
                |of| Some(of.squares.value()),
                |of, decimals| (of.squares < i128::MAX).then(|| of.squares as f64 / power(decimals) / power(decimals)),
            ),
            Stat::Min => self.values(cells(), |of| of.min, |of| of.min),
            Stat::Max => self.values(cells(), |of| of.max, |of| of.max),
            Stat::First => self.values(cells(), |of| of.first.1, |of| of.first.1),
            Stat::Last => self.values(cells(), |of| of.last.1, |of| of.last.1),
            Stat::FirstTime => times(cells(), |of| of.first.0, |of| of.first.0),
            Stat::LastTime => times(cells(), |of| of.last.0, |of| of.last.0),
            Stat::Mean => self.doubles(
                cells(),
                |of| Some(of.sum.value() / of.count as f64),
                |of, decimals| Some(of.sum as f64 / power(decimals) / of.count as f64),
            ),
            Stat::Deviation => self.doubles(cells(), deviation_of_doubles, deviation_of_integers),
        })
    }

    /// A value in the type that SQL has for the field.
    fn values<'a>(
        &self,
        cells: impl Iterator<Item = Option<&'a Cell>>,
        double: fn(&Moments<f64>) -> f64,
        integer: fn(&Moments<i64>) -> i64,
    ) -> ArrayRef {
        if self.is_whole {
            let whole = |cell: Option<&Cell>| match &cell?.numbers {
                Numbers::Integer(of) if of.count > 0 => Some(integer(of)),
                _ => None,
            };
            return Arc::new(cells.map(whole).collect::<Int64Array>());
        }
        self.doubles(cells, |of| Some(double(of)), |of, decimals| Some(to_f64(integer(of), decimals)))
    }

    fn doubles<'a>(
        &self,
        cells: impl Iterator<Item = Option<&'a Cell>>,
        double: impl Fn(&Moments<f64>) -> Option<f64>,
        integer: impl Fn(&Moments<i64>, u8) -> Option<f64>,
    ) -> ArrayRef {
        let decimals = self.decimals.unwrap_or_default();
        let value = |cell: Option<&Cell>| match &cell?.numbers {
            Numbers::Double(of) if of.count > 0 => double(of),
            Numbers::Integer(of) if of.count > 0 => integer(of, decimals),
            _ => None,
        };
        // A sum beyond all doubles is not known.
        Arc::new(cells.map(|cell| value(cell).filter(|value| value.is_finite())).collect::<Float64Array>())
    }
}

/// Values of good rows.
fn count(cell: &Cell) -> u64 {
    match &cell.numbers {
        Numbers::Integer(of) => of.count,
        Numbers::Double(of) => of.count,
    }
}

fn times<'a>(
    cells: impl Iterator<Item = Option<&'a Cell>>,
    double: fn(&Moments<f64>) -> i64,
    integer: fn(&Moments<i64>) -> i64,
) -> ArrayRef {
    instants(cells.map(|cell| match &cell?.numbers {
        Numbers::Double(of) => time_of(of, double),
        Numbers::Integer(of) => time_of(of, integer),
    }))
}

fn time_of<V: Sample>(of: &Moments<V>, time: fn(&Moments<V>) -> i64) -> Option<i64> {
    (of.count > 0).then(|| time(of))
}

fn deviation_of_doubles(of: &Moments<f64>) -> Option<f64> {
    let (count, sum) = (of.count as f64, of.sum.value());
    let variance = (of.squares.value() - sum * sum / count) / (count - 1.0);
    (of.count > 1).then(|| variance.max(0.0).sqrt())
}

/// The difference is exact as long as it fits 38 digits.
fn deviation_of_integers(of: &Moments<i64>, decimals: u8) -> Option<f64> {
    if of.count < 2 || of.squares == i128::MAX {
        return None;
    }
    let count = i128::from(of.count);
    let exact = || of.squares.checked_mul(count)?.checked_sub(of.sum.checked_mul(of.sum)?);
    let scaled = exact().map_or_else(
        || of.squares as f64 * count as f64 - of.sum as f64 * of.sum as f64,
        |difference| difference as f64,
    );
    let variance = scaled.max(0.0) / (of.count as f64 * (of.count - 1) as f64);
    Some(variance.sqrt() / power(decimals))
}

fn power(decimals: u8) -> f64 {
    POWERS[usize::from(decimals)]
}

fn integers(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    Arc::new(values.map(|value| i64::try_from(value?).ok()).collect::<Int64Array>())
}

/// Columns of a place, its rows, and for each field what is known of it.
fn columns(by: &[String], fields: &[(WindowField, Field)]) -> (Vec<Source>, Vec<FieldRef>) {
    let mut names = HashSet::new();
    let (mut sources, mut columns) = (Vec::new(), Vec::new());
    let mut add = |source: Source, name: String, data_type: DataType, unit: Option<&String>| {
        let mut name = name;
        // A field may have that name itself.
        while !names.insert(name.clone()) {
            name.push('_');
        }
        let column = Field::new(name, data_type, true);
        let unit = unit.map(|unit| ("unit".to_owned(), unit.clone()));
        sources.push(source);
        columns.push(Arc::new(column.with_metadata(unit.into_iter().collect())));
    };
    add(Source::Province, "province".into(), DataType::Utf8View, None);
    add(Source::Zone, "zone".into(), DataType::Utf8View, None);
    for (at, name) in by.iter().enumerate() {
        add(Source::By(at), name.clone(), DataType::Utf8View, None);
    }
    add(Source::Time, "time".into(), timestamp(), None);
    for (source, name) in
        [(Source::GoodRows, "good_rows"), (Source::UncertainRows, "uncertain_rows"), (Source::BadRows, "bad_rows")]
    {
        add(source, name.into(), DataType::Int64, None);
    }
    for (at, (field, shown)) in fields.iter().enumerate() {
        for (stat, suffix) in STATS {
            let data_type = match stat {
                Stat::Count | Stat::Uncertain | Stat::Bad => DataType::Int64,
                Stat::Sum => match field.decimals {
                    Some(decimals) => DataType::Decimal128(DECIMAL128_MAX_PRECISION, decimals.cast_signed()),
                    None => DataType::Float64,
                },
                Stat::SumSquares | Stat::Mean | Stat::Deviation => DataType::Float64,
                Stat::Min | Stat::Max | Stat::First | Stat::Last => shown.data_type().clone(),
                Stat::FirstTime | Stat::LastTime => timestamp(),
            };
            let has_unit = !matches!(
                stat,
                Stat::Count | Stat::Uncertain | Stat::Bad | Stat::SumSquares | Stat::FirstTime | Stat::LastTime
            );
            let unit = shown.metadata().get("unit").filter(|_| has_unit);
            add(Source::Of(at, stat), format!("{}_{suffix}", field.name), data_type, unit);
        }
    }
    (sources, columns)
}

/// What is known of a field, and how its columns end.
const STATS: [(Stat, &str); 13] = [
    (Stat::Count, "count"),
    (Stat::Uncertain, "uncertain"),
    (Stat::Bad, "bad"),
    (Stat::Sum, "sum"),
    (Stat::SumSquares, "sum_squares"),
    (Stat::Min, "min"),
    (Stat::Max, "max"),
    (Stat::First, "first"),
    (Stat::FirstTime, "first_time"),
    (Stat::Last, "last"),
    (Stat::LastTime, "last_time"),
    (Stat::Mean, "avg"),
    (Stat::Deviation, "stddev"),
];
