//! Duration and number of measurements of a stage, and a clock for steps that criterion cannot time.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use zonelake_schemas::clock::{Clock, SystemClock};

/// A stage whose single measurements take microseconds to some milliseconds.
pub(crate) fn short<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    group.nresamples(10_000);
    group
}

/// A stage whose single measurements take longer, or cost much to prepare.
pub(crate) fn long<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = short(criterion, name);
    group.measurement_time(Duration::from_secs(3)).sample_size(10).sampling_mode(SamplingMode::Flat);
    group
}

/// Times single steps where others between them do not count.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch(SystemClock);

impl Stopwatch {
    /// Does something and adds the time that it took.
    pub(crate) fn add<T>(&self, total: &mut Duration, work: impl FnOnce() -> T) -> T {
        let began = self.0.monotonic();
        let result = work();
        *total += self.0.monotonic() - began;
        result
    }
}
