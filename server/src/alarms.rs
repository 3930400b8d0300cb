//! Bounds of the store that may come near: a line in the server log when one does and when it is past, and a gauge of each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Metrics;
use zonelake_storage::Store;
use zonelake_wal::{Disk, RealDisk};

/// How much of a bound is used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Use {
    /// Setting that the bound comes from.
    bound: &'static str,
    /// Table or shard; empty where there is one for all.
    of: String,
    /// Used part: 1 at the bound.
    part: f64,
    /// Part from which on the bound is near.
    near: f64,
    /// What happens there, and what to look at.
    words: &'static str,
}

/// Uses as they were found last.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    last: Mutex<BTreeMap<(&'static str, String), Use>>,
}

/// Change that is worth a line.
#[derive(Debug, PartialEq)]
enum Change {
    Near(Use),
    Past(Use),
}

impl Alarms {
    /// Takes what was found now, and says what has changed.
    fn take(&self, uses: Vec<Use>) -> Vec<Change> {
        let mut last = self.lock();
        let mut changes = Vec::new();
        let mut next = BTreeMap::new();
        for found in uses {
            let key = (found.bound, found.of.clone());
            let was_near = last.get(&key).is_some_and(Use::is_near);
            match (was_near, found.is_near()) {
                (false, true) => changes.push(Change::Near(found.clone())),
                (true, false) => changes.push(Change::Past(found.clone())),
                _ => {}
            }
            next.insert(key, found);
        }
        *last = next;
        changes
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, String), Use>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Use {
    fn is_near(&self) -> bool {
        self.part >= self.near
    }
}

/// Looks at the store again and again, for as long as the server runs.
pub(crate) async fn watch(store: Arc<Store>, alarms: Arc<Alarms>, merge_files_max: usize) {
    loop {
        for change in alarms.take(uses(&store, merge_files_max)) {
            match change {
                Change::Near(Use { bound, of, part, words, .. }) => {
                    tracing::warn!(bound, of, used = format!("{:.0} %", 100.0 * part), "a bound is near: {words}");
                }
                Change::Past(Use { bound, of, part, .. }) => {
                    tracing::info!(bound, of, used = format!("{:.0} %", 100.0 * part), "a bound is no longer near");
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn uses(store: &Store, merge_files_max: usize) -> Vec<Use> {
    let options = store.options();
    let now = store.clock().monotonic();
    let mut uses = Vec::new();
    for (shard, bytes) in store.log_sizes().bytes() {
        uses.push(Use {
            bound: "wal.bytes_max",
            of: format!("shard {shard}"),
            part: part(bytes as f64, options.log_bytes_max as f64),
            near: LOG_NEAR,
            words: "beyond it the tables that hold the write-ahead log are flushed; it grows to some times that where a flush fails or a back-up holds it",
        });
    }
    for (name, table) in store.tables() {
        let of = || format!("table {name}");
        uses.push(Use {
            bound: "flush.live_bytes_max",
            of: of(),
            part: part(table.live_bytes() as f64, options.live_bytes_max as f64),
            near: NEAR,
            words: "at it the senders of this table wait for a flush; the disk or the processors fall behind",
        });
        uses.push(Use {
            bound: "flush.age_seconds",
            of: of(),
            part: part(table.waiting_for(now).unwrap_or_default().as_secs_f64(), options.flush_age_max.as_secs_f64()),
            near: FLUSH_LATE,
            words: "rows have waited for so many times their time; flushes fail or fall behind",
        });
        uses.push(Use {
            bound: "compaction.files_max",
            of: of(),
            part: part(table.merge_backlog() as f64, merge_files_max as f64),
            near: MERGES_LATE,
            words: "so many times the files wait to be merged; merges fail or fall behind, and statements read small files",
        });
    }
    if let Ok(free) = RealDisk.free_bytes(&options.folder) {
        uses.push(Use {
            bound: "storage.free_bytes_min",
            of: String::new(),
            part: part(options.free_bytes_min as f64, free as f64),
            near: DISK_NEAR,
            words: "at it nothing more is taken in; make room on the disk",
        });
    }
    uses
}

/// Part of a bound; 0 where there is none.
fn part(used: f64, bound: f64) -> f64 {
    if bound > 0.0 { used / bound } else { 0.0 }
}

/// Adds the gauge of all bounds.
pub(crate) fn register(metrics: &mut Metrics, alarms: &Arc<Alarms>) {
    metrics.register_collector(Box::new(Gauges(Arc::clone(alarms))));
}

#[derive(Debug)]
struct Gauges(Arc<Alarms>);

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Used part of a bound: 1 at the bound";
        let mut family = encoder.encode_descriptor("zonelake_bound_used", help, None, MetricType::Gauge)?;
        for found in self.0.lock().values() {
            let labels = [("bound", found.bound), ("of", found.of.as_str())];
            ConstGauge::new(found.part).encode(family.encode_family(&labels)?)?;
        }
        let help = "1 while a bound is near";
        let mut family = encoder.encode_descriptor("zonelake_bound_near", help, None, MetricType::Gauge)?;
        for found in self.0.lock().values() {
            let labels = [("bound", found.bound), ("of", found.of.as_str())];
            ConstGauge::new(i64::from(found.is_near())).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// How often the bounds are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A bound at which something stops is near here.
const NEAR: f64 = 0.8;
/// The WAL may go beyond its bound for the time of a flush; here something keeps the flush from it.
const LOG_NEAR: f64 = 1.5;
/// Times that rows may wait for a flush. A table that comes behind others waits for theirs.
const FLUSH_LATE: f64 = 4.0;
/// Times that the files of a class may be too many.
const MERGES_LATE: f64 = 10.0;
/// The disk has twice what must stay free.
const DISK_NEAR: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    fn used(part: f64) -> Use {
        Use { bound: "wal.bytes_max", of: "shard 0".into(), part, near: NEAR, words: "" }
    }

    #[test]
    fn a_bound_that_comes_near_is_told_once_and_so_is_its_end() {
        let alarms = Alarms::default();
        assert_eq!(alarms.take(vec![used(0.5)]), []);
        assert_eq!(alarms.take(vec![used(0.9)]), [Change::Near(used(0.9))]);
        assert_eq!(alarms.take(vec![used(0.95)]), []);
        assert_eq!(alarms.take(vec![used(0.1)]), [Change::Past(used(0.1))]);
        assert_eq!(alarms.take(vec![used(0.8)]), [Change::Near(used(0.8))]);
    }
}
