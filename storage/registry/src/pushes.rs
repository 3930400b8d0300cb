//! The ledger of what gateways have pushed: files, known by digests of their rows. It lets a file that was mended, has grown or was sent under
//! another name add only what is new; what keeps rows from being stored twice while a push goes on are sequence numbers, as for any batch.
//!
//! Nothing of it is in memory, so its length costs no time at start. The latest [`PUSHES_KEPT_MAX`] entries are kept, which take less than 100 MB.

use rusqlite::{Connection, OptionalExtension, Row, params};
use zonelake_schemas::{Epoch, GatewayId, Lane};

use crate::error::RegistryError;
use crate::registry::Registry;

/// A push as a gateway notes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushEntry {
    /// Table that its rows go to.
    pub table: String,
    /// Lane of its batches.
    pub lane: Lane,
    /// Name of the entry in its table and lane: the producer of its batches, with the epoch where it was lent.
    pub producer: String,
    /// Digest of its first row.
    pub head: Vec<u8>,
    /// Digest of its rows in any order.
    pub rows_set: Vec<u8>,
    /// Digest of its file.
    pub content: Vec<u8>,
    /// The rest of it, in the gateway's own form.
    pub record: Vec<u8>,
}

/// Producer that is lent to one push after another, each in an epoch of its own, so that a gateway has as many of them as pushes that are under way and
/// not one for each file for ever. The next push fences the one before, of which all is durable by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LentProducer {
    number: u32,
    /// Epoch of the push.
    pub epoch: Epoch,
}

impl LentProducer {
    /// Name of the producer.
    pub fn name(self) -> String {
        format!("push:{}", self.number)
    }
}

/// Name of the entry of a push under a lent producer.
pub fn entry_name(producer: &str, epoch: Epoch) -> String {
    format!("{producer}@{epoch}")
}

/// Digests that a push is looked up by; one that is empty looks nothing up.
#[derive(Debug, Clone, Copy, Default)]
pub struct PushDigests<'a> {
    /// Digest of the first row.
    pub head: &'a [u8],
    /// Digest of all rows in any order.
    pub rows_set: &'a [u8],
    /// Digest of the file.
    pub content: &'a [u8],
}

/// A push of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedPush {
    /// Table that its rows went to.
    pub table: String,
    /// Digest of its first row.
    pub head: Vec<u8>,
    /// Digest of its rows in any order.
    pub rows_set: Vec<u8>,
    /// Digest of its file.
    pub content: Vec<u8>,
    /// Its record, as the gateway noted it last.
    pub record: Vec<u8>,
    /// When it was noted first, microseconds since 1970, UTC.
    pub begun_us: i64,
}

