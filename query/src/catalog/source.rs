//! What the engine reads: tables pinned at one moment, the registry, and the object store of their files.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use object_store::ObjectStore;
use zonelake_registry::Registry;
use zonelake_schemas::Locations;
use zonelake_storage::Store;

use crate::scan::table::PinnedTable;

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
        Pinned { tables, places: self.registry().places() }
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
