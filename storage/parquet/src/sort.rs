//! The order of rows in files: by zone, device and time, equal ones in the order of their arrival, split by date.
//!
//! Device keys are ranked once by (zone, device); rows are then arranged by counting, so that only a device's own rows
//! are compared, and those are in order already wherever a device sends in order. Time is linear in the rows for what
//! arrives in order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{TimestampMicrosecondType, UInt32Type};
use zonelake_schemas::columns::{LIVE_FIXED, live};
use zonelake_schemas::{DeviceKey, Location, Locations, OnRepeat};

use crate::column::text::NULL;
use crate::error::ParquetFileError;
use crate::origins::ChunkOrigins;
use crate::repeats::{RowAge, counting_rows};

/// Rows of one table in the order of files.
#[derive(Debug)]
pub struct SortedRows {
    /// The rows, in arrival order.
    pub(crate) chunks: Vec<RecordBatch>,
    /// The rows by date, zone, device, time and arrival.
    pub(crate) order: Vec<RowRef>,
    /// By chunk; empty where it is not known.
    pub(crate) origins: Vec<ChunkOrigins>,
    /// The part of `order` that each file has, by date, ascending; days since 1970. A date has one, until it is cut.
    pub(crate) dates: Vec<(i32, Range<usize>)>,
    /// Values of the location columns.
    pub(crate) locations: LocationColumns,
}

/// A row by chunk and position in it. Their order is the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct RowRef {
    pub chunk: u32,
    pub row: u32,
}

/// The four location columns as dictionaries.
#[derive(Debug)]
pub(crate) struct LocationColumns {
    pub province: LocationColumn,
    pub zone: LocationColumn,
    pub site: LocationColumn,
    pub device: LocationColumn,
}

/// One location column: its values, sorted, and which of them a device key has.
#[derive(Debug)]
pub(crate) struct LocationColumn {
    pub values: Arc<StringArray>,
    /// By device key: position in `values`, or [`NULL`].
    pub codes: Vec<i32>,
}

impl SortedRows {
    /// Sorts rows of the live schema.
    ///
    /// # Errors
    /// `UnknownDevice` where a row's device is not among the locations.
    pub fn new(chunks: Vec<RecordBatch>, locations: &Locations) -> Result<Self, ParquetFileError> {
        let used = UsedLocations::new(&chunks, locations)?;
        let columns = SortColumns::new(&chunks);
        let by_device = Ranks::new(&used).arrange(&columns);
        let (order, dates) = split_by_date(by_device, &columns);
        let locations = LocationColumns {
            province: LocationColumn::new(&used, |location| location.province.as_deref()),
            zone: LocationColumn::new(&used, |location| location.zone.as_deref()),
            site: LocationColumn::new(&used, |location| location.site.as_deref()),
            device: LocationColumn::new(&used, |location| location.device.as_deref()),
        };
        Ok(Self { chunks, order, origins: Vec::new(), dates, locations })
    }

    /// The rows with the records that they come from, one entry for each chunk, or none at all.
    ///
    /// # Panics
    /// Where the origins are those of other rows.
    pub fn with_origins(self, origins: Vec<ChunkOrigins>) -> Self {
        let rows = self.chunks.iter().map(RecordBatch::num_rows);
        assert!(
            origins.is_empty() || origins.iter().map(ChunkOrigins::rows).eq(rows),
            "every row of every chunk comes from a record"
        );
        Self { origins, ..self }
    }
}

impl SortedRows {
    /// The rows without those that cannot count any more, whatever repeats them elsewhere.
    pub(crate) fn without_repeats(self, on_repeat: OnRepeat) -> Self {
        if on_repeat.keeps_all() {
            return self;
        }
        let fields = LIVE_FIXED..self.chunks.iter().map(RecordBatch::num_columns).max().unwrap_or(LIVE_FIXED);
        let mut order = Vec::with_capacity(self.order.len());
        let mut dates = Vec::with_capacity(self.dates.len());
        let columns = SortColumns::new(&self.chunks);
        for (date, range) in &self.dates {
            let start = order.len();
            let is_repeat =
                |a: &RowRef, b: &RowRef| columns.time(*a) == columns.time(*b) && self.is_same_device(&columns, *a, *b);
            for run in self.order[range.clone()].chunk_by(is_repeat) {
                match run {
                    [one] => order.push(*one),
                    _ => self.push_counting(&mut order, run, &columns, on_repeat, &fields),
                }
            }
            dates.push((*date, start..order.len()));
        }
        Self { order, dates, ..self }
    }

