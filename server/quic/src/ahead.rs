//! How far ahead of its acknowledgements a stream may send: as much as goes through in a part of a second.
//!
//! Whatever is sent ahead beyond what the link and the server take at the moment only waits, in queues on the way, and
//! each batch waits behind all of it. So the limit follows the rate at which batches of the stream become durable. Where
//! the link is the limit, the product of rate and [`AHEAD`] is several times what the link holds, and the rate grows
//! from one measurement to the next; where the server is, all streams together have [`AHEAD`] of its work waiting.

use std::time::Duration;

/// The limit of one stream. Pure state: the writer of its acknowledgements tells the gateway what this says.
#[derive(Debug)]
pub(crate) struct Ahead {
    bytes_max: u64,
    /// The limit that the gateway knows.
    told: u64,
    /// Bytes that have become durable since `since`.
    bytes: u64,
    since: Option<Duration>,
    /// Largest frame in a measurement, and before.
    frame_bytes: u64,
}

impl Ahead {
    /// A stream whose gateway was told `bytes_max` when it opened; it is never told more.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max as u64;
        Self { bytes_max, told: bytes_max, bytes: 0, since: None, frame_bytes: 0 }
    }

    /// Notes a batch that is durable.
    pub(crate) fn handle_durable(&mut self, frame_bytes: u64) {
        self.bytes += frame_bytes;
        self.frame_bytes = self.frame_bytes.max(frame_bytes);
    }

    /// The limit to be told with the acknowledgement that is written at monotonic time `now`, where it has changed by much.
    pub(crate) fn poll_limit(&mut self, now: Duration) -> Option<u64> {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_sub(since);
        if elapsed < MEASURED {
            return None;
        }
        let bytes_per_second = self.bytes as f64 / elapsed.as_secs_f64();
        // A float that is out of range becomes the nearest integer.
        #[expect(clippy::cast_possible_truncation, reason = "a limit may be rounded")]
        #[expect(clippy::cast_sign_loss, reason = "a rate is not negative")]
        let ahead = (bytes_per_second * AHEAD.as_secs_f64()) as u64;
        let least = (FRAMES_MIN * self.frame_bytes).max(BYTES_MIN);
        let limit = ahead.max(least).min(self.bytes_max);
        // The largest frame counts half as much each time, so that one large one is forgotten.
        (self.bytes, self.since, self.frame_bytes) = (0, Some(now), self.frame_bytes / 2);
        if limit.abs_diff(self.told) <= self.told / 4 {
            return None;
        }
        self.told = limit;
        Some(limit)
    }
}

/// Work that may wait, as time: below the half second in which the slowest of a hundred batches is to be acknowledged.
const AHEAD: Duration = Duration::from_millis(300);
/// Least time of a measurement.
const MEASURED: Duration = Duration::from_millis(500);
/// Least bytes ahead: about a dozen packets.
const BYTES_MIN: u64 = 16 << 10;
/// Least frames ahead: some on the way in each direction, and some at work.
const FRAMES_MIN: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 32 << 20;

    /// Limits told while frames of `frame_bytes` become durable at a rate.
    fn told(ahead: &mut Ahead, from_ms: u64, milliseconds: u64, every_ms: u64, frame_bytes: u64) -> Vec<u64> {
        let at = (from_ms..from_ms + milliseconds).step_by(usize::try_from(every_ms).unwrap());
        at.filter_map(|now| {
            ahead.handle_durable(frame_bytes);
            ahead.poll_limit(Duration::from_millis(now))
        })
        .collect()
    }

    #[test]
    fn a_stream_that_sends_steadily_is_told_once_what_goes_through_in_the_time_ahead() {
        let mut ahead = Ahead::new(MAX);
        // 10 MB/s.
        let limits = told(&mut ahead, 0, 10_000, 10, 100_000);
        assert_eq!(limits.len(), 1, "{limits:?}");
        assert!((2_900_000..3_200_000).contains(&limits[0]), "{limits:?}");
    }

    #[test]
    fn the_limit_follows_the_rate_and_is_never_less_than_some_frames() {
        let mut ahead = Ahead::new(MAX);
        told(&mut ahead, 0, 2_000, 10, 100_000);
        // A tenth of it.
        assert!((380_000..420_000).contains(told(&mut ahead, 2_000, 6_000, 100, 100_000).last().unwrap()), "4 frames");
        assert_eq!(told(&mut ahead, 8_000, 30_000, 1_000, 1_000).last(), Some(&BYTES_MIN));
        // And back, by the measurement that follows.
        let back = told(&mut ahead, 40_000, 1_500, 10, 100_000);
        assert!(back.last().is_some_and(|limit| *limit > 2_500_000), "{back:?}");
    }

    #[test]
    fn more_than_the_operator_allows_is_never_told() {
        let mut ahead = Ahead::new(1 << 20);
        assert!(told(&mut ahead, 0, 5_000, 1, 1 << 20).is_empty());
    }
}
