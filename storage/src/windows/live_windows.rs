//! Moments of a table's readings by place and second, for the last hour: an immutable value that is part of the table's view, so that a
//! statement sees it together with the files and the live rows of one moment. It has the rows of each shard up to an LSN, each once; what is
//! live beyond that is added when it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zonelake_parquet::DataFile;
use zonelake_schemas::{Lsn, ShardId};

use crate::windows::bucket::Bucket;
use crate::windows::groups::{GROUPS_MAX, WindowGroups, WindowKey};
use crate::windows::layout::WindowLayout;

/// Buckets of one second, by number of their place.
pub(super) type Second = Vec<Arc<Bucket>>;
/// Seconds of one minute.
pub(super) type Minute = BTreeMap<i64, Arc<Second>>;

/// What windows can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WindowsState {
    /// Each row of their span up to what is covered was taken in.
    Complete,
    /// Rows of files are missing, which are read now.
    #[default]
    Filling,
    /// Nothing is kept: there are too many places, or rows of the table have no windows.
    NotKept,
}

/// Moments by place and second. A copy shares all that is not changed afterwards.
#[derive(Debug, Clone)]
pub struct LiveWindows {
    pub(super) layout: Arc<WindowLayout>,
    pub(super) state: WindowsState,
    pub(super) groups: Arc<WindowGroups>,
    /// Minutes since 1970.
    pub(super) minutes: BTreeMap<i64, Arc<Minute>>,
    /// Last LSN of each shard whose rows are in it.
    pub(super) covered: BTreeMap<ShardId, Lsn>,
    /// Memory of all buckets.
    pub(super) bytes: usize,
    /// Rows from this time on are in it, µs.
    pub(super) from_us: i64,
    /// Rows before this time are in it, µs.
    pub(super) to_us: i64,
    /// Number of times that they were begun anew.
    pub(crate) generation: u64,
    /// The files that had rows when they were begun: no row of theirs is in it before they were read.
    pub(super) files: Arc<Vec<Arc<DataFile>>>,
}

impl Default for LiveWindows {
    fn default() -> Self {
        Self {
            layout: Arc::default(),
            state: WindowsState::Filling,
            groups: Arc::default(),
            minutes: BTreeMap::new(),
            covered: BTreeMap::new(),
            bytes: 0,
            from_us: i64::MIN,
            to_us: i64::MAX,
            generation: 0,
            files: Arc::default(),
        }
    }
}

impl LiveWindows {
    /// None yet, for a table whose files have rows up to `covered`; complete where there is no file.
    pub(crate) fn begin(
        layout: &Arc<WindowLayout>,
        files: &Arc<Vec<Arc<DataFile>>>,
        covered: BTreeMap<ShardId, Lsn>,
        generation: u64,
    ) -> Self {
        let state = if files.is_empty() { WindowsState::Complete } else { WindowsState::Filling };
        let (layout, files) = (Arc::clone(layout), Arc::clone(files));
        Self { layout, state, covered, generation, files, ..Self::default() }
    }

    /// None yet, of a span, for rows that are taken in from elsewhere.
    pub fn of_span(layout: &Arc<WindowLayout>, from_us: i64, to_us: i64) -> Self {
        Self { layout: Arc::clone(layout), state: WindowsState::Complete, from_us, to_us, ..Self::default() }
    }

    /// What they can be used for.
    pub fn state(&self) -> WindowsState {
        self.state
    }

    /// True where every row of that span is in it, up to what is covered.
    pub fn know(&self, from_us: i64, to_us: i64) -> bool {
        self.state == WindowsState::Complete && self.from_us <= from_us && to_us <= self.to_us
    }

    /// Places in the order of their numbers.
    pub fn keys(&self) -> &[Arc<WindowKey>] {
        self.groups.keys()
    }

    /// The buckets of a span, joined to those of `width_us`, by their beginning and then by place. A span begins and ends with a second.
    /// `None` for a width has one bucket a place, which begins with the span.
    pub fn joined(
        &self,
        (from_us, to_us): (i64, i64),
        width_us: Option<i64>,
        is_wanted: impl Fn(u32) -> bool,
    ) -> BTreeMap<(i64, u32), Bucket> {
        let mut joined: BTreeMap<(i64, u32), Bucket> = BTreeMap::new();
        for (second, buckets) in self.seconds((from_us, to_us)) {
            let at_us = second * SECOND_US;
            let begin_us = width_us.map_or(from_us, |width| at_us - at_us.rem_euclid(width));
            for bucket in buckets.iter().filter(|bucket| is_wanted(bucket.group)) {
                joined
                    .entry((begin_us, bucket.group))
                    .and_modify(|known| known.join(bucket))
                    .or_insert_with(|| bucket.as_ref().clone());
            }
        }
        joined
    }