    /// Whether two rows are of one zone and device.
    fn is_same_device(&self, columns: &SortColumns<'_>, a: RowRef, b: RowRef) -> bool {
        let LocationColumns { zone, device, .. } = &self.locations;
        let (a, b) = (columns.key(a), columns.key(b));
        a == b || (zone.codes[a], device.codes[a]) == (zone.codes[b], device.codes[b])
    }

    /// Adds the rows that count of those of one zone, device and time.
    fn push_counting(
        &self,
        order: &mut Vec<RowRef>,
        run: &[RowRef],
        columns: &SortColumns<'_>,
        on_repeat: OnRepeat,
        fields: &Range<usize>,
    ) {
        let mut rows: Vec<(i32, RowAge, usize)> = run
            .iter()
            .enumerate()
            .map(|(at, row)| (self.locations.province.codes[columns.key(*row)], self.age(*row), at))
            .collect();
        rows.sort_unstable();
        let is_set = |at: usize, field: usize| {
            let RowRef { chunk, row } = run[at];
            let column = self.chunks[chunk as usize].columns().get(field);
            column.is_some_and(|column| column.is_valid(row as usize))
        };
        for key in rows.chunk_by(|a, b| a.0 == b.0) {
            let oldest_first: Vec<usize> = key.iter().map(|(_, _, at)| *at).collect();
            let counting = counting_rows(on_repeat, &oldest_first, fields.clone(), is_set);
            order.extend(counting.into_iter().map(|at| run[at]));
        }
    }

    fn age(&self, row: RowRef) -> RowAge {
        let identity = self.origins.get(row.chunk as usize).map(|chunk| {
            let (record, place) = chunk.of_row(row.row);
            let signed = |number: u64| number.cast_signed();
            (signed(record.sequence.0), signed(chunk.shard().0), signed(record.lsn.0), i64::from(place))
        });
        let received = self.chunks[row.chunk as usize].column(live::INGESTED_AT);
        let ingested_at_us = received.as_primitive::<TimestampMicrosecondType>().value(row.row as usize);
        RowAge { identity, ingested_at_us }
    }
}

/// The locations that rows refer to, with their keys, by zone and device; nulls first.
struct UsedLocations<'a> {
    by_name: Vec<(usize, &'a Location)>,
    /// Every key is below it.
    keys: usize,
}

/// The location of key 0.
static NOWHERE: Location = Location { province: None, zone: None, site: None, device: None };

impl<'a> UsedLocations<'a> {
    fn new(chunks: &[RecordBatch], locations: &'a Locations) -> Result<Self, ParquetFileError> {
        let mut is_used = vec![false; locations.len() + 1];
        for chunk in chunks {
            for &key in chunk.column(live::DEVICE_KEY).as_primitive::<UInt32Type>().values() {
                match is_used.get_mut(key as usize) {
                    Some(slot) => *slot = true,
                    None => return Err(ParquetFileError::UnknownDevice { key: DeviceKey(key) }),
                }
            }
        }
        let keys = is_used.len();
        let used = (0..).zip(is_used).filter(|(_, is_used)| *is_used);
        // Key 0 is no place: rows of the server itself, as of the table of audit.
        let located = used.map(|(key, _)| (key as usize, locations.get(DeviceKey(key)).map_or(&NOWHERE, |at| &**at)));
        // The names themselves are sorted, not what refers to them: with many devices each comparison would miss the
        // cache.
        let mut named: Vec<_> = located
            .map(|(key, location)| (location.zone.as_deref(), location.device.as_deref(), key, location))
            .collect();
        named.sort_by_key(|&(zone, device, ..)| (zone, device));
        Ok(Self { by_name: named.into_iter().map(|(.., key, location)| (key, location)).collect(), keys })
    }
}

impl LocationColumn {
    fn new(used: &UsedLocations<'_>, part: impl Fn(&Location) -> Option<&str>) -> Self {
        let mut named: Vec<(&str, usize)> =
            used.by_name.iter().filter_map(|&(key, location)| Some((part(location)?, key))).collect();
        // In order within each zone already, which this sort makes use of.
        named.sort_by_key(|&(text, _)| text);
        let mut codes = vec![NULL; used.keys];
        let mut values = Vec::new();
        for run in named.chunk_by(|(a, _), (b, _)| a == b) {
            let code =
                i32::try_from(values.len()).expect("device keys have 32 bits, and one in two of them never exists");
            values.push(run[0].0);
            run.iter().for_each(|&(_, key)| codes[key] = code);
        }
        Self { values: Arc::new(StringArray::from(values)), codes }
    }
}

