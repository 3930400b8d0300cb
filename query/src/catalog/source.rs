//! Source of the engine: tables pinned at one moment, the registry, and the object store of their files.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use object_store::ObjectStore;
use zonelake_registry::Registry;
use zonelake_schemas::Locations;
use zonelake_storage::Store;

use crate::scan::telemetry_table::PinnedTable;

/// All tables at a moment.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// Tables of telemetry, and `rejected`.
    pub tables: Vec<PinnedTable>,
    /// All locations, taken after the views of the tables, so that they include that of every live row.
    pub locations: Arc<Locations>,
}

/// Source of tables for statements.
pub trait QuerySource: Debug + Send + Sync + 'static {
    /// Tables as they are now.
    fn pin(&self) -> Pinned;
    /// Zones, sites, devices, gateways and roles.
    fn registry(&self) -> &Arc<Registry>;
    /// Store of the tables' files.
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
        // Behind the views: a row that became visible meanwhile would else have no location.
        Pinned { tables, locations: self.registry().locations() }
    }

    fn registry(&self) -> &Arc<Registry> {
        self.registry()
    }

    fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(self.object_store())
    }
}

/// Table that statements can read.
#[derive(Debug, Clone)]
pub struct ListedTable {
    /// Schema that it is in.
    pub schema: &'static str,
    /// Name within the schema.
    pub name: String,
    /// Description of its content; may be empty.
    pub description: String,
    /// Columns; `unit` and `description` stand in the metadata of fields.
    pub columns: SchemaRef,
    /// Number of rows, about, where it is known.
    pub rows: Option<usize>,
}
