//! Grants of roles. Each change counts the epoch of rights, which everything carries that was made under rights and is kept.

use std::sync::Arc;

use rusqlite::{Connection, params};
use zonelake_schemas::audit::AUDIT;
use zonelake_schemas::reference::SYSTEM_TABLES;

use crate::access::grant::{Grant, GrantKey, OnlyRows, Place, RoleKind};
use crate::credentials::personal_key::PersonalKey;
use crate::error::RegistryError;
use crate::index::roles::{ALL_TABLES, Role};
use crate::registry::Registry;
use crate::sqlite::database::Load;
use crate::tables::read_tables;

/// Grants of a role; more are refused. The filter of rows has a part for each.
pub(super) const GRANTS_MAX: usize = 256;
/// Bytes of a value that rows are chosen by.
const VALUE_BYTES_MAX: usize = 256;

impl Registry {
    /// Grants a role what it may read; a grant with the same key is replaced. It holds in this process from the next statement
    /// on, and ends those that run; in others after their next [`Registry::refresh`].
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for a role, table, zone or province that there is not, [`RegistryError::Invalid`] for a
    /// grant that the role's kind or the table does not allow, [`RegistryError::Limit`], and errors of the file.
    pub fn grant(&self, role: &str, grant: &Grant) -> Result<(), RegistryError> {
        self.write(&[Load::Roles], |connection, _| {
            let known = self.known_role(role)?;
            if known.grants.len() >= GRANTS_MAX && !known.grants.iter().any(|known| known.key == grant.key) {
                return Err(RegistryError::Limit { what: "grants", name: role.into(), limit: GRANTS_MAX });
            }
            self.upsert_grant(connection, role, known.kind, grant)?;
            self.count_rights_epoch(connection)
        })
    }

    /// Takes a grant away, as [`Registry::grant`] gives it.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for a role or a grant that there is not, and errors of the file.
    pub fn revoke(&self, role: &str, key: &GrantKey) -> Result<(), RegistryError> {
        self.write(&[Load::Roles], |connection, _| {
            let known = self.known_role(role)?;
            let (column, value) = only_columns(key.only.as_ref());
            let removed = connection.execute(
                "DELETE FROM grants WHERE role = ?1 AND table_name = ?2 AND place = ?3 AND only_column = ?4
                 AND only_value = ?5",
                params![known.id, table_column(key), key.place.to_string(), column, value],
            );
            match removed.map_err(|source| self.sqlite(source))? {
                0 => Err(RegistryError::Unknown { what: "grant of role", name: role.into() }),
                _ => self.count_rights_epoch(connection),
            }
        })
    }

    /// Number of changes of rights, from memory. What was made under rights and is kept is made again where it has grown.
    pub fn rights_epoch(&self) -> u64 {
        self.roles.load().rights_epoch()
    }

    /// Key under which personal data are hashed for roles that may not read them.
    pub fn personal_key(&self) -> &PersonalKey {
        &self.personal_key
    }

    fn known_role(&self, name: &str) -> Result<Arc<Role>, RegistryError> {
        self.role(name).ok_or_else(|| RegistryError::Unknown { what: "role", name: name.into() })
    }

    /// Checks and writes a grant of a role that the file has.
    pub(super) fn upsert_grant(
        &self,
        connection: &Connection,
        role: &str,
        kind: RoleKind,
        grant: &Grant,
    ) -> Result<(), RegistryError> {
        kind.check(role, grant)?;
        self.check_place(&grant.key.place)?;
        self.check_table(connection, &grant.key)?;
        let (column, value) = only_columns(grant.key.only.as_ref());
        connection
            .execute(
                "INSERT INTO grants
                     (role, table_name, place, only_column, only_value, plate, person, position, changed_us)
                 SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM roles WHERE name = ?1
                 ON CONFLICT DO UPDATE SET plate = excluded.plate, person = excluded.person,
                     position = excluded.position, changed_us = excluded.changed_us",
                params![
                    role,
                    table_column(&grant.key),
                    grant.key.place.to_string(),
                    column,
                    value,
                    grant.plate.name(),
                    grant.person.name(),
                    grant.position.name(),
                    // 0 says that nobody has changed a grant since there are rights.
                    self.clock.wall_us().max(1),
                ],
            )
            .map_err(|source| self.sqlite(source))?;
        Ok(())
    }

    /// Counts a change of rights.
    pub(super) fn count_rights_epoch(&self, connection: &Connection) -> Result<(), RegistryError> {
        let sql = "UPDATE facts SET value = CAST(value AS INTEGER) + 1 WHERE name = 'rights_epoch'";
        connection.execute(sql, []).map_err(|source| self.sqlite(source))?;
        Ok(())
    }

    fn check_place(&self, place: &Place) -> Result<(), RegistryError> {
        match place {
            Place::Everywhere => Ok(()),
            Place::Zone(code) => self.known_zone(code).map(drop),
            Place::Province(code) => match self.provinces().iter().any(|known| known.code == *code) {
                true => Ok(()),
                false => Err(RegistryError::Unknown { what: "province", name: code.to_string() }),
            },
        }
    }

    /// Refuses a table that there is not, and a column that its rights do not go by.
    fn check_table(&self, connection: &Connection, key: &GrantKey) -> Result<(), RegistryError> {
        let invalid = |name: &str, why| RegistryError::Invalid { what: "grant of table", name: name.into(), why };
        let Some(table) = &key.table else {
            return match key.only {
                None => Ok(()),
                Some(_) => Err(invalid(ALL_TABLES, "rows of one value are granted table by table")),
            };
        };
        if **table == *AUDIT {
            return Err(invalid(table, "auditors and administrators read it, whatever is granted, and nobody else"));
        }
        let stored =
            read_tables(connection).map_err(|source| self.sqlite(source))?.map_err(|what| self.damaged(what))?;
        let declared = stored.iter().find(|stored| *stored.def.name == **table);
        if declared.is_none() && !SYSTEM_TABLES.contains(&&**table) {
            return Err(RegistryError::Unknown { what: "table", name: table.to_string() });
        }
        let Some(OnlyRows { column, value }) = &key.only else { return Ok(()) };
        if value.len() > VALUE_BYTES_MAX {
            return Err(invalid(table, "a value that rows are chosen by has 256 bytes at most"));
        }
        match declared.is_some_and(|declared| declared.def.rights_by.iter().any(|by| **by == **column)) {
            true => Ok(()),
            false => Err(invalid(table, "its declaration does not name that column in rights_by")),
        }
    }
}

fn table_column(key: &GrantKey) -> &str {
    key.table.as_deref().unwrap_or(ALL_TABLES)
}

fn only_columns(only: Option<&OnlyRows>) -> (&str, &str) {
    only.map_or(("", ""), |only| (&*only.column, &*only.value))
}
