//! The files that are merged next.
//!
//! Files of a date fall into classes by size: up to the target divided by 8, 64, 512 and so on. Where a class has more than
//! [`CompactionOptions::files_max`] files, they become one, which is of the next class as a rule. A row is hence rewritten about once for each class, and
//! a date has at most `files_max` files of each class beside those that have reached the target.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_parquet::{DataFile, StatValue};

use crate::compact::options::CompactionOptions;
use crate::table::overlaps::may_share_keys;

/// Size class of a file; `None` for one that has reached the target.
fn class(bytes: u64, target_bytes: u64) -> Option<u32> {
    let mut bound = target_bytes;
    if bytes >= bound {
        return None;
    }
    let mut class = 0;
    while class < CLASSES - 1 && bytes < bound / CLASS_FACTOR {
        bound /= CLASS_FACTOR;
        class += 1;
    }
    Some(class)
}

/// Files that stand in classes with too many of them.
pub(crate) fn backlog(files: &[Arc<DataFile>], options: &CompactionOptions) -> usize {
    classes(files, options)
        .into_values()
        .map(|positions| positions.len())
        .filter(|&files| files > options.files_max.max(1))
        .sum()
}

/// Positions of the files by date and class, those aside that have reached the target.
fn classes(files: &[Arc<DataFile>], options: &CompactionOptions) -> BTreeMap<(i32, u32), Vec<usize>> {
    let mut classes: BTreeMap<(i32, u32), Vec<usize>> = BTreeMap::new();
    for (position, file) in files.iter().enumerate() {
        if let Some(class) = class(file.bytes, options.target_bytes) {
            classes.entry((file.date, class)).or_default().push(position);
        }
    }
    classes
}

/// The files of one date that are merged next, oldest first; `None` where the table is in order. `row_group_rows_max` is that of the files.
pub(crate) fn next_merge(
    files: &[Arc<DataFile>],
    options: &CompactionOptions,
    row_group_rows_max: usize,
) -> Option<Vec<Arc<DataFile>>> {
    // The fullest first: it costs the statements most.
    let (_, mut chosen) = classes(files, options)
        .into_iter()
        .filter(|(_, positions)| positions.len() > options.files_max.max(1))
        .max_by_key(|(_, positions)| positions.len())?;
    // Neighbours in time, so that what they become overlaps others as little as they did.
    chosen.sort_by_key(|&position| (first_time(&files[position]), position));
    let (mut bytes, mut memory) = (0, 0);
    let mut fits = |position: &usize| {
        let file = &files[*position];
        bytes += file.bytes;
        memory += row_group_bytes(file, row_group_rows_max);
        bytes <= options.target_bytes.saturating_mul(2) && memory <= options.memory_bytes_max as u64 / 4
    };
    let fitting = chosen.iter().take(INPUTS_MAX).take_while(|position| fits(position)).count();
    // Two make progress, whatever they take; more only within the budget.
    chosen.truncate(fitting.max(2));
    // Equal rows keep the order in which their files came.
    chosen.sort_unstable();
    Some(chosen.into_iter().map(|position| Arc::clone(&files[position])).collect())
}

/// Files of one date, oldest first, that may have rows of one key in common, for a table in which these are one row. `is_due` says for
/// which dates; `None` where there are no such files.
pub(crate) fn next_repeats(
    files: &[Arc<DataFile>],
    options: &CompactionOptions,
    row_group_rows_max: usize,
    is_due: impl Fn(i32) -> bool,
) -> Option<Vec<Arc<DataFile>>> {
    let mut by_date: BTreeMap<i32, Vec<Arc<DataFile>>> = BTreeMap::new();
    for file in files.iter().filter(|file| is_due(file.date)) {
        by_date.entry(file.date).or_default().push(Arc::clone(file));
    }
    by_date.into_values().find_map(|files| {
        let shares = may_share_keys(&files);
        let mut chosen: Vec<usize> = (0..files.len()).filter(|position| shares[*position]).collect();
        chosen.sort_by_key(|&position| (first_time(&files[position]), position));
        // Those that follow each other in time without a gap; others of the date are due another time.
        let mut until = i64::MIN;
        let mut follows = |position: &usize| {
            let file = &files[*position];
            let is_first = until == i64::MIN;
            let is_near = is_first || first_time(file) <= until;
            until = until.max(last_time(file));
            is_near
        };
        let together = chosen.iter().take(INPUTS_MAX).take_while(|position| follows(position)).count();
        let mut memory = 0;
        let mut fits = |position: &usize| {
            memory += row_group_bytes(&files[*position], row_group_rows_max);
            memory <= options.memory_bytes_max as u64 / 4
        };
        let fitting = chosen.iter().take(together).take_while(|position| fits(position)).count();
        chosen.truncate(fitting.max(2).min(together));
        chosen.sort_unstable();
        (chosen.len() > 1).then(|| chosen.into_iter().map(|position| Arc::clone(&files[position])).collect())
    })
}

fn last_time(file: &DataFile) -> i64 {
    match file.stats.get("time").and_then(|stats| stats.max.as_ref()) {
        Some(StatValue::Integer(us)) => *us,
        _ => i64::MAX,
    }
}

