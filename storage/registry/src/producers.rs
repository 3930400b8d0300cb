//! Producers: whatever numbers its batches, by name within its gateway.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use rusqlite::Connection;
use zonelake_schemas::{GatewayId, ProducerId};

use crate::group_registration::Registration;
use crate::names::check_name;
use crate::{Registry, RegistryError};

/// Producers that one gateway may have. Each run of a file through `push` is one of them; more are refused.
pub const PRODUCERS_PER_GATEWAY_MAX: usize = 100_000;

/// Whose producer it is, and its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerName {
    /// Its gateway.
    pub gateway: GatewayId,
    /// Its name within the gateway.
    pub name: Arc<str>,
}

impl Registry {
    /// The number of a gateway's producer, which gets one where it has none. From memory where it has.
    pub fn producer(&self, gateway: GatewayId, name: &str) -> Result<ProducerId, RegistryError> {
        check_name("producer", name)?;
        if let Some(id) = self.known_producer(gateway, name) {
            return Ok(id);
        }
        self.register(Registration::Producer { gateway, name: name.to_owned() })?;
        self.known_producer(gateway, name)
            .ok_or_else(|| self.damaged(format!("producer {name} of gateway {gateway} is gone after it was written")))
    }

    /// Whether a gateway may have one more producer, beside those in memory and so many that are being written.
    pub(crate) fn check_room_for_producer(&self, gateway: GatewayId, more: usize) -> Result<(), RegistryError> {
        let Some(known) = self.gateway(gateway) else {
            return Err(RegistryError::Unknown { what: "gateway", name: gateway.to_string() });
        };
        if self.count_producers(gateway) + more >= PRODUCERS_PER_GATEWAY_MAX {
            let (name, limit) = (known.name.clone(), PRODUCERS_PER_GATEWAY_MAX);
            return Err(RegistryError::Limit { what: "producers", name, limit });
        }
        Ok(())
    }

    /// Whose producer has that number; `None` where none has.
    pub fn producer_name(&self, id: ProducerId) -> Option<ProducerName> {
        self.producers.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&id).cloned()
    }

    pub(crate) fn known_producer(&self, gateway: GatewayId, name: &str) -> Option<ProducerId> {
        let producers = self.producers.read().unwrap_or_else(PoisonError::into_inner);
        producers.by_name.get(&gateway)?.get(name).copied()
    }

    fn count_producers(&self, gateway: GatewayId) -> usize {
        let producers = self.producers.read().unwrap_or_else(PoisonError::into_inner);
        producers.by_name.get(&gateway).map_or(0, HashMap::len)
    }

    /// Takes the producers that memory does not have yet.
    pub(crate) fn load_producers(&self, connection: &Connection) -> Result<(), RegistryError> {
        let last = self.producers.read().unwrap_or_else(PoisonError::into_inner).last;
        let new = read_producers(connection, last).map_err(|source| self.sqlite(source))?;
        let mut producers = self.producers.write().unwrap_or_else(PoisonError::into_inner);
        for (id, producer) in new {
            producers.by_name.entry(producer.gateway).or_default().insert(Arc::clone(&producer.name), id);
            producers.by_id.insert(id, producer);
            producers.last = id;
        }
        Ok(())
    }
}

/// All producers. It is locked for a lookup or an insertion, never while the disk is used.
#[derive(Debug, Default)]
pub(crate) struct ProducerIndex {
    by_name: HashMap<GatewayId, HashMap<Arc<str>, ProducerId>>,
    by_id: HashMap<ProducerId, ProducerName>,
    /// The greatest number; producers are never removed.
    last: ProducerId,
}

fn read_producers(connection: &Connection, after: ProducerId) -> rusqlite::Result<Vec<(ProducerId, ProducerName)>> {
    connection
        .prepare_cached("SELECT id, gateway, name FROM producers WHERE id > ?1 ORDER BY id")?
        .query_map([after.0], |row| {
            Ok((ProducerId(row.get(0)?), ProducerName { gateway: GatewayId(row.get(1)?), name: row.get(2)? }))
        })?
        .collect()
}
