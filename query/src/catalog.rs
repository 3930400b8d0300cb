//! What one statement sees: every table pinned at one moment, once, so that a table that stands twice in a statement is
//! the same state both times.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::Result;
use object_store::ObjectStore;
use zonelake_registry::Registry;
use zonelake_schemas::Places;
use zonelake_storage::Store;

use crate::information_schema::{INFORMATION_SCHEMA, information_tables};
use crate::place_columns::PlaceCache;
use crate::reference_tables::reference_tables;
use crate::table::{PinnedTable, TelemetryTable};

/// The one catalog.
pub const CATALOG: &str = "zonelake";
/// The schema in which all tables are.
pub const SCHEMA: &str = "public";

/// All tables at a moment.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// The tables of telemetry, the one of what was rejected included.
    pub tables: Vec<PinnedTable>,
    /// All places, taken after the views of the tables, so that it has the place of every live row.
    pub places: Arc<Places>,
}

/// What statements read.
pub trait QuerySource: Debug + Send + Sync + 'static {
    /// The tables as they are now.
    fn pin(&self) -> Pinned;
    /// Zones, sites, devices, gateways and the administrator.
    fn registry(&self) -> &Arc<Registry>;
    /// Where the files of tables are.
    fn object_store(&self) -> Arc<dyn ObjectStore>;
}

impl QuerySource for Store {
    fn pin(&self) -> Pinned {
        let tables = self.tables().values().map(|table| PinnedTable {
            def: Arc::clone(&table.adopted.def),
            schemas: table.adopted.schemas.clone(),
            root: table.root().clone(),
            view: table.view(),
        });
        let tables = tables.collect();
        Pinned { tables, places: self.registry().places() }
    }

    fn registry(&self) -> &Arc<Registry> {
        self.registry()
    }

    fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(self.object_store())
    }
}

/// The catalog of one statement.
pub fn statement_catalog(
    source: &dyn QuerySource,
    place_cache: &Arc<PlaceCache>,
) -> Result<Arc<dyn CatalogProviderList>> {
    let Pinned { tables, places } = source.pin();
    let public = MemorySchemaProvider::new();
    let mut listed = Vec::new();
    let defs: Vec<_> = tables.iter().map(|table| Arc::clone(&table.def)).collect();
    let reference = reference_tables(source.registry(), &defs);
    let reference = reference.into_iter().map(|(name, table)| (name.to_owned(), table));
    let telemetry = tables.into_iter().map(|pinned| {
        let name = pinned.def.name.clone();
        let table = TelemetryTable::new(pinned, Arc::clone(&places), Arc::clone(place_cache));
        (name, Arc::new(table) as Arc<dyn TableProvider>)
    });
    for (name, table) in telemetry.chain(reference) {
        listed.push((name.clone(), table.schema()));
        public.register_table(name, table)?;
    }
    listed.sort_by(|a, b| a.0.cmp(&b.0));

    let information = MemorySchemaProvider::new();
    for (name, table) in information_tables(listed) {
        information.register_table(name.to_owned(), table)?;
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(public))?;
    catalog.register_schema(INFORMATION_SCHEMA, Arc::new(information))?;
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Ok(Arc::new(list))
}
