//! Schemas and tables with their OIDs. An OID is a hash of the name, so that it is the same for all connections and
//! after a restart, and clients may keep it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use zonelake_query::ListedTable;
use zonelake_registry::Role;

/// OID of the database. Those below 16,384 are of what every PostgreSQL has, and pgAdmin does not show databases among them.
pub(crate) const DATABASE_OID: i32 = 16_384;
/// Description of the database.
pub(crate) const DATABASE_DESCRIPTION: &str = "Telemetry of industrial zones";
/// OID of the administrator, who owns everything.
pub(crate) const OWNER_OID: i32 = 10;
/// OID from which those of all other roles count.
const FIRST_ROLE_OID: i32 = 17_000;
/// OID of `pg_class`, to which descriptions of tables and columns belong.
pub(crate) const PG_CLASS_OID: i32 = 1_259;

/// OID of a role.
pub(crate) fn role_oid(role: &Role) -> i32 {
    if role.is_admin() {
        return OWNER_OID;
    }
    i32::try_from(role.id).unwrap_or(i32::MAX).saturating_add(FIRST_ROLE_OID)
}

/// Table with its OID.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub oid: i32,
    pub schema_oid: i32,
    pub schema: &'static str,
    pub name: String,
    pub description: String,
    /// Columns; `None` for the catalog's own tables.
    pub columns: Option<SchemaRef>,
    /// Count of rows, where it is known without a scan.
    pub rows: Option<usize>,
}

/// All tables.
#[derive(Debug, Default, Clone)]
pub(crate) struct Objects {
    pub tables: Vec<Object>,
}

/// Schemas with their OIDs, which in PostgreSQL's own schemas are those of PostgreSQL.
pub(crate) const SCHEMAS: [(&str, i32); 4] =
    [("pg_catalog", 11), ("public", 2_200), ("information_schema", 13_000), ("system", 16_001)];

/// Tables of the catalog that clients look up by name, with their OIDs in PostgreSQL.
const OF_CATALOG: [(&str, i32); 26] = [
    ("pg_type", 1_247),
    ("pg_attribute", 1_249),
    ("pg_proc", 1_255),
    ("pg_class", PG_CLASS_OID),
    ("pg_authid", 1_260),
    ("pg_database", 1_262),
    ("pg_tablespace", 1_213),
    ("pg_sequence", 2_224),
    ("pg_am", 2_601),
    ("pg_attrdef", 2_604),
    ("pg_cast", 2_605),
    ("pg_constraint", 2_606),
    ("pg_description", 2_609),
    ("pg_index", 2_610),
    ("pg_inherits", 2_611),
    ("pg_language", 2_612),
    ("pg_namespace", 2_615),
    ("pg_opclass", 2_616),
    ("pg_operator", 2_617),
    ("pg_rewrite", 2_618),
    ("pg_trigger", 2_620),
    ("pg_extension", 3_079),
    ("pg_policy", 3_256),
    ("pg_foreign_table", 3_118),
    ("pg_collation", 3_456),
    ("pg_enum", 3_501),
];

/// Lowest OID of a table of this server.
const FIRST_OID: u32 = 1 << 16;

impl Objects {
    /// Objects with OIDs for these tables.
    pub(crate) fn new(listed: &Arc<[ListedTable]>) -> Self {
        let mut taken = BTreeSet::new();
        let of_catalog = OF_CATALOG.map(|(name, oid)| Object {
            oid,
            schema_oid: 11,
            schema: "pg_catalog",
            name: name.to_owned(),
            description: String::new(),
            columns: None,
            rows: None,
        });
        let own = listed.iter().map(|table| {
            let mut offset = hash(table.schema, &table.name);
            // Tables come in the order of their names, so two of one hash get the same OIDs at each start.
            while !taken.insert(offset) {
                offset = (offset + 1) % OIDS;
            }
            Object {
                oid: i32::try_from(FIRST_OID + offset).unwrap_or(i32::MAX),
                schema_oid: schema_oid(table.schema),
                schema: table.schema,
                name: table.name.clone(),
                description: table.description.clone(),
                columns: Some(Arc::clone(&table.columns)),
                rows: table.rows,
            }
        });
        Self { tables: of_catalog.into_iter().chain(own).collect() }
    }

    /// True where these are the objects of just these tables and columns.
    pub(crate) fn are_of(&self, listed: &[ListedTable]) -> bool {
        // Those of the catalog have no columns; the others come in the order of the list.
        let mut own = self.tables.iter().filter_map(|table| Some((table, table.columns.as_ref()?)));
        let are_listed = listed.iter().all(|listed| {
            own.next().is_some_and(|(table, columns)| {
                (table.schema, &table.name) == (listed.schema, &listed.name)
                    && (Arc::ptr_eq(columns, &listed.columns) || *columns == listed.columns)
            })
        });
        are_listed && own.next().is_none()
    }

    /// Objects with the counts of rows that these tables have now.
    pub(crate) fn with_rows(&self, listed: &Arc<[ListedTable]>) -> Self {
        let mut all = self.clone();
        for table in &mut all.tables {
            let now = listed.iter().find(|now| now.schema == table.schema && now.name == table.name);
            table.rows = now.and_then(|now| now.rows);
        }
        all
    }

    /// Table of an OID.
    pub(crate) fn by_oid(&self, oid: i64) -> Option<&Object> {
        self.tables.iter().find(|table| i64::from(table.oid) == oid)
    }

    /// Description of a column with its unit.
    pub(crate) fn column_description(&self, oid: i64, position: i64) -> Option<String> {
        let index = usize::try_from(position).ok()?.checked_sub(1)?;
        let columns = self.by_oid(oid)?.columns.as_ref()?;
        column_description(columns, index)
    }
}

/// Description of a column with its unit: `Air temperature [°C]`.
pub(crate) fn column_description(columns: &SchemaRef, index: usize) -> Option<String> {
    let field = columns.fields().get(index)?;
    let of = |key: &str| field.metadata().get(key).map(String::as_str).filter(|text| !text.is_empty());
    match (of("description"), of("unit")) {
        (Some(description), Some(unit)) => Some(format!("{description} [{unit}]")),
        (Some(only), None) => Some(only.to_owned()),
        (None, Some(unit)) => Some(format!("[{unit}]")),
        (None, None) => None,
    }
}

/// OID of a schema; 0 is none.
pub(crate) fn schema_oid(name: &str) -> i32 {
    SCHEMAS.iter().find(|(known, _)| *known == name).map_or(0, |(_, oid)| *oid)
}

/// OIDs that tables may have: all stay positive in the 32 bits of `int4`.
const OIDS: u32 = 1 << 30;

/// FNV-1a of 32 bits, which must not change: clients keep OIDs over restarts.
fn hash(schema: &str, name: &str) -> u32 {
    let bytes = schema.bytes().chain([b'.']).chain(name.bytes());
    bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)) % OIDS
}
