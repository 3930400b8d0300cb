//! The catalog of one statement: every table pinned at one moment, once, so that a table that stands twice in a statement is
//! the same state both times.

use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::Result;
use zonelake_schemas::Locations;

use crate::catalog::information_schema::information_tables;
use crate::catalog::names::{CATALOG, DEVICES, INFORMATION_SCHEMA, QUERIES, SCHEMA, SYSTEM_SCHEMA};
use crate::catalog::online;
use crate::catalog::reference_tables::reference_tables;
use crate::catalog::source::{ListedTable, Pinned, QuerySource};
use crate::catalog::system_tables::{SystemTable, system_tables};
use crate::catalog::views::{SchemaWithViews, Views};
use crate::engine::query_log::{self, QueryLog};
use crate::engine::session::SqlSession;
use crate::rights::resolved::Rights;
use crate::scan::location_columns::LocationCache;
use crate::scan::telemetry_table::{PinnedTable, TelemetryTable};

/// Parts of which the catalog of a statement is made.
#[derive(Debug)]
pub(crate) struct CatalogArgs<'a> {
    /// The tables.
    pub source: &'a dyn QuerySource,
    /// Columns of locations that were made before.
    pub location_cache: &'a Arc<LocationCache>,
    /// Statements of all roles.
    pub log: &'a Arc<QueryLog>,
    /// Views over the tables.
    pub views: &'a Arc<Views>,
    /// Session of the statement.
    pub session: &'a SqlSession,
    /// What the role of the statement may read.
    pub rights: &'a Rights,
}

/// The catalog of one statement.
pub(crate) fn statement_catalog(args: &CatalogArgs<'_>) -> Result<Arc<dyn CatalogProviderList>> {
    let pinned = args.source.pin();
    let own = if args.rights.is_administrator() { system_tables(&pinned, args.source.merges()) } else { Vec::new() };
    let devices = online_devices(&pinned, args);
    let Pinned { tables, locations } = pinned;
    let defs: Vec<_> = tables.iter().map(|table| Arc::clone(&table.def)).collect();
    let mut public = Public { rights: args.rights, schema: MemorySchemaProvider::new(), listed: Vec::new() };
    for pinned in tables {
        public.add_declared(pinned, &locations, args.location_cache)?;
    }
    for (name, description, table) in reference_tables(args.source.registry(), &args.rights.visible(&defs)) {
        public.add_reference(name, description, table)?;
    }
    let Public { schema: public, mut listed, .. } = public;
    listed.extend(args.views.listed(&public));
    let system = MemorySchemaProvider::new();
    if let Some(devices) = devices {
        listed.push(ListedTable {
            schema: SYSTEM_SCHEMA,
            name: DEVICES.to_owned(),
            description: online::DESCRIPTION.to_owned(),
            columns: devices.schema(),
            rows: None,
            bytes: None,
            definition: None,
        });
        system.register_table(DEVICES.to_owned(), devices)?;
    }
    let only = (!args.rights.sees_all_statements()).then(|| Arc::clone(&args.session.caller.name));
    let queries: Arc<dyn TableProvider> = Arc::new(args.log.table(only));
    listed.push(ListedTable {
        schema: SYSTEM_SCHEMA,
        name: QUERIES.to_owned(),
        description: query_log::DESCRIPTION.to_owned(),
        columns: queries.schema(),
        rows: None,
        bytes: None,
        definition: None,
    });
    system.register_table(QUERIES.to_owned(), queries)?;
    for SystemTable { name, description, table } in own {
        let (name, description, table) = (name.to_owned(), description.to_owned(), Arc::new(table));
        let columns = table.schema();
        listed.push(ListedTable {
            schema: SYSTEM_SCHEMA,
            name: name.clone(),
            description,
            columns,
            rows: None,
            bytes: None,
            definition: None,
        });
        system.register_table(name, table)?;
    }
    listed.sort_by(|a, b| (a.schema, &a.name).cmp(&(b.schema, &b.name)));
    let listed: Arc<[ListedTable]> = listed.into();

    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, SchemaWithViews::new(Arc::new(public), Arc::clone(args.views)))?;
    catalog.register_schema(SYSTEM_SCHEMA, Arc::new(system))?;
    let mut schemas = vec![SCHEMA.to_owned(), INFORMATION_SCHEMA.to_owned(), SYSTEM_SCHEMA.to_owned()];
    if let Some(extension) = &args.session.extension {
        for (name, schema) in extension.schemas(args.session, &listed) {
            schemas.push(name.clone());
            catalog.register_schema(&name, schema)?;
        }
    }
    let information = MemorySchemaProvider::new();
    for (name, table) in information_tables(listed, schemas, &args.session.caller.name) {
        information.register_table(name.to_owned(), table)?;
    }
    catalog.register_schema(INFORMATION_SCHEMA, Arc::new(information))?;
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Ok(Arc::new(list))
}