    /// Memory that [`LiveWindows::joined`] takes at most.
    pub fn joined_bytes(&self, span_us: (i64, i64), is_wanted: impl Fn(u32) -> bool) -> usize {
        let buckets = self.seconds(span_us).flat_map(|(_, buckets)| buckets.iter());
        buckets.filter(|bucket| is_wanted(bucket.group)).map(|bucket| bucket.bytes()).sum()
    }

    fn seconds(&self, (from_us, to_us): (i64, i64)) -> impl Iterator<Item = (i64, &Arc<Second>)> {
        let (first, end) = (from_us.div_euclid(SECOND_US), to_us.div_euclid(SECOND_US));
        let minutes = (first < end).then(|| self.minutes.range(first.div_euclid(60)..=(end - 1).div_euclid(60)));
        let seconds = minutes.into_iter().flatten().flat_map(move |(_, minute)| minute.range(first..end));
        seconds.map(|(second, buckets)| (*second, buckets))
    }

    /// Memory that they take, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The span whose rows are in it, µs.
    pub fn span_us(&self) -> (i64, i64) {
        (self.from_us, self.to_us)
    }

    /// Last LSN of each shard whose rows are in it.
    pub fn covered(&self) -> &BTreeMap<ShardId, Lsn> {
        &self.covered
    }

    /// True where all rows of those LSNs are in it.
    pub(crate) fn covers(&self, lsns: &BTreeMap<ShardId, Lsn>) -> bool {
        lsns.iter().all(|(shard, lsn)| self.covered.get(shard).is_some_and(|covered| covered >= lsn))
    }

    /// Leaves out what is before a time.
    pub(super) fn leave_before(&mut self, time_us: i64) {
        if time_us <= self.from_us {
            return;
        }
        let first = time_us.div_euclid(SECOND_US) + i64::from(time_us.rem_euclid(SECOND_US) > 0);
        self.from_us = first.saturating_mul(SECOND_US);
        let later = self.minutes.split_off(&first.div_euclid(60));
        let gone = std::mem::replace(&mut self.minutes, later);
        self.bytes -= gone.values().map(|minute| minute_bytes(minute)).sum::<usize>();
    }

    /// Drops the oldest minutes while they take more memory than they may, and all where there are too many places within its span.
    pub(super) fn bounded(mut self) -> Self {
        if self.groups.keys().len() > GROUPS_MAX && !self.forget_places() {
            let (groups, minutes, files) = (Arc::default(), BTreeMap::new(), Arc::default());
            return Self { state: WindowsState::NotKept, groups, minutes, files, bytes: 0, ..self };
        }
        self.within(WINDOWS_BYTES_MAX)
    }

    /// Forgets places of which no reading is kept any more, and numbers the others anew. False where too many are left: some must be free
    /// for new ones, or all buckets would be looked at with each of them.
    fn forget_places(&mut self) -> bool {
        let buckets = self.minutes.values().flat_map(|minute| minute.values()).flat_map(|second| second.iter());
        let kept: BTreeSet<u32> = buckets.map(|bucket| bucket.group).collect();
        if kept.len() > GROUPS_MAX - GROUPS_MAX / 16 {
            return false;
        }
        let numbers = Arc::make_mut(&mut self.groups).retain(&kept);
        for minute in self.minutes.values_mut() {
            for second in Arc::make_mut(minute).values_mut() {
                for bucket in Arc::make_mut(second) {
                    // In the order that they had, so that buckets of a second stay sorted.
                    Arc::make_mut(bucket).group = numbers[&bucket.group];
                }
            }
        }
        true
    }

    /// Without the oldest minutes that are too many for so much memory.
    #[must_use]
    pub fn within(mut self, bytes_max: usize) -> Self {
        while self.bytes > bytes_max
            && let Some((&oldest, _)) = self.minutes.first_key_value()
        {
            self.leave_before((oldest + 1) * 60 * SECOND_US);
        }
        self
    }

