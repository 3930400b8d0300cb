//! When to try a lost connection again: doubling pauses with jitter, up to a limit.

use std::time::Duration;

/// How long to wait between tries, and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffPolicy {
    /// Pause before the first new try. Default 100 ms.
    pub first: Duration,
    /// Longest pause. Default 5 s. Longer spares a server that is down; shorter finds it sooner.
    pub longest: Duration,
    /// Time without a useful link after which to give up; `None`: never. Default never.
    pub give_up_after: Option<Duration>,
}

impl Default for BackoffPolicy {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(5), give_up_after: None }
    }
}

/// The pauses of one stream. It keeps no clock: the caller says what time it is.
#[derive(Debug)]
pub struct Backoff {
    policy: BackoffPolicy,
    tries: u32,
    random: u64,
    closed_since: Option<Duration>,
}

impl Backoff {
    /// No failure so far. Streams with different seeds do not all come back at the same moment.
    pub fn new(policy: BackoffPolicy, seed: u64) -> Self {
        Self { policy, tries: 0, random: seed | 1, closed_since: None }
    }

    /// The link was of use: the next failure starts with the first pause.
    pub fn handle_use(&mut self) {
        self.tries = 0;
        self.closed_since = None;
    }

    /// Time since the first failure behind which no link was of use.
    pub fn closed_for(&self, now: Duration) -> Duration {
        self.closed_since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// A try failed at monotonic time `now`: the pause before the next, at least `at_least`; `None`: give up.
    pub fn handle_failure(&mut self, now: Duration, at_least: Duration) -> Option<Duration> {
        let since = *self.closed_since.get_or_insert(now);
        if self.policy.give_up_after.is_some_and(|limit| now.saturating_sub(since) >= limit) {
            return None;
        }
        let whole = self.policy.first.saturating_mul(1 << self.tries.min(20)).min(self.policy.longest);
        self.tries = self.tries.saturating_add(1);
        Some((whole / 2 + whole.mul_f64(self.next_fraction() / 2.0)).max(at_least))
    }

    /// Xorshift: jitter needs no better randomness.
    fn next_fraction(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        f64::from(u32::try_from(self.random >> 32).expect("32 bits are left")) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_over_after_use() {
        let policy = BackoffPolicy { give_up_after: Some(Duration::from_secs(60)), ..BackoffPolicy::default() };
        let mut backoff = Backoff::new(policy, 7);
        for whole_ms in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let pause = backoff.handle_failure(Duration::ZERO, Duration::ZERO).unwrap();
            let whole = Duration::from_millis(whole_ms);
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
        }
        backoff.handle_use();
        assert!(backoff.handle_failure(Duration::ZERO, Duration::ZERO).unwrap() <= Duration::from_millis(100));
    }

    #[test]
    fn it_gives_up_when_nothing_was_open_for_so_long_and_keeps_the_servers_pause() {
        let policy = BackoffPolicy { give_up_after: Some(Duration::from_secs(60)), ..BackoffPolicy::default() };
        let mut backoff = Backoff::new(policy, 7);
        let asked = Duration::from_secs(9);
        assert_eq!(backoff.handle_failure(Duration::from_secs(10), asked), Some(asked));
        assert!(backoff.handle_failure(Duration::from_secs(69), Duration::ZERO).is_some());
        assert_eq!(backoff.handle_failure(Duration::from_secs(70), Duration::ZERO), None);
    }
}