impl Registry {
    /// Notes a push durably. A note of the same producer, table and lane replaces the record of the earlier one. Of a push that is done
    /// a lent producer is free for another one.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn note_push(&self, gateway: GatewayId, push: &PushEntry, is_done: bool) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            self.insert_push(connection, gateway, push)?;
            if is_done {
                connection.execute(RELEASE, params![gateway.0, push.producer]).map_err(|source| self.sqlite(source))?;
            }
            Ok(())
        })
    }

    /// Lends a producer to a new push and notes it, in one step.
    ///
    /// # Errors
    /// [`RegistryError::Limit`] where [`PUSHES_UNDER_WAY_MAX`] pushes of the gateway are not done, and errors of the file.
    pub fn note_new_push(
        &self,
        gateway: GatewayId,
        push: impl FnOnce(LentProducer) -> PushEntry,
    ) -> Result<LentProducer, RegistryError> {
        self.write(&[], |connection, _| {
            let lent = self.free_producer(connection, gateway)?;
            let push = push(lent);
            let values = params![gateway.0, lent.number, lent.epoch.0.cast_signed(), push.producer];
            connection.execute(LEND, values).map_err(|source| self.sqlite(source))?;
            self.insert_push(connection, gateway, &push)?;
            Ok(lent)
        })
    }

    /// A producer that no push has, in its next epoch.
    fn free_producer(&self, connection: &Connection, gateway: GatewayId) -> Result<LentProducer, RegistryError> {
        let read = |row: &Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?));
        let query = |query: &str| {
            let mut query = connection.prepare_cached(query)?;
            query.query_row([gateway.0], read).optional()
        };
        let free = query(FREE).map_err(|source| self.sqlite(source))?;
        let (number, epoch) = match free {
            Some(free) => free,
            None => query(LAST).map_err(|source| self.sqlite(source))?.map_or((1, 0), |(last, _)| (last + 1, 0)),
        };
        if number > PUSHES_UNDER_WAY_MAX {
            let known = self.gateways.load().gateway(gateway).map(|gateway| gateway.name.clone());
            let name = known.unwrap_or_else(|| gateway.to_string());
            return Err(RegistryError::Limit { what: "pushes under way", name, limit: PUSHES_UNDER_WAY_MAX as usize });
        }
        Ok(LentProducer { number, epoch: Epoch(epoch.cast_unsigned() + 1) })
    }

    fn insert_push(&self, connection: &Connection, gateway: GatewayId, push: &PushEntry) -> Result<(), RegistryError> {
        let values = params![
            gateway.0,
            push.table,
            push.lane as u8,
            push.producer,
            push.head,
            push.rows_set,
            push.content,
            push.record,
            self.clock.wall_us()
        ];
        connection.execute(NOTE, values).map_err(|source| self.sqlite(source))?;
        connection.execute(FORGET, params![PUSHES_KEPT_MAX]).map_err(|source| self.sqlite(source))?;
        Ok(())
    }

    /// Pushes of a gateway into a table and lane that have one of these digests, the latest first.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn pushes_like(
        &self,
        gateway: GatewayId,
        table: &str,
        lane: Lane,
        digests: PushDigests<'_>,
    ) -> Result<Vec<NotedPush>, RegistryError> {
        let PushDigests { head, rows_set, content } = digests;
        self.noted(LIKE, params![gateway.0, table, lane as u8, head, rows_set, content, ANSWERS_MAX])
    }

    /// The latest pushes of a gateway.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn latest_pushes(&self, gateway: GatewayId, count: u32) -> Result<Vec<NotedPush>, RegistryError> {
        self.noted(LATEST, params![gateway.0, count.min(LATEST_MAX)])
    }

    fn noted(&self, query: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<NotedPush>, RegistryError> {
        let read = |row: &Row<'_>| {
            let (head, rows_set, content) = (row.get(3)?, row.get(4)?, row.get(5)?);
            Ok(NotedPush { table: row.get(0)?, head, rows_set, content, record: row.get(1)?, begun_us: row.get(2)? })
        };
        self.read(|connection| {
            let noted = connection.prepare_cached(query).and_then(|mut query| query.query_map(values, read)?.collect());
            noted.map_err(|source| self.sqlite(source))
        })
    }
}

