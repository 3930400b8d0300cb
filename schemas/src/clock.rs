//! Time, injected, so that tests and simulation decide what the clocks say.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
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

/// Times of receipt: the source of `ingested_at`. They are whole milliseconds: a network and a queue add no less to a time of
/// receipt, and random microseconds would take more of a file than a reading does.
///
/// They never decrease while the wall clock steps back by [`LEAD_US_MAX`] at most. A clock that steps back further was wrong
/// before: times of receipt follow it ([`Stamp::stepped_back_us`]), so that they are wrong no longer than the clock was.
#[derive(Debug, Default)]
pub struct ForwardClock {
    last_us: AtomicI64,
    /// The latest event time of a row that was accepted.
    latest_event_us: AtomicI64,
    steps_back: AtomicU64,
}

/// A time of receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds since 1970, UTC.
    pub us: i64,
    /// Distance to the last time of receipt, where the clock has stepped back too far to wait for it. ERROR belongs in the
    /// server log then: rows of before may have a time of receipt in the future.
    pub stepped_back_us: Option<i64>,
}

impl ForwardClock {
    /// The clock's time to the millisecond, or the last one given out where the clock is a little behind it.
    pub fn stamp(&self, clock: &dyn Clock) -> Stamp {
        let now = clock.wall_us().div_euclid(US_PER_MS) * US_PER_MS;
        // Relaxed: the instant is the only thing that threads share through it.
        let before = self.last_us.fetch_max(now, Ordering::Relaxed);
        if before.saturating_sub(now) <= LEAD_US_MAX {
            return Stamp { us: before.max(now), stepped_back_us: None };
        }
        // Of several threads that find it, one says so.
        let is_first = self.last_us.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        self.steps_back.fetch_add(u64::from(is_first), Ordering::Relaxed);
        Stamp { us: now, stepped_back_us: is_first.then(|| before.saturating_sub(now)) }
    }

    /// The last one given out; 0 where there was none.
    pub fn last_us(&self) -> i64 {
        self.last_us.load(Ordering::Relaxed)
    }

    /// Moves forward to an instant that an earlier run gave out.
    pub fn at_least(&self, us: i64) {
        self.last_us.fetch_max(us, Ordering::Relaxed);
    }

    /// Notes the event time of a row that was accepted.
    pub fn accepted(&self, event_us: i64) {
        self.latest_event_us.fetch_max(event_us, Ordering::Relaxed);
    }

    /// The latest event time of a row that was accepted; 0 where there was none.
    pub fn latest_event_us(&self) -> i64 {
        self.latest_event_us.load(Ordering::Relaxed)
    }

    /// How far a clock is behind, in microseconds, where it certainly is: behind the last time of receipt by more than times
    /// of receipt may lead, and so far behind the latest event time that rows like those accepted before would be rejected as
    /// being in the future. `future_us_max` is the lead that event times may have.
    ///
    /// Both are needed. A time of receipt alone may come from a clock that was ahead once, and then it is now that the clock
    /// is right; an event time alone may come from a time when more lead was allowed.
    pub fn behind_us(&self, wall_us: i64, future_us_max: i64) -> Option<i64> {
        let behind = self.last_us().saturating_sub(wall_us);
        let latest_event = self.latest_event_us.load(Ordering::Relaxed);
        let is_behind = behind > LEAD_US_MAX && latest_event > wall_us.saturating_add(future_us_max);
        is_behind.then_some(behind)
    }

    /// How often the clock has stepped back and times of receipt with it.
    pub fn steps_back(&self) -> u64 {
        self.steps_back.load(Ordering::Relaxed)
    }
}

/// Microseconds of a millisecond.
const US_PER_MS: i64 = 1_000;
/// Lead that a time of receipt may have over the wall clock: 5 minutes. Clocks that are kept in step are put back by far less.
pub const LEAD_US_MAX: i64 = 300_000_000;

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

    /// 2026-01-01, 00:02.
    const NOW_US: i64 = 1_767_225_720_000_000;
    const DAY_US: i64 = 86_400_000_000;
    const FIVE_MINUTES_US: i64 = 300_000_000;

    fn stamp_us(receipts: &ForwardClock, wall_us: i64) -> i64 {
        let stamp = receipts.stamp(&At(wall_us));
        assert_eq!(stamp.stepped_back_us, None);
        stamp.us
    }

    #[test]
    fn a_stamp_is_a_whole_millisecond_and_waits_for_a_clock_that_steps_back_a_little() {
        let receipts = ForwardClock::default();
        assert_eq!(stamp_us(&receipts, NOW_US + 123_999), NOW_US + 123_000);
        assert_eq!(stamp_us(&receipts, NOW_US + 122_000), NOW_US + 123_000);
        assert_eq!(stamp_us(&receipts, NOW_US + 123_000 - LEAD_US_MAX), NOW_US + 123_000);
        // An earlier run may have given out microseconds.
        receipts.at_least(NOW_US + 124_001);
        assert_eq!(stamp_us(&receipts, NOW_US + 124_900), NOW_US + 124_001);
        assert_eq!(stamp_us(&receipts, NOW_US + 125_000), NOW_US + 125_000);
    }

    #[test]
    fn a_clock_that_was_far_ahead_is_followed_back_once_and_said_once() {
        let receipts = ForwardClock::default();
        receipts.accepted(NOW_US);
        stamp_us(&receipts, NOW_US + 3_650 * DAY_US);
        // Rows went on being as old as they were, so that nothing says that the clock of now is wrong.
        assert_eq!(receipts.behind_us(NOW_US, FIVE_MINUTES_US), None);
        let stamp = receipts.stamp(&At(NOW_US));
        assert_eq!(stamp, Stamp { us: NOW_US, stepped_back_us: Some(3_650 * DAY_US) });
        assert_eq!(stamp_us(&receipts, NOW_US + 1_000), NOW_US + 1_000);
        assert_eq!(receipts.steps_back(), 1);
    }

    #[test]
    fn a_clock_is_behind_where_rows_as_late_as_those_of_before_would_be_in_the_future() {
        let receipts = ForwardClock::default();
        assert_eq!(receipts.behind_us(NOW_US, FIVE_MINUTES_US), None, "nothing was received");
        receipts.accepted(NOW_US - 7_000_000);
        stamp_us(&receipts, NOW_US);
        let year = 365 * DAY_US;
        assert_eq!(receipts.behind_us(NOW_US - year, FIVE_MINUTES_US), Some(year));
        assert_eq!(receipts.behind_us(NOW_US - LEAD_US_MAX, FIVE_MINUTES_US), None);
        assert_eq!(receipts.behind_us(NOW_US - LEAD_US_MAX - 1, FIVE_MINUTES_US), None, "such rows would be accepted");
        assert_eq!(receipts.behind_us(NOW_US - year, 2 * year), None, "such rows would be accepted");
        assert_eq!(receipts.behind_us(NOW_US + 1, FIVE_MINUTES_US), None);
    }

    #[test]
    fn a_clock_is_not_behind_because_rows_were_once_allowed_to_be_in_the_future() {
        let receipts = ForwardClock::default();
        receipts.accepted(NOW_US + 300 * DAY_US);
        stamp_us(&receipts, NOW_US);
        assert_eq!(receipts.behind_us(NOW_US, FIVE_MINUTES_US), None);
    }
}
