//! Source of the engine: tables pinned at one moment, the registry, and the object store of their files.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use zonelake_registry::Registry;
use zonelake_schemas::Locations;
use zonelake_storage::{MergeEntry, Store};

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
    /// Merges that have ended last, oldest first.
    fn merges(&self) -> Vec<MergeEntry>;
    /// Takes live rows of a table into its windows, where the source keeps them: what is not taken in, each statement takes in for itself.
    fn fold_windows(&self, _table: &str) {}
}

impl QuerySource for Store {
    fn pin(&self) -> Pinned {
        let tables = self.views().into_iter().map(|(table, view)| PinnedTable {
            def: Arc::clone(&table.registered.def),
            schemas: table.registered.schemas.clone(),
            root: Path::from(table.name()),
            view,
        });
        let tables = tables.collect();
        // Behind the views: a row that became visible meanwhile would else have no location.
        Pinned { tables, locations: self.registry().locations() }
    }

    fn registry(&self) -> &Arc<Registry> {
        self.registry()
    }

    fn object_store(&self) -> Arc<dyn ObjectStore> {
        // Below the folder of the tables, so that no plan and no error has a path of the machine in it.
        Arc::new(PrefixStore::new(Arc::clone(self.object_store()), folder_of_tables(self)))
    }

    fn merges(&self) -> Vec<MergeEntry> {
        self.merges()
    }

    fn fold_windows(&self, table: &str) {
        let Some(table) = self.tables().get(table) else { return };
        if let Err(error) = self.fold_windows(table) {
            tracing::error!(table = table.name(), "its windows cannot be kept: {error}");
        }
    }
}

/// Folder in which each table has its own, under its name.
fn folder_of_tables(store: &Store) -> Path {
    let table = store.rejected().root();
    let parts: Vec<_> = table.parts().collect();
    parts.into_iter().rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect()
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
    /// Bytes of its files, where it is known and the role may know.
    pub bytes: Option<u64>,
    /// SQL of a view; none for a table.
    pub definition: Option<&'static str>,
}