    /// Joins what was read of files, where it still belongs to this state.
    pub(super) fn completed_by(&self, of_files: &Self) -> Self {
        let mut joined = self.clone();
        joined.leave_before(of_files.from_us);
        joined.to_us = joined.to_us.min(of_files.to_us);
        let numbers: Vec<u32> = {
            let groups = Arc::make_mut(&mut joined.groups);
            of_files.groups.keys().iter().map(|key| groups.number(key.as_ref().clone())).collect()
        };
        for (second, buckets) in of_files.minutes.values().flat_map(|minute| minute.iter()) {
            if second * SECOND_US < joined.from_us {
                continue;
            }
            for bucket in buckets.iter() {
                let group = numbers[bucket.group as usize];
                let (known, made) = joined.bucket(*second, group);
                let before = known.bytes();
                known.join(bucket);
                let growth = known.bytes() - before + made;
                joined.bytes += growth;
            }
        }
        joined.state = if of_files.state == WindowsState::NotKept { of_files.state } else { WindowsState::Complete };
        joined.files = Arc::default();
        joined.bounded()
    }

    /// The bucket of a second and a place, to be changed, copied where another state shares it. Beside it the bytes of one that was made.
    pub(super) fn bucket(&mut self, second: i64, group: u32) -> (&mut Bucket, usize) {
        let minute = self.minutes.entry(second.div_euclid(60)).or_default();
        let buckets = Arc::make_mut(minute).entry(second).or_default();
        let buckets = Arc::make_mut(buckets);
        let (at, made) = match buckets.binary_search_by_key(&group, |bucket| bucket.group) {
            Ok(at) => (at, 0),
            Err(at) => {
                buckets.insert(at, Arc::new(Bucket::new(group)));
                (at, buckets[at].bytes())
            }
        };
        (Arc::make_mut(&mut buckets[at]), made)
    }
}

fn minute_bytes(minute: &Minute) -> usize {
    minute.values().flat_map(|second| second.iter()).map(|bucket| bucket.bytes()).sum()
}

/// Microseconds of a second.
pub(super) const SECOND_US: i64 = 1_000_000;

/// Memory that the windows of one table may take, about: an hour of 60 zones with eight fields in each second. Beyond it the oldest minutes are
/// dropped, and statements read the rows of the table for them.
pub const WINDOWS_BYTES_MAX: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::take::WindowRows;

    const HOUR_US: i64 = 3_600 * SECOND_US;

    fn place(name: u32) -> WindowKey {
        WindowKey { by: vec![Some(name.to_string().into())], ..WindowKey::default() }
    }

    /// A reading of each of those places.
    fn take(windows: &mut LiveWindows, time_us: i64, names: std::ops::Range<u32>) {
        let groups: Vec<u32> = names.map(|name| windows.group(place(name))).collect();
        let (times, qualities) = (vec![time_us; groups.len()], vec![0; groups.len()]);
        let rows = WindowRows { times: &times, groups: &groups, qualities: &qualities, columns: Vec::new() };
        windows.take(&rows, i64::MAX);
    }

    #[test]
    fn places_are_forgotten_with_the_hour_and_too_many_of_one_hour_are_not_kept() {
        let mut windows = LiveWindows::of_span(&Arc::default(), 0, i64::MAX);
        // A plate is a place where rights go by it: each hour has others.
        for hour in 0..12_i64 {
            let first = u32::try_from(hour).unwrap() * 3_000;
            windows.leave_before(hour * HOUR_US);
            take(&mut windows, hour * HOUR_US, 0..2);
            take(&mut windows, hour * HOUR_US + SECOND_US, first..first + 3_000);
            windows = windows.bounded();
            assert_eq!(windows.state(), WindowsState::Complete, "hour {hour}");
            assert!(windows.keys().len() <= GROUPS_MAX);
            let span = (hour * HOUR_US, (hour + 1) * HOUR_US);
            let joined = windows.joined(span, None, |_| true);
            let names: BTreeSet<Arc<WindowKey>> =
                joined.keys().map(|(_, group)| Arc::clone(&windows.keys()[*group as usize])).collect();
            let wanted = (0..2).chain(first..first + 3_000).map(|name| Arc::new(place(name))).collect();
            assert!(names == wanted, "hour {hour}: a place has the readings of another one");
        }
        take(&mut windows, 12 * HOUR_US, 100_000..120_000);
        assert_eq!(windows.bounded().state(), WindowsState::NotKept);
    }
}
