//! Grants of gateways: the tables, zones and devices that each may write. A change holds from the next batch on, in streams that are
//! open too.

use rusqlite::{Connection, params};
use zonelake_schemas::TableDef;
use zonelake_schemas::alerts::is_written_by_server;

use crate::access::write_grant::{ALL, WriteGrant};
use crate::error::RegistryError;
use crate::registry::Registry;
use crate::sqlite::database::Load;
use crate::tables::read_tables;

/// Grants of a gateway; more are refused.
const GRANTS_MAX: usize = 1_024;

impl Registry {
    /// Grants a gateway what it may write besides. A grant that it has already stays. It holds in this process from the next batch
    /// on; in others after their next [`Registry::refresh`].
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for a gateway, table or zone that there is not, [`RegistryError::Limit`], and errors of the file.
    pub fn grant_gateway(&self, gateway: &str, grant: &WriteGrant) -> Result<(), RegistryError> {
        self.write(&[Load::Gateways], |connection, _| {
            let id = self.live_gateway(connection, gateway)?;
            self.check_writable_table(connection, grant)?;
            self.insert_write_grant(connection, id, grant)?;
            let count: i64 = connection
                .query_row("SELECT count(*) FROM gateway_grants WHERE gateway = ?1", [id], |row| row.get(0))
                .map_err(|source| self.sqlite(source))?;
            match usize::try_from(count).is_ok_and(|count| count <= GRANTS_MAX) {
                true => Ok(()),
                false => Err(RegistryError::Limit { what: "grants", name: gateway.into(), limit: GRANTS_MAX }),
            }
        })
    }

    /// Takes a grant of a gateway away, as [`Registry::grant_gateway`] gives it.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for a gateway or a grant that there is not, and errors of the file.
    pub fn revoke_gateway_grant(&self, gateway: &str, grant: &WriteGrant) -> Result<(), RegistryError> {
        self.write(&[Load::Gateways], |connection, _| {
            let id = self.live_gateway(connection, gateway)?;
            let zone = self.known_zone(&grant.zone)?;
            let removed = connection.execute(
                "DELETE FROM gateway_grants WHERE gateway = ?1 AND table_name = ?2 AND zone = ?3 AND devices = ?4",
                params![id, table_column(grant), zone.id.0, grant.devices.to_string()],
            );
            match removed.map_err(|source| self.sqlite(source))? {
                0 => Err(RegistryError::Unknown { what: "grant of gateway", name: gateway.into() }),
                _ => Ok(()),
            }
        })
    }

    /// Writes a grant of a gateway that the file has.
    pub(super) fn insert_write_grant(
        &self,
        connection: &Connection,
        gateway: u32,
        grant: &WriteGrant,
    ) -> Result<(), RegistryError> {
        let zone = self.known_zone(&grant.zone)?;
        connection
            .execute(
                "INSERT INTO gateway_grants (gateway, table_name, zone, devices, changed_us) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING",
                params![gateway, table_column(grant), zone.id.0, grant.devices.to_string(), self.clock.wall_us()],
            )
            .map(drop)
            .map_err(|source| self.sqlite(source))
    }

    /// Id of a gateway that is not revoked.
    fn live_gateway(&self, connection: &Connection, name: &str) -> Result<u32, RegistryError> {
        let sql = "SELECT id FROM gateways WHERE name = ?1 AND revoked_us IS NULL";
        connection.query_row(sql, [name], |row| row.get(0)).map_err(|source| match source {
            rusqlite::Error::QueryReturnedNoRows => RegistryError::Unknown { what: "gateway", name: name.into() },
            source => self.sqlite(source),
        })
    }

    /// Refuses a table that there is not, and those that the server alone writes.
    fn check_writable_table(&self, connection: &Connection, grant: &WriteGrant) -> Result<(), RegistryError> {
        let Some(table) = &grant.table else { return Ok(()) };
        let stored =
            read_tables(connection).map_err(|source| self.sqlite(source))?.map_err(|what| self.damaged(what))?;
        let is_it = |def: &TableDef| *def.name == **table && !is_written_by_server(def);
        let is_writable = stored.iter().any(|stored| is_it(&stored.def));
        match is_writable {
            true => Ok(()),
            false => Err(RegistryError::Unknown { what: "table", name: table.to_string() }),
        }
    }
}

fn table_column(grant: &WriteGrant) -> &str {
    grant.table.as_deref().unwrap_or(ALL)
}
