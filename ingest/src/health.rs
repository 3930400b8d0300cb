//! Components of the write side that do not work, for `/health`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use zonelake_schemas::ShardId;

use crate::clock_watch::ClockWatch;
use crate::refusal::Refusal;

/// Degraded components, for an operator. The server log has the causes; only names are here, since `/health` is open to
/// everybody.
#[derive(Debug, Default)]
pub struct Health {
    degraded: Mutex<Degraded>,
    clock: OnceLock<ClockWatch>,
}

#[derive(Debug, Default)]
struct Degraded {
    stopped: BTreeSet<ShardId>,
    /// Consecutive failures of each table's flush.
    failed_flushes: BTreeMap<String, u32>,
}

impl Health {
    /// Watches the wall clock from now on. A second watch changes nothing.
    pub(crate) fn watch_clock(&self, watch: ClockWatch) {
        self.clock.get_or_init(|| watch);
    }

    /// Refuses while the wall clock is behind; never where it is not watched.
    pub(crate) fn check_clock(&self) -> Result<(), Refusal> {
        self.clock.get().map_or(Ok(()), ClockWatch::check)
    }

    /// Seconds by which the wall clock is behind; 0 where it is right, or is not watched.
    pub fn clock_behind_seconds(&self) -> i64 {
        self.clock.get().and_then(ClockWatch::behind_seconds).unwrap_or_default()
    }

    /// Notes that a shard writes nothing more until a restart.
    pub fn shard_has_stopped(&self, shard: ShardId) {
        self.lock().stopped.insert(shard);
    }

    /// Notes that a table's flush has failed and will be tried again.
    pub fn flush_has_failed(&self, table: &str) {
        *self.lock().failed_flushes.entry(table.to_owned()).or_default() += 1;
    }

    /// Notes that a table's flush has succeeded.
    pub fn flush_is_done(&self, table: &str) {
        self.lock().failed_flushes.remove(table);
    }

    /// Degraded components, each in a sentence; none where everything works.
    pub fn degraded_components(&self) -> Vec<String> {
        let clock = (self.clock_behind_seconds() > 0).then(|| "the clock is behind the last receipt".to_owned());
        let degraded = self.lock();
        let stopped = degraded.stopped.iter().map(|shard| format!("shard {shard} has stopped until a restart"));
        // One failure may pass with the next attempt.
        let failing = degraded.failed_flushes.iter().filter(|(_, failures)| **failures >= FLUSH_FAILURES_MAX);
        clock
            .into_iter()
            .chain(stopped)
            .chain(failing.map(|(table, _)| format!("flushes of table {table} keep failing")))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Degraded> {
        self.degraded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Consecutive failures of one table's flush from which on the table counts as degraded.
const FLUSH_FAILURES_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_that_fails_again_and_again_is_a_degraded_component_until_one_comes_through() {
        let health = Health::default();
        health.flush_has_failed("air");
        health.flush_has_failed("air");
        health.flush_has_failed("water");
        assert!(health.degraded_components().is_empty());
        health.flush_has_failed("air");
        assert_eq!(health.degraded_components(), ["flushes of table air keep failing"]);
        health.flush_is_done("air");
        assert!(health.degraded_components().is_empty());
        health.shard_has_stopped(ShardId(1));
        assert_eq!(health.degraded_components(), ["shard 1 has stopped until a restart"]);
    }
}
