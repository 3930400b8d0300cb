//! Marks of the registry: the maximum id of each kind, which the WAL and its records must not be beyond.

use std::sync::PoisonError;

use rusqlite::Connection;
use zonelake_schemas::{DeviceKey, GatewayId, ProducerId, RegistryMarks};

use crate::index::roles::last_role;
use crate::registry::Registry;

impl Registry {
    /// The maximum id of each kind that was ever given out, from memory.
    pub fn marks(&self) -> RegistryMarks {
        // Keys are 1, 2, 3 and so on without a gap.
        let keys = u32::try_from(self.locations.load().len()).expect("devices are limited far below 2^32");
        RegistryMarks {
            device_key: DeviceKey(keys),
            producer: self.producers.read().unwrap_or_else(PoisonError::into_inner).last(),
            gateway: self.gateways.load().last(),
            role: self.roles.load().last(),
        }
    }
}

/// The maximum id of each kind in a file.
pub(crate) fn read_marks(connection: &Connection) -> rusqlite::Result<RegistryMarks> {
    let last = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0));
    Ok(RegistryMarks {
        device_key: DeviceKey(last("SELECT coalesce(max(key), 0) FROM places")?),
        producer: ProducerId(last("SELECT coalesce(max(id), 0) FROM producers")?),
        gateway: GatewayId(last("SELECT coalesce(max(id), 0) FROM gateways")?),
        role: last_role(connection)?,
    })
}
