//! Measurements while a load runs: counts and latencies by second.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Counts and latencies, filled by many tasks.
#[derive(Debug)]
pub(crate) struct Meter {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    second: Second,
    /// All acknowledgements that count, and all freshness probes, microseconds.
    acknowledged_us: Histogram<u64>,
    fresh_us: Histogram<u64>,
    measuring: bool,
    measured: Counts,
    totals: Counts,
    links_lost: u64,
}

/// Counts of what is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counts {
    /// Batches.
    pub batches: u64,
    /// Rows sent in them.
    pub rows: u64,
    /// Readings sent in them.
    pub readings: u64,
}

/// One second.
#[derive(Debug, Clone)]
pub(crate) struct Second {
    /// Counts of what became durable in it.
    pub acknowledged: Counts,
    /// Latencies of its acknowledgements, microseconds.
    pub latency_us: Histogram<u64>,
}

impl Default for Meter {
    fn default() -> Self {
        let inner = Inner {
            second: Second { acknowledged: Counts::default(), latency_us: histogram() },
            acknowledged_us: histogram(),
            fresh_us: histogram(),
            measuring: false,
            measured: Counts::default(),
            totals: Counts::default(),
            links_lost: 0,
        };
        Self { inner: Mutex::new(inner) }
    }
}

impl Meter {
    /// A batch has become durable, so long after it was due.
    pub(crate) fn count_batch(&self, rows: u64, readings: u64, latency: Duration) {
        let inner = &mut *self.lock();
        let us = microseconds(latency);
        inner.second.latency_us.saturating_record(us);
        if inner.measuring {
            inner.acknowledged_us.saturating_record(us);
            inner.measured.add(rows, readings);
        }
        inner.second.acknowledged.add(rows, readings);
        inner.totals.add(rows, readings);
    }

    /// A query has seen a row so long after it was sent.
    pub(crate) fn count_fresh(&self, latency: Duration) {
        let inner = &mut *self.lock();
        if inner.measuring {
            inner.fresh_us.saturating_record(microseconds(latency));
        }
    }

    /// A link broke.
    pub(crate) fn count_lost_link(&self) {
        self.lock().links_lost += 1;
    }

    /// From now on everything counts, or no longer.
    pub(crate) fn measure(&self, on: bool) {
        self.lock().measuring = on;
    }

    /// The second that has passed; begins the next.
    pub(crate) fn take_second(&self) -> Second {
        let next = Second { acknowledged: Counts::default(), latency_us: histogram() };
        std::mem::replace(&mut self.lock().second, next)
    }

    /// Everything that became durable so far.
    pub(crate) fn totals(&self) -> Counts {
        self.lock().totals
    }

    /// Counts of what became durable while it was measured, and the latencies, microseconds: of acknowledgements and of freshness.
    pub(crate) fn measured(&self) -> (Counts, Histogram<u64>, Histogram<u64>) {
        let inner = self.lock();
        (inner.measured, inner.acknowledged_us.clone(), inner.fresh_us.clone())
    }

    /// Links that broke.
    pub(crate) fn links_lost(&self) -> u64 {
        self.lock().links_lost
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, rows: u64, readings: u64) {
        self.batches += 1;
        self.rows += rows;
        self.readings += readings;
    }
}

/// From a microsecond to ten minutes, to a thousandth.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are those of the library")
}

/// A latency as it is recorded.
pub(crate) fn microseconds(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
}
