//! The handle of an open store: its tables, the registry, and the folder that they live in.
//!
//! | path below the data folder | content |
//! |---|---|
//! | `lock` | held while a process has the folder open |
//! | `registry.sqlite` | the registry |
//! | `wal/` | the WALs of the shards, see [`crate::open::wal_generation`] |
//! | `tables/<name>/` | one Delta Lake table each |

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use object_store::ObjectStore;
use url::Url;
use zonelake_registry::Registry;
use zonelake_schemas::ShardId;
use zonelake_schemas::clock::Clock;

use crate::options::StoreOptions;
use crate::table::table::Table;

/// An open store.
#[derive(Debug)]
pub struct Store {
    pub(crate) options: StoreOptions,
    pub(crate) registry: Arc<Registry>,
    pub(crate) object_store: Arc<dyn ObjectStore>,
    pub(crate) url: Url,
    pub(crate) tables: BTreeMap<String, Arc<Table>>,
    pub(crate) rejected: Arc<Table>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Held as long as the store is open; absent where nothing else can open it.
    pub(crate) _lock: Option<File>,
}

impl Store {
    /// Tables by name, `rejected` included.
    pub fn tables(&self) -> &BTreeMap<String, Arc<Table>> {
        &self.tables
    }

    /// The table of what was rejected.
    pub fn rejected(&self) -> &Arc<Table> {
        &self.rejected
    }

    /// The registry.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Object store of the tables: the whole file system; [`Table::root`] says where in it.
    pub fn object_store(&self) -> &Arc<dyn ObjectStore> {
        &self.object_store
    }

    /// URL that [`object_store`](Self::object_store) begins at.
    pub fn store_url(&self) -> &Url {
        &self.url
    }

    /// Options that the store was opened with.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Clock of the store.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Application id of a shard in `txn` actions of Delta logs.
    pub(crate) fn app_id(&self, shard: ShardId) -> String {
        format!("{}/shard-{:04}", self.options.node, shard.0)
    }
}

/// The shard of an application id that [`Store::app_id`] has made.
pub(crate) fn shard_of(node: &str, app: &str) -> Option<ShardId> {
    app.strip_prefix(node)?.strip_prefix("/shard-")?.parse().ok().map(ShardId)
}
