//! Files whose rows may repeat those of other files or live rows. A file by itself has each key once: flushes and merges see to it. So
//! what does not overlap in time, zone and device with anything else is scanned as ever, by statistics, filters and limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use zonelake_parquet::DataFile;
use zonelake_schemas::OnRepeat;
use zonelake_schemas::columns::live;
use zonelake_storage::{Chunk, may_share_keys, times_us};

use crate::scan::live_columns::date_of;

/// Files and chunks of which one row of each key is chosen.
#[derive(Debug, Default)]
pub(crate) struct Overlap {
    /// Files.
    pub files: Vec<Arc<DataFile>>,
    /// Live chunks.
    pub chunks: Vec<Arc<Chunk>>,
}

/// A table by the way in which its rows are read.
#[derive(Debug, Default)]
pub(crate) struct Split {
    /// Files of which each row is a row of the table.
    pub alone: Vec<Arc<DataFile>>,
    /// Others; no two of these have a key in common.
    pub overlaps: Vec<Overlap>,
}

impl Split {
    /// Splits the files and live rows of a table into at most `overlaps_max` overlaps, and the rest.
    pub(crate) fn new(
        on_repeat: OnRepeat,
        files: Vec<Arc<DataFile>>,
        chunks: Vec<Arc<Chunk>>,
        overlaps_max: usize,
    ) -> Self {
        let live = times_by_date(&chunks);
        let mut by_date: BTreeMap<i32, Vec<Arc<DataFile>>> = BTreeMap::new();
        for file in files {
            by_date.entry(file.date).or_default().push(file);
        }
        let mut split = Self::default();
        // Equal keys have equal times, and so dates.
        let mut of_live = Overlap { files: Vec::new(), chunks };
        let mut of_dates = Vec::new();
        for (date, files) in by_date {
            let mut shares = may_share_keys(&files);
            let live_times = live.get(&date);
            for (file, shares) in files.iter().zip(&mut shares) {
                // Files of `merge` may have several rows of a key, and those of another program may have anything.
                let is_unknown = on_repeat == OnRepeat::Merge || file.checksum.is_none();
                *shares |= is_unknown || live_times.is_some_and(|times| meets(file, *times));
            }
            let (shared, alone): (Vec<_>, Vec<_>) = files.into_iter().zip(shares).partition(|(_, shares)| *shares);
            split.alone.extend(alone.into_iter().map(|(file, _)| file));
            let shared: Vec<_> = shared.into_iter().map(|(file, _)| file).collect();
            match live.contains_key(&date) {
                true => of_live.files.extend(shared),
                false if shared.is_empty() => {}
                false => of_dates.push(shared),
            }
        }
        if !of_live.chunks.is_empty() {
            split.overlaps.push(of_live);
        }
        let share = of_dates.len().div_ceil(overlaps_max.max(1)).max(1);
        for dates in of_dates.chunks(share) {
            split.overlaps.push(Overlap { files: dates.concat(), chunks: Vec::new() });
        }
        split
    }
}

/// First and last time of the live rows of each date.
fn times_by_date(chunks: &[Arc<Chunk>]) -> BTreeMap<i32, (i64, i64)> {
    let mut by_date: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
    let mut add = |first: i64, last: i64| {
        let times = by_date.entry(date_of(first)).or_insert((first, last));
        *times = (times.0.min(first), times.1.max(last));
    };
    for chunk in chunks {
        let (first, last) = chunk.time_us;
        if date_of(first) == date_of(last) {
            add(first, last);
            continue;
        }
        // A late row among new ones does not bring all days in between with it.
        let times = chunk.rows.column(live::TIME).as_primitive::<TimestampMicrosecondType>();
        times.values().iter().for_each(|&time| add(time, time));
    }
    by_date
}

/// Whether a file has rows of these times, or may have.
fn meets(file: &DataFile, (first, last): (i64, i64)) -> bool {
    times_us(file).is_none_or(|times| times.0 <= last && first <= times.1)
}

#[cfg(test)]
mod tests {
    use zonelake_parquet::{ColumnStats, StatValue};

    use super::*;
    use crate::scan::live_columns::DAY_US;

    fn file(name: &str, (first, last): (i64, i64), devices: Option<(&str, &str)>) -> Arc<DataFile> {
        let integer = |us| Some(StatValue::Integer(us));
        let text = |text: &str| Some(StatValue::Text(text.to_owned()));
        let mut stats =
            BTreeMap::from([("time".to_owned(), ColumnStats { min: integer(first), max: integer(last), nulls: 0 })]);
        if let Some((min, max)) = devices {
            stats.insert("device".to_owned(), ColumnStats { min: text(min), max: text(max), nulls: 0 });
        }
        let date = date_of(first);
        Arc::new(DataFile { path: name.into(), bytes: 1, rows: 1, date, stats, checksum: Some(1) })
    }

    fn names(files: &[Arc<DataFile>]) -> Vec<&str> {
        files.iter().map(|file| file.path.as_str()).collect()
    }

    fn split(on_repeat: OnRepeat, files: Vec<Arc<DataFile>>) -> Split {
        Split::new(on_repeat, files, Vec::new(), 2)
    }

    #[test]
    fn files_that_share_neither_time_nor_device_are_read_alone() {
        let files = vec![
            file("a", (0, 10), None),
            file("b", (11, 20), Some(("d1", "d3"))),
            file("c", (15, 30), Some(("d4", "d9"))),
            file("d", (31, 40), Some(("d1", "d5"))),
            file("e", (40, 41), Some(("d5", "d6"))),
            file("next day", (DAY_US, DAY_US + 5), None),
        ];
        let split = split(OnRepeat::LastWins, files);
        assert_eq!(names(&split.alone), ["a", "b", "c", "next day"]);
        assert_eq!(split.overlaps.len(), 1);
        assert_eq!(names(&split.overlaps[0].files), ["d", "e"]);
    }

    #[test]
    fn a_file_within_a_long_one_and_one_behind_it_are_both_found() {
        let files = vec![file("long", (0, 100), None), file("short", (5, 6), None), file("late", (90, 120), None)];
        let split = split(OnRepeat::FirstWins, files);
        assert!(split.alone.is_empty());
        assert_eq!(names(&split.overlaps[0].files), ["long", "short", "late"]);
    }

    #[test]
    fn files_that_may_repeat_themselves_are_never_read_alone_and_overlaps_are_few() {
        let of_day = |day: i64| file("f", (day * DAY_US, day * DAY_US + 5), None);
        let merged = split(OnRepeat::Merge, (0..5).map(of_day).collect());
        assert!(merged.alone.is_empty());
        assert_eq!(merged.overlaps.iter().map(|overlap| overlap.files.len()).collect::<Vec<_>>(), [3, 2]);
        let foreign = Arc::new(DataFile { checksum: None, ..DataFile::clone(&of_day(0)) });
        assert_eq!(split(OnRepeat::LastWins, vec![foreign, of_day(1)]).alone.len(), 1);
    }
}
