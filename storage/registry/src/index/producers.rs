//! Producers of every gateway, by name and by id.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;
use zonelake_schemas::{GatewayId, ProducerId};

/// Producers that one gateway may have. Each run of a file through `push` is one of them; more are refused.
pub const PRODUCERS_PER_GATEWAY_MAX: usize = 100_000;

/// The gateway of a producer, and the producer's name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerName {
    /// Gateway of the producer.
    pub gateway: GatewayId,
    /// Name within the gateway.
    pub name: Arc<str>,
}

/// All producers. The index is locked for a lookup or an insertion, never while the disk is used.
#[derive(Debug, Default)]
pub(crate) struct ProducerIndex {
    by_name: HashMap<GatewayId, HashMap<Arc<str>, ProducerId>>,
    by_id: HashMap<ProducerId, ProducerName>,
    /// Maximum id; producers are never removed.
    last: ProducerId,
}

impl ProducerIndex {
    /// The id of a gateway's producer.
    pub(crate) fn id(&self, gateway: GatewayId, name: &str) -> Option<ProducerId> {
        self.by_name.get(&gateway)?.get(name).copied()
    }

    /// Gateway and name of a producer.
    pub(crate) fn name(&self, id: ProducerId) -> Option<&ProducerName> {
        self.by_id.get(&id)
    }

    /// Number of producers of a gateway.
    pub(crate) fn count(&self, gateway: GatewayId) -> usize {
        self.by_name.get(&gateway).map_or(0, HashMap::len)
    }

    /// Maximum id; [`read_producers`] goes on behind it.
    pub(crate) fn last(&self) -> ProducerId {
        self.last
    }

    /// Adds producers in the order of their ids.
    pub(crate) fn insert(&mut self, producers: Vec<(ProducerId, ProducerName)>) {
        for (id, producer) in producers {
            self.by_name.entry(producer.gateway).or_default().insert(Arc::clone(&producer.name), id);
            self.by_id.insert(id, producer);
            self.last = id;
        }
    }
}

/// The producers behind an id, in the order of their ids.
pub(crate) fn read_producers(
    connection: &Connection,
    after: ProducerId,
) -> rusqlite::Result<Vec<(ProducerId, ProducerName)>> {
    connection
        .prepare_cached("SELECT id, gateway, name FROM producers WHERE id > ?1 ORDER BY id")?
        .query_map([after.0], |row| {
            Ok((ProducerId(row.get(0)?), ProducerName { gateway: GatewayId(row.get(1)?), name: row.get(2)? }))
        })?
        .collect()
}
