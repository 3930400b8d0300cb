//! Everything that a run leaves to chance, from one seed, and the virtual clock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;
use zonelake_parquet::FileIds;
use zonelake_schemas::clock::Clock;

/// Numbers that look random and follow from a seed (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds begin far apart.
        let mut rng = Self { state: seed ^ 0x5a0e_1ace };
        rng.state = rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, and without, the limit.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("it is less than a usize")
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these, by weight.
    pub(crate) fn pick<T: Copy>(&mut self, weighted: &[(u32, T)]) -> T {
        let sum: u32 = weighted.iter().map(|(weight, _)| weight).sum();
        let mut left = u32::try_from(self.next() % u64::from(sum)).expect("below a u32");
        for (weight, value) in weighted {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        unreachable!("the rest is below the sum of the weights")
    }
}

/// The clocks of the simulated world.
#[derive(Debug)]
pub(crate) struct SimClock {
    wall_us: AtomicI64,
    monotonic_us: AtomicU64,
}

impl SimClock {
    pub(crate) fn new() -> Self {
        Self { wall_us: AtomicI64::new(START_US), monotonic_us: AtomicU64::new(1_000_000) }
    }

    /// Time passes.
    pub(crate) fn advance(&self, us: u64) {
        self.wall_us.fetch_add(us as i64, Ordering::Relaxed);
        self.monotonic_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock.
    pub(crate) fn step_wall(&self, us: i64) {
        self.wall_us.fetch_add(us, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn wall_us(&self) -> i64 {
        self.wall_us.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic_us.load(Ordering::Relaxed))
    }
}

/// Names of files that follow from a counter.
#[derive(Debug, Default)]
pub(crate) struct CountedFileIds(AtomicU64);

impl FileIds for CountedFileIds {
    fn next_id(&self) -> Uuid {
        Uuid::from_u64_pair(0, self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// 2026-01-01T23:59:50Z: a few rows fall on the day before midnight, the others behind it.
pub(crate) const START_US: i64 = 1_767_311_990_000_000;
