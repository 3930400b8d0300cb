//! Orders that are not in the table yet: each is a file in `audit/pending` of the data folder, replaced in one step.
//!
//! | path below the data folder | what |
//! |---|---|
//! | `audit/pending/ID.json` | JSON: `{"at_us": 1767225600000000, "is_ended": true, "entry": {"action": "role_add", …}}` |
//!
//! An order is there before it is carried out, and goes once its entry is durable in the table. What a start finds is an order that was cut
//! off, or one that was carried out on the folder of a stopped server or while the table could not be written.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use zonelake_schemas::audit::{AuditEntry, AuditError, AuditTrail, Audited, OrderId};
use zonelake_schemas::clock::Clock;
use zonelake_wal::{Disk, replaced_file};

/// An order in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingOrder {
    /// When it was given, microseconds since 1970, UTC.
    pub at_us: i64,
    /// True where the entry says what has become of it.
    pub is_ended: bool,
    /// The entry.
    pub entry: AuditEntry,
}

/// The orders of a data folder that are not in the table yet.
#[derive(Debug)]
pub struct PendingOrders {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// The last number that was given.
    last: Mutex<u64>,
    clock: Arc<dyn Clock>,
}

impl PendingOrders {
    /// Those of a data folder, whose lock the caller holds. The folder is made with the first one.
    pub fn of(disk: Arc<dyn Disk>, data: &Path, clock: Arc<dyn Clock>) -> Self {
        Self { disk, folder: data.join("audit").join("pending"), last: Mutex::default(), clock }
    }

    /// Notes an order; durable when this returns.
    ///
    /// # Errors
    /// Those of the disk; nothing is noted then.
    pub fn add(&self, entry: AuditEntry, is_ended: bool) -> io::Result<OrderId> {
        let now_us = self.clock.wall_us();
        // By the time, so that no number is that of an order of an earlier run, and in order.
        let id = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = now_us.unsigned_abs().max(*last + 1);
            OrderId(*last)
        };
        self.disk.create_dir_all(&self.folder)?;
        self.write(id, &PendingOrder { at_us: now_us, is_ended, entry })?;
        Ok(id)
    }

    /// Notes what has become of an order; durable when this returns.
    ///
    /// # Errors
    /// Those of the disk; the order is as it was noted before then.
    pub fn end(&self, id: OrderId, entry: AuditEntry) -> io::Result<()> {
        let at_us = i64::try_from(id.0).unwrap_or_default();
        self.write(id, &PendingOrder { at_us, is_ended: true, entry })
    }

    /// Forgets an order whose entry is in the table.
    ///
    /// # Errors
    /// Those of the disk; the order is recorded once more then, by the next start.
    pub fn remove(&self, id: OrderId) -> io::Result<()> {
        self.disk.remove(&self.path(id))?;
        self.disk.sync_dir(&self.folder)
    }

    /// All orders, oldest first, each with its content or with what is wrong with its file. They are what a loss of power leaves: an order that
    /// is read here is recorded, and one that is gone was.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn all(&self) -> io::Result<Vec<(OrderId, io::Result<PendingOrder>)>> {
        replaced_file::adopt_names(self.disk.as_ref(), &self.folder)?;
        let files = match self.disk.list(&self.folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let ids = files.iter().filter_map(|file| file.name.strip_suffix(".json")?.parse().ok());
        let mut ids: Vec<u64> = ids.collect();
        ids.sort_unstable();
        // Also where the clock has gone back since: no later order has a number of before.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = ids.last().copied().unwrap_or_default().max(*last);
        drop(last);
        Ok(ids.into_iter().map(|id| (OrderId(id), self.read(OrderId(id)))).collect())
    }

    fn read(&self, id: OrderId) -> io::Result<PendingOrder> {
        let bytes = replaced_file::read(self.disk.as_ref(), &self.path(id), ORDER_BYTES_MAX)?;
        Ok(serde_json::from_slice(&bytes.ok_or(io::ErrorKind::NotFound)?)?)
    }

    fn write(&self, id: OrderId, order: &PendingOrder) -> io::Result<()> {
        replaced_file::replace(self.disk.as_ref(), &self.path(id), &serde_json::to_vec(order)?)?;
        Ok(())
    }

    fn path(&self, id: OrderId) -> PathBuf {
        self.folder.join(format!("{}.json", id.0))
    }
}

/// Bytes of an order that are read: texts of an entry are far shorter, also where each letter is escaped.
const ORDER_BYTES_MAX: u64 = 1 << 20;

/// Trail of a command that works on the folder of a stopped server: its orders wait for the next start.
#[derive(Debug)]
pub struct FolderTrail(PendingOrders);

impl FolderTrail {
    /// Trail of a data folder, whose lock the caller holds.
    pub fn new(disk: Arc<dyn Disk>, data: &Path, clock: Arc<dyn Clock>) -> Self {
        Self(PendingOrders::of(disk, data, clock))
    }

    /// Notes what was done to the folder; durable when this returns.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn add(&self, entry: AuditEntry) -> Result<(), AuditError> {
        self.0.add(entry, true).map(drop).map_err(not_noted)
    }
}

fn not_noted(error: io::Error) -> AuditError {
    AuditError(format!("the order cannot be noted in audit/pending of the data folder: {error}"))
}

impl AuditTrail for FolderTrail {
    fn note(&self, entry: AuditEntry) {
        if let Err(error) = self.add(entry) {
            tracing::error!("{error}");
        }
    }

    fn record(&self, entry: AuditEntry) -> Audited<'_, ()> {
        Box::pin(async move { self.add(entry) })
    }

    fn begin(&self, entry: AuditEntry) -> Audited<'_, OrderId> {
        Box::pin(async move { self.0.add(entry, false).map_err(not_noted) })
    }

    fn end(&self, order: OrderId, entry: AuditEntry) -> Audited<'_, ()> {
        Box::pin(async move { self.0.end(order, entry).map_err(not_noted) })
    }
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::audit::AuditOutcome;
    use zonelake_schemas::clock::SystemClock;
    use zonelake_wal::RealDisk;

    use super::*;

    #[test]
    fn orders_are_there_from_their_begin_until_they_are_removed_and_in_order() {
        let data = tempfile::tempdir().unwrap();
        let open = || PendingOrders::of(Arc::new(RealDisk), data.path(), Arc::new(SystemClock::default()));
        let orders = open();
        assert!(orders.all().unwrap().is_empty());
        let begun = AuditEntry::new("folder", "role_add", AuditOutcome::Unknown).about("a \"role\"");
        let (first, second) = (orders.add(begun.clone(), false).unwrap(), orders.add(begun.clone(), false).unwrap());
        assert!(first < second);
        let done = AuditEntry { outcome: AuditOutcome::Allowed, ..begun.clone() };
        orders.end(second, done.clone()).unwrap();
        let found: Vec<_> = open().all().unwrap().into_iter().map(|(id, order)| (id, order.unwrap())).collect();
        let entries: Vec<_> = found.iter().map(|(id, order)| (*id, order.is_ended, order.entry.clone())).collect();
        assert_eq!(entries, [(first, false, begun), (second, true, done)]);
        orders.remove(first).unwrap();
        std::fs::write(data.path().join("audit/pending/5.json"), "{").unwrap();
        let left = open().all().unwrap();
        assert_eq!(left.len(), 2);
        assert!(left[0].1.is_err() && left[1].1.is_ok(), "a damaged one is told apart");
    }
}
