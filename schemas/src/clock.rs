//! Time, injected, so that tests and simulation decide what the clocks say.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall clock and monotonic clock.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Microseconds since 1970, UTC. The wall clock may step in either direction.
    fn wall_us(&self) -> i64;
    /// Time since some fixed moment; it never goes back. Deadlines use this one.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn wall_us(&self) -> i64 {
        // A clock that stands before 1970 reads as 1970.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Microseconds of a millisecond.
const US_PER_MS: i64 = 1_000;

/// Wall-clock instants that never decrease: the source of `ingested_at`. They are whole milliseconds: a network and a queue
/// add no less to a time of receipt, and random microseconds would take more of a file than a reading does.
#[derive(Debug, Default)]
pub struct ForwardClock {
    last_us: AtomicI64,
}

impl ForwardClock {
    /// The clock's time to the millisecond, or the last one given out where the clock has stepped back.
    pub fn stamp(&self, clock: &dyn Clock) -> i64 {
        let now = clock.wall_us().div_euclid(US_PER_MS) * US_PER_MS;
        // Relaxed: the instant is the only thing that threads share through it.
        self.last_us.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// The last one given out; 0 where there was none.
    pub fn last_us(&self) -> i64 {
        self.last_us.load(Ordering::Relaxed)
    }

    /// Moves forward to an instant that an earlier run gave out.
    pub fn at_least(&self, us: i64) {
        self.last_us.fetch_max(us, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct At(i64);

    impl Clock for At {
        fn wall_us(&self) -> i64 {
            self.0
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn a_stamp_is_a_whole_millisecond_and_never_goes_back() {
        let forward = ForwardClock::default();
        assert_eq!(forward.stamp(&At(1_767_225_600_123_999)), 1_767_225_600_123_000);
        assert_eq!(forward.stamp(&At(1_767_225_600_122_000)), 1_767_225_600_123_000);
        // An earlier run may have given out microseconds.
        forward.at_least(1_767_225_600_124_001);
        assert_eq!(forward.stamp(&At(1_767_225_600_124_900)), 1_767_225_600_124_001);
        assert_eq!(forward.stamp(&At(1_767_225_600_125_000)), 1_767_225_600_125_000);
    }
}
