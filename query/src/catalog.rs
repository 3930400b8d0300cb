//! What one statement sees: every table pinned at one moment, once, so that a table that stands twice in a statement is
//! the same state both times.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::Result;
use object_store::ObjectStore;
use zonelake_registry::Registry;
use zonelake_schemas::Locations;
use zonelake_storage::Store;

use crate::information_schema::{INFORMATION_SCHEMA, information_tables};
use crate::place_columns::PlaceCache;
use crate::query_log::{self, QueryLog};
use crate::reference_tables::reference_tables;
use crate::sql_session::SqlSession;
use crate::table::{PinnedTable, TelemetryTable};

/// The one catalog.
pub const CATALOG: &str = "zonelake";
/// The schema in which all tables of data are.
pub const SCHEMA: &str = "public";
/// The schema of what the server tells of itself.
pub const SYSTEM_SCHEMA: &str = "system";
/// The table of statements.
const QUERIES: &str = "queries";

/// All tables at a moment.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// The tables of telemetry, the one of what was rejected included.
    pub tables: Vec<PinnedTable>,
    /// All places, taken after the views of the tables, so that it has the place of every live row.
    pub places: Arc<Locations>,
}

/// What statements read.
pub trait QuerySource: Debug + Send + Sync + 'static {
    /// The tables as they are now.
    fn pin(&self) -> Pinned;
    /// Zones, sites, devices, gateways and roles.
    fn registry(&self) -> &Arc<Registry>;
    /// Where the files of tables are.
    fn object_store(&self) -> Arc<dyn ObjectStore>;
}

impl QuerySource for Store {
    fn pin(&self) -> Pinned {
        let tables = self.tables().values().map(|table| PinnedTable {
            def: Arc::clone(&table.registered.def),
            schemas: table.registered.schemas.clone(),
            root: table.root().clone(),
            view: table.view(),
        });
        let tables = tables.collect();
        Pinned { tables, places: self.registry().locations() }
    }

    fn registry(&self) -> &Arc<Registry> {
        self.registry()
    }

    fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(self.object_store())
    }
}

/// A table that can be asked for.
#[derive(Debug, Clone)]
pub struct ListedTable {
    /// Its schema.
    pub schema: &'static str,
    /// Its name in it.
    pub name: String,
    /// What it holds, in words; may be empty.
    pub description: String,
    /// Its columns; `unit` and `description` stand in the metadata of fields.
    pub columns: SchemaRef,
    /// Its rows, about, where that is known.
    pub rows: Option<usize>,
}

/// What the catalog of a statement is made of.
#[derive(Debug)]
pub struct CatalogArgs<'a> {
    /// The tables.
    pub source: &'a dyn QuerySource,
    /// Columns of places that were made before.
    pub place_cache: &'a Arc<PlaceCache>,
    /// The statements that run.
    pub log: &'a Arc<QueryLog>,
    /// Who asks.
    pub session: &'a SqlSession,
    /// Whether the statements of other roles are shown, too.
    pub sees_all: bool,
}

/// The catalog of one statement.
pub fn statement_catalog(args: &CatalogArgs<'_>) -> Result<Arc<dyn CatalogProviderList>> {
    let Pinned { tables, places } = args.source.pin();
    let defs: Vec<_> = tables.iter().map(|table| Arc::clone(&table.def)).collect();
    let reference = reference_tables(args.source.registry(), &defs);
    let mut listed = Vec::new();
    let public = MemorySchemaProvider::new();
    for pinned in tables {
        let (name, description) = (pinned.def.name.clone(), pinned.def.description.clone());
        let rows = usize::try_from(pinned.view.file_rows()).ok().map(|in_files| in_files + pinned.view.live_rows());
        let table = TelemetryTable::new(pinned, Arc::clone(&places), Arc::clone(args.place_cache));
        let table: Arc<dyn TableProvider> = Arc::new(table);
        listed.push(ListedTable { schema: SCHEMA, name: name.clone(), description, columns: table.schema(), rows });
        public.register_table(name, table)?;
    }
    for (name, table) in reference {
        let (name, description) = (name.to_owned(), String::new());
        listed.push(ListedTable {
            schema: SCHEMA,
            name: name.clone(),
            description,
            columns: table.schema(),
            rows: None,
        });
        public.register_table(name, table)?;
    }
    let system = MemorySchemaProvider::new();
    let only = (!args.sees_all).then(|| Arc::clone(&args.session.caller.name));
    let queries: Arc<dyn TableProvider> = Arc::new(args.log.table(only));
    listed.push(ListedTable {
        schema: SYSTEM_SCHEMA,
        name: QUERIES.to_owned(),
        description: query_log::DESCRIPTION.to_owned(),
        columns: queries.schema(),
        rows: None,
    });
    system.register_table(QUERIES.to_owned(), queries)?;
    listed.sort_by(|a, b| (a.schema, &a.name).cmp(&(b.schema, &b.name)));
    let listed: Arc<[ListedTable]> = listed.into();

    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(public))?;
    catalog.register_schema(SYSTEM_SCHEMA, Arc::new(system))?;
    let mut schemas = vec![SCHEMA.to_owned(), INFORMATION_SCHEMA.to_owned(), SYSTEM_SCHEMA.to_owned()];
    if let Some(extension) = &args.session.extension {
        for (name, schema) in extension.schemas(args.session, &listed) {
            schemas.push(name.clone());
            catalog.register_schema(&name, schema)?;
        }
    }
    let information = MemorySchemaProvider::new();
    for (name, table) in information_tables(listed, schemas) {
        information.register_table(name.to_owned(), table)?;
    }
    catalog.register_schema(INFORMATION_SCHEMA, Arc::new(information))?;
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Ok(Arc::new(list))
}