/// `system.devices`, by the rights of `devices`: each role has those of its places, and when they were heard of in tables that it sees.
fn online_devices(pinned: &Pinned, args: &CatalogArgs<'_>) -> Option<Arc<dyn TableProvider>> {
    let is_heard = |table: &PinnedTable| args.rights.sees_where_devices_are(&table.def);
    let devices = online::devices(pinned, is_heard, Arc::clone(args.source.registry()));
    Some(args.rights.reference(DEVICES, Arc::new(devices))?.table)
}

/// Tables with their columns alone, over which views are planned once.
pub(crate) fn tables_of(
    source: &dyn QuerySource,
    location_cache: &Arc<LocationCache>,
) -> Result<Arc<MemorySchemaProvider>> {
    let Pinned { tables, locations } = source.pin();
    let defs: Vec<_> = tables.iter().map(|table| Arc::clone(&table.def)).collect();
    let public = MemorySchemaProvider::new();
    for pinned in tables {
        let name = pinned.def.name.clone();
        let table = TelemetryTable::new(pinned, Arc::clone(&locations), Arc::clone(location_cache));
        public.register_table(name, Arc::new(table))?;
    }
    for (name, _, table) in reference_tables(source.registry(), &defs) {
        public.register_table(name.to_owned(), table)?;
    }
    Ok(Arc::new(public))
}

/// What is known of a table without a scan.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    rows: Option<usize>,
    bytes: Option<u64>,
}

/// The schema of all tables of data, with what exists in it for a role.
struct Public<'a> {
    rights: &'a Rights,
    schema: MemorySchemaProvider,
    listed: Vec<ListedTable>,
}

impl Public<'_> {
    fn add_declared(
        &mut self,
        pinned: PinnedTable,
        locations: &Arc<Locations>,
        location_cache: &Arc<LocationCache>,
    ) -> Result<()> {
        let def = Arc::clone(&pinned.def);
        let counts = Counts {
            rows: usize::try_from(pinned.view.file_rows()).ok().map(|in_files| in_files + pinned.view.live_rows()),
            bytes: Some(pinned.view.files.iter().map(|file| file.bytes).sum()),
        };
        let table = Arc::new(TelemetryTable::new(pinned, Arc::clone(locations), Arc::clone(location_cache)));
        let Some(granted) = self.rights.declared(&def, table) else { return Ok(()) };
        // A count of all rows would tell of hidden ones.
        let counts = if granted.is_whole { counts } else { Counts::default() };
        self.add(&def.name, &def.description, granted.table, counts)
    }

    fn add_reference(&mut self, name: &str, description: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        match self.rights.reference(name, table) {
            Some(granted) => self.add(name, description, granted.table, Counts::default()),
            None => Ok(()),
        }
    }

    fn add(&mut self, name: &str, description: &str, table: Arc<dyn TableProvider>, counts: Counts) -> Result<()> {
        self.listed.push(ListedTable {
            schema: SCHEMA,
            name: name.to_owned(),
            description: description.to_owned(),
            columns: table.schema(),
            rows: counts.rows,
            bytes: counts.bytes,
            definition: None,
        });
        self.schema.register_table(name.to_owned(), table).map(drop)
    }
}