/// The columns that decide the order, by chunk.
struct SortColumns<'a> {
    times: Vec<&'a [i64]>,
    keys: Vec<&'a [u32]>,
}

impl<'a> SortColumns<'a> {
    fn new(chunks: &'a [RecordBatch]) -> Self {
        let times =
            |chunk: &'a RecordBatch| &chunk.column(live::TIME).as_primitive::<TimestampMicrosecondType>().values()[..];
        let keys = |chunk: &'a RecordBatch| &chunk.column(live::DEVICE_KEY).as_primitive::<UInt32Type>().values()[..];
        Self { times: chunks.iter().map(times).collect(), keys: chunks.iter().map(keys).collect() }
    }

    fn time(&self, at: RowRef) -> i64 {
        self.times[at.chunk as usize][at.row as usize]
    }

    fn key(&self, at: RowRef) -> usize {
        self.keys[at.chunk as usize][at.row as usize] as usize
    }

    fn rows(&self) -> usize {
        self.times.iter().map(|times| times.len()).sum()
    }

    fn date(&self, at: RowRef) -> i32 {
        let days = self.time(at).div_euclid(DAY_US);
        i32::try_from(days).expect("64 bits of microseconds are at most 107 million days")
    }
}

/// Ranks of device keys by (zone, device), nulls first. Keys of one device at several sites share a rank.
struct Ranks {
    by_key: Vec<u32>,
    count: usize,
}

impl Ranks {
    fn new(used: &UsedLocations<'_>) -> Self {
        let mut by_key = vec![0; used.keys];
        let mut count = 0;
        for run in used.by_name.chunk_by(|(_, a), (_, b)| (&a.zone, &a.device) == (&b.zone, &b.device)) {
            for (key, _) in run {
                by_key[*key] = count;
            }
            count += 1;
        }
        Self { by_key, count: count as usize }
    }

    /// All rows by rank, time and arrival.
    fn arrange(&self, columns: &SortColumns<'_>) -> Vec<RowRef> {
        let mut next = vec![0usize; self.count];
        for &key in columns.keys.iter().copied().flatten() {
            next[self.by_key[key as usize] as usize] += 1;
        }
        let mut start = 0;
        for slot in &mut next {
            start += std::mem::replace(slot, start);
        }
        let mut rows = vec![RowRef::default(); columns.rows()];
        for (chunk, keys) in (0..).zip(&columns.keys) {
            for (row, &key) in (0..).zip(*keys) {
                let slot = &mut next[self.by_key[key as usize] as usize];
                rows[*slot] = RowRef { chunk, row };
                *slot += 1;
            }
        }
        // Each slot has moved to the end of its rank.
        let mut start = 0;
        let mut timed = Vec::new();
        for end in next {
            sort_by_time(&mut rows[start..end], columns, &mut timed);
            start = end;
        }
        rows
    }
}

/// Sorts the rows of one rank, which are in arrival order, by time.
fn sort_by_time(rows: &mut [RowRef], columns: &SortColumns<'_>, timed: &mut Vec<(i64, RowRef)>) {
    if rows.is_sorted_by_key(|&row| columns.time(row)) {
        return;
    }
    timed.clear();
    timed.extend(rows.iter().map(|&row| (columns.time(row), row)));
    // A row's reference is unique and grows with arrival: this order is the stable one.
    timed.sort_unstable();
    for (row, (_, sorted)) in rows.iter_mut().zip(timed) {
        *row = *sorted;
    }
}

