//! What keeps the write side from its work, for `/health`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use zonelake_schemas::ShardId;

/// Troubles that an operator has to look at. Causes stand in the log; here are only their names, since everybody may ask.
#[derive(Debug, Default)]
pub struct Health {
    troubles: Mutex<Troubles>,
}

#[derive(Debug, Default)]
struct Troubles {
    stopped: BTreeSet<ShardId>,
    /// Failures one after the other of each table's flush.
    failed_flushes: BTreeMap<String, u32>,
}

impl Health {
    /// A shard writes nothing more until a restart.
    pub fn shard_has_stopped(&self, shard: ShardId) {
        self.lock().stopped.insert(shard);
    }

    /// A table's flush has failed and will be tried again.
    pub fn flush_has_failed(&self, table: &str) {
        *self.lock().failed_flushes.entry(table.to_owned()).or_default() += 1;
    }

    /// A table's flush has come through.
    pub fn flush_is_done(&self, table: &str) {
        self.lock().failed_flushes.remove(table);
    }

    /// What is wrong, each in a sentence; nothing where all is well.
    pub fn troubles(&self) -> Vec<String> {
        let troubles = self.lock();
        let stopped = troubles.stopped.iter().map(|shard| format!("shard {shard} has stopped until a restart"));
        let failing = troubles.failed_flushes.iter().filter(|(_, failures)| **failures >= FLUSH_FAILURES_MAX);
        stopped.chain(failing.map(|(table, _)| format!("flushes of table {table} keep failing"))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Failures of one table's flush, one after the other, that are more than bad luck.
const FLUSH_FAILURES_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_that_fails_again_and_again_is_trouble_until_one_comes_through() {
        let health = Health::default();
        health.flush_has_failed("air");
        health.flush_has_failed("air");
        health.flush_has_failed("water");
        assert!(health.troubles().is_empty());
        health.flush_has_failed("air");
        assert_eq!(health.troubles(), ["flushes of table air keep failing"]);
        health.flush_is_done("air");
        assert!(health.troubles().is_empty());
        health.shard_has_stopped(ShardId(1));
        assert_eq!(health.troubles(), ["shard 1 has stopped until a restart"]);
    }
}