const NOTE: &str = "
INSERT INTO pushes (gateway, table_name, lane, producer, head, rows_set, content, record, begun_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (gateway, table_name, lane, producer) DO UPDATE SET record = excluded.record";

/// Ids only grow, so that what is behind the latest is found without counting.
const FORGET: &str = "DELETE FROM pushes WHERE id <= (SELECT max(id) FROM pushes) - ?1";

const LIKE: &str = "
SELECT table_name, record, begun_us, head, rows_set, content FROM pushes
WHERE gateway = ?1 AND table_name = ?2 AND lane = ?3
AND (length(?4) > 0 AND head = ?4 OR length(?5) > 0 AND rows_set = ?5 OR length(?6) > 0 AND content = ?6)
ORDER BY id DESC LIMIT ?7";

const LATEST: &str = "
SELECT table_name, record, begun_us, head, rows_set, content FROM pushes WHERE gateway = ?1 ORDER BY id DESC LIMIT ?2";

const FREE: &str = "
SELECT number, epoch FROM push_producers WHERE gateway = ?1 AND holder IS NULL ORDER BY number LIMIT 1";

const LAST: &str = "
SELECT number, epoch FROM push_producers WHERE gateway = ?1 ORDER BY number DESC LIMIT 1";

const LEND: &str = "
INSERT INTO push_producers (gateway, number, epoch, holder) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (gateway, number) DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder";

const RELEASE: &str = "
UPDATE push_producers SET holder = NULL WHERE gateway = ?1 AND holder = ?2";

/// Pushes of a gateway that are under way, or were broken off and may go on.
pub const PUSHES_UNDER_WAY_MAX: u32 = 10_000;
/// Entries that are kept. One takes less than 400 bytes with its indices (`tests/ledger.rs` measures it).
pub const PUSHES_KEPT_MAX: i64 = 250_000;
/// Most pushes of one answer.
const ANSWERS_MAX: u32 = 64;
const LATEST_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zonelake_schemas::clock::SystemClock;

    use super::*;

    fn entry(producer: &str, head: &[u8], record: &[u8]) -> PushEntry {
        PushEntry {
            table: "energy".into(),
            lane: Lane::Backfill,
            producer: producer.into(),
            head: head.to_vec(),
            rows_set: b"set".to_vec(),
            content: Vec::new(),
            record: record.to_vec(),
        }
    }

    #[test]
    fn pushes_are_found_by_their_digests_in_their_table_lane_and_gateway_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.sqlite");
        let registry = Registry::open(&path, Arc::new(SystemClock::default())).unwrap();
        let ids = ["a", "b"].map(|name| registry.add_gateway(name, "vung-ang").unwrap().gateway.id);
        registry.note_push(ids[0], &entry("p1", b"h", b"begun"), false).unwrap();
        registry.note_push(ids[0], &entry("p2", b"other", b"2"), false).unwrap();
        registry.note_push(ids[1], &entry("p1", b"h", b"b's"), false).unwrap();
        registry.note_push(ids[0], &entry("p1", b"h", b"done"), true).unwrap();
        drop(registry);

        let registry = Registry::open(&path, Arc::new(SystemClock::default())).unwrap();
        let records = |gateway, table: &str, lane, digests| -> Vec<Vec<u8>> {
            let found = registry.pushes_like(gateway, table, lane, digests).unwrap();
            found.into_iter().map(|push| push.record).collect()
        };
        let head = PushDigests { head: b"h", ..PushDigests::default() };
        assert_eq!(records(ids[0], "energy", Lane::Backfill, head), [b"done"]);
        assert_eq!(records(ids[1], "energy", Lane::Backfill, head), [b"b's"]);
        assert!(records(ids[0], "energy", Lane::Live, head).is_empty());
        assert!(records(ids[0], "network", Lane::Backfill, head).is_empty());
        let set = PushDigests { rows_set: b"set", ..PushDigests::default() };
        assert_eq!(records(ids[0], "energy", Lane::Backfill, set), [&b"2"[..], b"done"]);
        assert!(
            records(ids[0], "energy", Lane::Backfill, PushDigests::default()).is_empty(),
            "no digest finds nothing"
        );
        let latest = registry.latest_pushes(ids[0], 1).unwrap();
        assert!(latest.len() == 1 && latest[0].record == b"2" && latest[0].begun_us > 0);
    }
    #[test]
    fn a_producer_is_lent_to_one_push_at_a_time_and_to_the_next_in_a_later_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.sqlite");
        let open = || Registry::open(&path, Arc::new(SystemClock::default())).unwrap();
        let registry = open();
        let [a, b] = ["a", "b"].map(|name| registry.add_gateway(name, "vung-ang").unwrap().gateway.id);
        let lend = |registry: &Registry, gateway| {
            let of = |lent: LentProducer| entry(&entry_name(&lent.name(), lent.epoch), b"h", b"r");
            let lent = registry.note_new_push(gateway, of).unwrap();
            (lent.name(), lent.epoch.0)
        };
        assert_eq!(lend(&registry, a), ("push:1".into(), 1));
        assert_eq!(lend(&registry, a), ("push:2".into(), 1));
        assert_eq!(lend(&registry, b), ("push:1".into(), 1));
        registry.note_push(a, &entry("push:1@1", b"h", b"done"), true).unwrap();
        drop(registry);
        let registry = open();
        assert_eq!(lend(&registry, a), ("push:1".into(), 2));
        assert_eq!(lend(&registry, a), ("push:3".into(), 1));
        // One that was done before says so once more: its producer is another's by now.
        registry.note_push(a, &entry("push:1@1", b"h", b"done"), true).unwrap();
        assert_eq!(lend(&registry, a), ("push:4".into(), 1));
        for done in 1..=1_000 {
            registry.note_push(a, &entry(&format!("push:2@{done}"), b"h", b"done"), true).unwrap();
            assert_eq!(lend(&registry, a), ("push:2".into(), done + 1));
        }
        let head = PushDigests { head: b"h", ..PushDigests::default() };
        assert_eq!(registry.pushes_like(a, "energy", Lane::Backfill, head).unwrap().len(), ANSWERS_MAX as usize);
    }
}