/// Brings rows into the order of their dates and keeps their order within a date.
fn split_by_date(rows: Vec<RowRef>, columns: &SortColumns<'_>) -> (Vec<RowRef>, Vec<(i32, Range<usize>)>) {
    // A device's rows follow each other in time, so that the date rarely differs from the one before.
    let mut runs: Vec<(i32, Range<usize>)> = Vec::new();
    for (position, &row) in rows.iter().enumerate() {
        let date = columns.date(row);
        match runs.last_mut() {
            Some((last, range)) if *last == date => range.end = position + 1,
            _ => runs.push((date, position..position + 1)),
        }
    }
    let mut lengths: BTreeMap<i32, usize> = BTreeMap::new();
    for (date, run) in &runs {
        *lengths.entry(*date).or_default() += run.len();
    }
    let mut dates = Vec::with_capacity(lengths.len());
    let mut end = 0;
    for (date, rows) in lengths {
        dates.push((date, end..end + rows));
        end += rows;
    }
    if dates.len() <= 1 {
        return (rows, dates);
    }
    let mut next: BTreeMap<i32, usize> = dates.iter().map(|(date, range)| (*date, range.start)).collect();
    let mut order = vec![RowRef::default(); rows.len()];
    for (date, run) in runs {
        let start = next.get_mut(&date).expect("every date has been counted");
        order[*start..*start + run.len()].copy_from_slice(&rows[run.clone()]);
        *start += run.len();
    }
    (order, dates)
}

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, BooleanArray, TimestampMicrosecondArray, UInt8Array, UInt32Array};
    use arrow::datatypes::Schema;
    use proptest::prelude::*;

    use super::*;

    fn location(zone: Option<&str>, device: Option<&str>) -> Arc<Location> {
        Arc::new(Location { zone: zone.map(Into::into), device: device.map(Into::into), ..Location::default() })
    }

    fn locations() -> Locations {
        Locations::new(vec![
            location(Some("b"), Some("x")),
            location(Some("a"), Some("y")),
            location(Some("a"), None),
            location(None, None),
            location(Some("b"), Some("x")),
        ])
    }

    fn chunk(rows: &[(u32, i64)]) -> RecordBatch {
        let def = zonelake_schemas::TableDef {
            name: "t".into(),
            description: String::new(),
            rights_by: Vec::new(),
            on_repeat: OnRepeat::KeepAll,
            fields: Vec::new(),
        };
        let schema: Arc<Schema> = zonelake_schemas::TableSchemas::new(&def).live;
        let times = || TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.1)).with_timezone("UTC");
        let columns: Vec<ArrayRef> = vec![
            Arc::new(times()),
            Arc::new(times()),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(UInt8Array::from(vec![0; rows.len()])),
            Arc::new(BooleanArray::from(vec![false; rows.len()])),
        ];
        RecordBatch::try_new(schema, columns).unwrap()
    }

    #[test]
    fn an_unknown_device_is_an_error() {
        let error = SortedRows::new(vec![chunk(&[(1, 5), (6, 6)])], &locations()).unwrap_err();
        assert!(matches!(error, ParquetFileError::UnknownDevice { key: DeviceKey(6) }), "{error}");
    }

    #[test]
    fn rows_of_no_place_stand_in_front_of_all_others() {
        let sorted = SortedRows::new(vec![chunk(&[(2, 1), (0, 7), (0, 3)])], &locations()).unwrap();
        let rows: Vec<u32> = sorted.order.iter().map(|row| row.row).collect();
        assert_eq!(rows, [2, 1, 0]);
        assert_eq!((sorted.locations.zone.codes[0], sorted.locations.device.codes[0]), (-1, -1));
    }

    #[test]
    fn a_device_that_has_moved_keeps_one_line_of_time() {
        let sorted =
            SortedRows::new(vec![chunk(&[(5, 3), (1, 1), (4, 9), (5, 0), (2, 7), (3, 7)])], &locations()).unwrap();
        let rows: Vec<u32> = sorted.order.iter().map(|row| row.row).collect();
        assert_eq!(rows, [2, 5, 4, 3, 1, 0]);
        assert_eq!(sorted.locations.device.codes, [-1, 0, 1, -1, -1, 0]);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_a_plain_stable_sort(
            chunks in prop::collection::vec(prop::collection::vec((1u32..=5, -3i64..12), 0..40), 0..6),
            unit in prop::sample::select(vec![1i64, DAY_US / 3]),
        ) {
            let locations = locations();
            let mut plain = Vec::new();
            for (c, rows) in (0..).zip(&chunks) {
                for (r, &(key, time)) in (0..).zip(rows) {
                    let location = locations.get(DeviceKey(key)).unwrap();
                    let time = time * unit;
                    plain.push((time.div_euclid(DAY_US), location.zone.clone(), location.device.clone(), time, RowRef { chunk: c, row: r }));
                }
            }
            plain.sort();
            let batches = chunks.iter().map(|rows| chunk(&rows.iter().map(|&(key, t)| (key, t * unit)).collect::<Vec<_>>()));
            let sorted = SortedRows::new(batches.collect(), &locations).unwrap();
            let expected: Vec<_> = plain.iter().map(|row| row.4).collect();
            prop_assert_eq!(&sorted.order, &expected);
            let dates: Vec<i64> = sorted.dates.iter().flat_map(|(date, range)| range.clone().map(|_| i64::from(*date))).collect();
            prop_assert_eq!(dates, plain.iter().map(|row| row.0).collect::<Vec<_>>());
        }
    }
}
