//! Files of one date that may have rows of one zone, device and time in common, by their statistics.

use std::collections::BTreeSet;
use std::sync::Arc;

use zonelake_parquet::{DataFile, StatValue};

use crate::rules::file_times::times_us;
use crate::rules::hidden::DAY_US;

/// Whether each of the files of one date may share a zone, device and time with another one of them.
pub fn may_share_keys(files: &[Arc<DataFile>]) -> Vec<bool> {
    let extents: Vec<Extent<'_>> = files.iter().map(|file| Extent::of(file)).collect();
    let mut shares = vec![false; files.len()];
    let mut by_start: Vec<usize> = (0..files.len()).collect();
    by_start.sort_unstable_by_key(|&at| (extents[at].first, at));
    // Files that do not end before the one that is looked at begins.
    let mut open: BTreeSet<(i64, usize)> = BTreeSet::new();
    for at in by_start {
        open = open.split_off(&(extents[at].first, 0));
        let is_crowded = open.len() > COMPARED_MAX;
        for &(_, other) in &open {
            if is_crowded || extents[other].meets(&extents[at]) {
                shares[at] = true;
                shares[other] = true;
            }
        }
        open.insert((extents[at].last, at));
    }
    shares
}

/// What the rows of a file are within.
#[derive(Debug)]
struct Extent<'a> {
    first: i64,
    last: i64,
    zones: Option<(&'a str, &'a str)>,
    devices: Option<(&'a str, &'a str)>,
}

impl<'a> Extent<'a> {
    fn of(file: &'a DataFile) -> Self {
        let start = i64::from(file.date) * DAY_US;
        let (first, last) = times_us(file).unwrap_or((start, start + DAY_US - 1));
        Self { first, last, zones: texts(file, "zone"), devices: texts(file, "device") }
    }

    /// Whether zones and devices of two files may be the same.
    fn meets(&self, other: &Self) -> bool {
        let meet = |a: Option<(&str, &str)>, b: Option<(&str, &str)>| match (a, b) {
            (Some(a), Some(b)) => a.0 <= b.1 && b.0 <= a.1,
            _ => true,
        };
        meet(self.zones, other.zones) && meet(self.devices, other.devices)
    }
}

/// Bounds of a column of text that is never null.
fn texts<'a>(file: &'a DataFile, column: &str) -> Option<(&'a str, &'a str)> {
    let stats = file.stats.get(column).filter(|stats| stats.nulls == 0)?;
    match (&stats.min, &stats.max) {
        (Some(StatValue::Text(min)), Some(StatValue::Text(max))) => Some((min, max)),
        _ => None,
    }
}

/// Files at one time up to which zones and devices of each two are compared.
const COMPARED_MAX: usize = 64;