fn first_time(file: &DataFile) -> i64 {
    match file.stats.get("time").and_then(|stats| stats.min.as_ref()) {
        Some(StatValue::Integer(us)) => *us,
        _ => i64::MIN,
    }
}

/// Bytes of one row group of a file, which a merge holds while it reads it.
fn row_group_bytes(file: &DataFile, row_group_rows_max: usize) -> u64 {
    let groups = file.rows.div_ceil(row_group_rows_max.max(1) as u64).max(1);
    file.bytes.div_ceil(groups)
}

/// Size classes below the target; the last has no lower bound.
const CLASSES: u32 = 5;
/// Sizes of one class differ by this factor at most, the last class aside.
const CLASS_FACTOR: u64 = 8;
/// Most files that are merged into one.
const INPUTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use zonelake_parquet::ColumnStats;

    use super::*;

    fn file(number: usize, date: i32, bytes: u64, first: i64) -> Arc<DataFile> {
        let time = ColumnStats { min: Some(StatValue::Integer(first)), max: None, nulls: 0 };
        Arc::new(DataFile {
            path: format!("date={date}/{number}"),
            bytes,
            rows: bytes / 10,
            date,
            stats: [("time".to_owned(), time)].into(),
            checksum: None,
        })
    }

    fn options() -> CompactionOptions {
        CompactionOptions { files_max: 4, target_bytes: 1 << 20, ..CompactionOptions::default() }
    }

    #[test]
    fn a_class_with_one_file_too_many_is_merged_and_others_are_left_alone() {
        let mut files: Vec<_> = (0..4).map(|number| file(number, 1, 100, 0)).collect();
        files.extend((4..8).map(|number| file(number, 2, 100, 0)));
        files.push(file(8, 2, 2 << 20, 0));
        assert_eq!(next_merge(&files, &options(), 1_000), None);
        assert_eq!(backlog(&files, &options()), 0);
        files.push(file(9, 2, 101, 0));
        assert_eq!(backlog(&files, &options()), 5);
        let merge = next_merge(&files, &options(), 1_000).unwrap();
        assert_eq!(
            merge.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
            ["date=2/4", "date=2/5", "date=2/6", "date=2/7", "date=2/9"]
        );
    }

    #[test]
    fn neighbours_in_time_are_merged_where_not_all_fit() {
        let options = CompactionOptions { memory_bytes_max: 4 * 350, ..options() };
        let files: Vec<_> = (0..5).map(|number| file(number, 1, 100, [50, 10, 40, 20, 30][number])).collect();
        let merge = next_merge(&files, &options, usize::MAX).unwrap();
        assert_eq!(
            merge.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
            ["date=1/1", "date=1/3", "date=1/4"]
        );
    }

    #[test]
    fn files_with_times_in_common_are_merged_date_by_date_and_others_are_left_alone() {
        let spans = |number: usize, date: i32, first: i64, last: i64| {
            let made = file(number, date, 2 << 20, first);
            let mut stats = made.stats.clone();
            stats.values_mut().for_each(|time| time.max = Some(StatValue::Integer(last)));
            Arc::new(DataFile { stats, ..DataFile::clone(&made) })
        };
        let files = [spans(0, 1, 0, 9), spans(1, 1, 10, 19), spans(2, 2, 0, 9), spans(3, 2, 30, 39), spans(4, 2, 5, 6)];
        let chosen = |files: &[Arc<DataFile>], due: &[i32]| {
            let next = next_repeats(files, &options(), 1_000, |date| due.contains(&date));
            next.map(|files| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&files, &[1, 2]), Some(vec!["date=2/2".to_owned(), "date=2/4".to_owned()]));
        assert_eq!(chosen(&files, &[1]), None);
        assert_eq!(chosen(&files[..4], &[1, 2]), None);
    }

    proptest! {
        #[test]
        fn merging_ends_and_leaves_few_files_and_rewrites_a_byte_a_few_times(
            sizes in prop::collection::vec(1_000u64..300_000, 1..400),
        ) {
            let options = options();
            let mut files: Vec<Arc<DataFile>> = Vec::new();
            let mut written = 0;
            for (number, size) in sizes.iter().enumerate() {
                files.push(file(number, 1, *size, number as i64));
                while let Some(merge) = next_merge(&files, &options, usize::MAX) {
                    prop_assert!(merge.len() >= 2);
                    let gone: BTreeSet<&str> = merge.iter().map(|file| file.path.as_str()).collect();
                    let bytes = merge.iter().map(|file| file.bytes).sum();
                    written += bytes;
                    let merged = file(1_000_000 + number, 1, bytes, 0);
                    files.retain(|file| !gone.contains(file.path.as_str()));
                    files.push(merged);
                }
            }
            let small = files.iter().filter(|file| file.bytes < options.target_bytes).count();
            prop_assert!(small <= options.files_max * CLASSES as usize, "{small} files");
            let all: u64 = sizes.iter().sum();
            prop_assert!(written <= all * (u64::from(CLASSES) + 1), "{written} bytes for {all}");
        }
    }
}
