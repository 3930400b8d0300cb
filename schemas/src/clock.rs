//! Time, injected, so that tests and simulation decide what the clocks say.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall clock and monotonic clock.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Microseconds since 1970, UTC. It may step in either direction.
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
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Wall-clock instants that never decrease: what `ingested_at` is taken from.
#[derive(Debug, Default)]
pub struct ForwardClock {
    last_us: AtomicI64,
}

impl ForwardClock {
    /// The clock's time, or the last one given out where the clock has stepped back.
    pub fn stamp(&self, clock: &dyn Clock) -> i64 {
        let now = clock.wall_us();
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
