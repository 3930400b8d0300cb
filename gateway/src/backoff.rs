//! Pauses between retries of a lost connection: doubling, with jitter, up to a limit.

use std::time::Duration;

/// Pauses between retries, and the time after which to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffPolicy {
    /// Pause before the first retry. Default 100 ms.
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

/// Pauses of one stream. There is no clock in it: the caller passes the time.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: BackoffPolicy,
    tries: u32,
    rng: fastrand::Rng,
    closed_since: Option<Duration>,
}

impl Backoff {
    /// State without a failure. Streams with different seeds do not all come back at the same moment.
    pub(crate) fn new(policy: BackoffPolicy, seed: u64) -> Self {
        Self { policy, tries: 0, rng: fastrand::Rng::with_seed(seed), closed_since: None }
    }

    /// Takes that the link was of use: the next failure starts with the first pause.
    pub(crate) fn handle_use(&mut self) {
        self.tries = 0;
        self.closed_since = None;
    }

    /// Time since the first failure after which no link was of use.
    pub(crate) fn closed_for(&self, now: Duration) -> Duration {
        self.closed_since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// Takes a failed try at monotonic time `now`: gives the pause before the next, at least `at_least`; `None`: give up.
    pub(crate) fn handle_failure(&mut self, now: Duration, at_least: Duration) -> Option<Duration> {
        let since = *self.closed_since.get_or_insert(now);
        if self.policy.give_up_after.is_some_and(|limit| now.saturating_sub(since) >= limit) {
            return None;
        }
        // 2^20 first pauses are beyond any longest one, and the shift cannot overflow.
        let whole = self.policy.first.saturating_mul(1 << self.tries.min(20)).min(self.policy.longest);
        self.tries = self.tries.saturating_add(1);
        // Half of the pause is fixed and half is chance: a server that comes back is not dialled by all gateways at once.
        Some((whole / 2 + whole.mul_f64(self.rng.f64() / 2.0)).max(at_least))
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
            // 2^20 first pauses are beyond any longest one, and the shift cannot overflow.
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
