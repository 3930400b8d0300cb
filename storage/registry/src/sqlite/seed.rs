//! Reference data of a new registry: provinces, zones and sites, and the tables of dated rows. They are inserted once; what an
//! operator changes afterwards stays.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Deserialize;
use zonelake_schemas::reference::{PROVINCES, SITES, ZONES_CSV};

use crate::error::RegistryError;
use crate::index::locations::insert_location;
use crate::index::zones::{NewZone, insert_province, insert_site, insert_zone};
use crate::reference::stored::{has_all, insert_missing};

/// Inserts the reference data into a file that has never had it.
pub(crate) fn seed(connection: &mut Connection, path: &Path, now_us: i64) -> Result<(), RegistryError> {
    let sqlite = |source| RegistryError::Sqlite { path: path.into(), source };
    if is_seeded(connection).and_then(|seeded| Ok(seeded && has_all(connection)?)).map_err(sqlite)? {
        return Ok(());
    }
    // Immediate: two processes that open a new file both want to write, and the second one waits.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
    // Another process may have been faster: only inside the transaction is the answer final.
    if !is_seeded(&transaction).map_err(sqlite)? {
        insert_reference(&transaction, now_us).map_err(sqlite)?;
    }
    insert_missing(&transaction, now_us).map_err(sqlite)?;
    transaction.commit().map_err(sqlite)
}

/// Name of the fact that the reference data has been inserted.
const SEEDED: &str = "reference_seeded";

fn is_seeded(connection: &Connection) -> rusqlite::Result<bool> {
    let fact: Option<String> =
        connection.query_row("SELECT value FROM facts WHERE name = ?1", [SEEDED], |row| row.get(0)).optional()?;
    Ok(fact.is_some())
}

fn insert_reference(transaction: &Transaction<'_>, now_us: i64) -> rusqlite::Result<()> {
    for province in PROVINCES {
        insert_province(transaction, province.code, province.name)?;
    }
    // The file has no location yet, so the keys begin with 1.
    for (zone, key) in reference_zones().iter().zip(1..) {
        let id = insert_zone(transaction, &zone.as_new(), now_us)?;
        insert_location(transaction, key, id, None, None, now_us)?;
    }
    for site in SITES {
        let zone: u32 = transaction.query_row("SELECT id FROM zones WHERE code = ?1", [site.zone], |row| row.get(0))?;
        insert_site(transaction, zone, site.code, site.name, now_us)?;
    }
    // The fact is in the same transaction as the data, so that the data is there once or not at all.
    transaction.execute("INSERT INTO facts (name, value) VALUES (?1, ?2)", params![SEEDED, now_us.to_string()])?;
    Ok(())
}

/// A line of the reference zones; an empty cell is `None`.
#[derive(Debug, Deserialize)]
struct ZoneLine {
    province: String,
    kind: String,
    code: String,
    name: String,
    locality: Option<String>,
    area_ha: Option<f64>,
    status: String,
    source: Option<String>,
}

impl ZoneLine {
    fn as_new(&self) -> NewZone<'_> {
        NewZone {
            province: &self.province,
            kind: &self.kind,
            code: &self.code,
            name: &self.name,
            locality: self.locality.as_deref(),
            area_ha: self.area_ha,
            status: &self.status,
            source: self.source.as_deref(),
            auto_register: true,
        }
    }
}

fn reference_zones() -> Vec<ZoneLine> {
    csv::Reader::from_reader(ZONES_CSV.as_bytes())
        .into_deserialize()
        .collect::<Result<_, _>>()
        .expect("a test reads the built-in zones")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_zones_read_and_an_empty_cell_is_none() {
        let zones = reference_zones();
        assert_eq!(zones.len(), 36);
        assert_eq!(zones[0].code, "vung-ang");
        assert_eq!(zones[0].area_ha, Some(22781.0));
        assert_eq!(zones[1].area_ha, None);
        assert_eq!(zones.iter().filter(|zone| zone.kind == "CCN" && zone.province == "ha-tinh").count(), 15);
    }
}
