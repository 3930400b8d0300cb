//! Schemas and tables with their OIDs. An OID is a hash of the name, so that it is the same for all connections and
//! after a restart, and clients may keep it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use zonelake_query::ListedTable;
use zonelake_registry::Role;

use crate::catalog::relation_oids::PG_CATALOG;

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
    /// Columns; `None` for a relation of the catalog that cannot be read.
    pub columns: Option<SchemaRef>,
    /// Count of rows, where it is known without a scan.
    pub rows: Option<usize>,
    /// Bytes of its files, where they are known.
    pub bytes: Option<u64>,
    pub is_view: bool,
    /// SQL of a view, where it has one.
    pub definition: Option<&'static str>,
}

/// All tables.
#[derive(Debug, Default, Clone)]
pub(crate) struct Objects {
    pub tables: Vec<Object>,
}

/// Schemas with their OIDs, which in PostgreSQL's own schemas are those of PostgreSQL.
pub(crate) const SCHEMAS: [(&str, i32); 4] =
    [("pg_catalog", 11), ("public", 2_200), ("information_schema", 13_000), ("system", 16_001)];

/// Lowest OID of a table of this server.
const FIRST_OID: u32 = 1 << 16;

impl Objects {
    /// Objects with OIDs for these tables, behind those of the catalog itself.
    pub(crate) fn new(of_catalog: &[Object], listed: &Arc<[ListedTable]>) -> Self {
        let mut taken = BTreeSet::new();
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
                bytes: table.bytes,
                is_view: table.definition.is_some(),
                definition: table.definition,
            }
        });
        Self { tables: of_catalog.iter().cloned().chain(own).collect() }
    }

    /// True where these are the objects of just these tables and columns.
    pub(crate) fn are_of(&self, listed: &[ListedTable]) -> bool {
        // They come in the order of the list.
        let own = self.tables.iter().filter(|table| table.schema != PG_CATALOG);
        let mut own = own.filter_map(|table| Some((table, table.columns.as_ref()?)));
        let are_listed = listed.iter().all(|listed| {
            own.next().is_some_and(|(table, columns)| {
                (table.schema, &table.name) == (listed.schema, &listed.name)
                    && (Arc::ptr_eq(columns, &listed.columns) || *columns == listed.columns)
            })
        });
        are_listed && own.next().is_none()
    }

    /// Objects with the counts of rows and bytes that these tables have now.
    pub(crate) fn with_counts(&self, listed: &Arc<[ListedTable]>) -> Self {
        let mut all = self.clone();
        for table in all.tables.iter_mut().filter(|table| table.schema != PG_CATALOG) {
            let now = listed.iter().find(|now| now.schema == table.schema && now.name == table.name);
            table.rows = now.and_then(|now| now.rows);
            table.bytes = now.and_then(|now| now.bytes);
        }
        all
    }

    /// Table of a name as SQL writes it, `probe`, `public.probe` or `"public"."probe"`.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Object> {
        let mut parts = name.rsplit('.').map(|part| part.trim_matches('"'));
        let (last, schema) = (parts.next()?, parts.next());
        let found = |schema: &str| schema == "public" || schema == PG_CATALOG;
        let mut named = self.tables.iter().filter(|table| table.name == last);
        named.find(|table| schema.map_or(found(table.schema), |schema| table.schema == schema))
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
    // Fields of a table stand behind these, and may not have their names.
    let of_reading = OF_READING.get(index).filter(|(name, _)| name == field.name());
    if let Some((_, description)) = of_reading
        && columns.column_with_name("ingested_at").is_some()
    {
        return Some((*description).to_owned());
    }
    let of = |key: &str| field.metadata().get(key).map(String::as_str).filter(|text| !text.is_empty());
    match (of("description"), of("unit")) {
        (Some(description), Some(unit)) => Some(format!("{description} [{unit}]")),
        (Some(only), None) => Some(only.to_owned()),
        (None, Some(unit)) => Some(format!("[{unit}]")),
        (None, None) => None,
    }
}

/// Columns that each table of readings begins with, in their order, with their descriptions.
const OF_READING: [(&str, &str); 9] = [
    ("date", "Day of the time by UTC; narrows what is read, and is no time axis"),
    ("time", "Time of the measurement"),
    ("ingested_at", "Time of receipt, to the millisecond"),
    ("province", "Province of the zone"),
    ("zone", "Zone of the device when it measured"),
    ("site", "Site of the device within the zone"),
    ("device", "Name of the device"),
    ("quality", "Quality of the measurement: good, or why it is not"),
    ("backfill", "True where it was delivered on the lane for what was measured earlier"),
];

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
