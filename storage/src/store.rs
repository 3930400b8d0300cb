//! The handle of an open store: its tables, the registry, and the folder that they live in.
//!
//! | path below the data folder | content |
//! |---|---|
//! | `lock` | held while a process has the folder open |
//! | `registry.sqlite` | the registry |
//! | `wal/` | the WALs of the shards, see [`crate::open::wal_generation`] |
//! | `tables/<name>/` | one Delta Lake table each |
//! | `last/<name>.last` | the last rows of the devices of a table, see [`crate::last::checkpoint`] |
//! | `rules/ledger` | retention, legal holds and deletions, see [`crate::rules::ledger`] |
//! | `rules/<name>.clean` | files without a row that is to go, see [`crate::rules::clean_files`] |
//! | `audit/pending/` | orders whose entries are not in the table `audit` yet, see [`crate::audit::pending`] |

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex};

use object_store::ObjectStore;
use url::Url;
use zonelake_registry::Registry;
use zonelake_schemas::ShardId;
use zonelake_schemas::clock::{Clock, ForwardClock};

use crate::backup::hold::BackupHold;
use crate::health::log_sizes::LogSizes;
use crate::health::merges::{MergeEntry, Merges};
use crate::last::checkpoint::LastRowsFolder;
use crate::options::StoreOptions;
use crate::rules::ledger::Rules;
use crate::table::moments::Moments;
use crate::table::table::Table;
use crate::table::view::TableView;

/// An open store.
#[derive(Debug)]
pub struct Store {
    pub(crate) options: StoreOptions,
    pub(crate) registry: Arc<Registry>,
    pub(crate) object_store: Arc<dyn ObjectStore>,
    pub(crate) url: Url,
    pub(crate) tables: BTreeMap<String, Arc<Table>>,
    pub(crate) rejected: Arc<Table>,
    pub(crate) audit: Arc<Table>,
    pub(crate) alerts: Option<Arc<Table>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) forward: Arc<ForwardClock>,
    pub(crate) moments: Arc<Moments>,
    pub(crate) backup_hold: Arc<BackupHold>,
    pub(crate) last: LastRowsFolder,
    pub(crate) log_sizes: LogSizes,
    pub(crate) merges: Merges,
    pub(crate) rules: Rules,
    /// Held while views are made to hide what the rules say.
    pub(crate) refreshing: Mutex<()>,
    /// Held from a look whether a back-up copies files until the ledger of deletions and the files are of one moment again. Taken before
    /// the lock of a table's commits.
    pub(crate) ledger_turn: tokio::sync::Mutex<()>,
    /// Held as long as the store is open; absent where nothing else can open it.
    pub(crate) _lock: Option<File>,
}

impl Store {
    /// Tables by name, `rejected` and `audit` included.
    pub fn tables(&self) -> &BTreeMap<String, Arc<Table>> {
        &self.tables
    }

    /// Views of all tables, by name, at one moment: a group of rows is in all of its tables, or in none, and so is all that was
    /// acknowledged before.
    pub fn views(&self) -> Vec<(&Arc<Table>, Arc<TableView>)> {
        let _no_group_is_half_visible = self.moments.looking();
        self.tables.values().map(|table| (table, table.view())).collect()
    }

    /// The table of what was rejected.
    pub fn rejected(&self) -> &Arc<Table> {
        &self.rejected
    }

    /// The table of who has done what.
    pub fn audit(&self) -> &Arc<Table> {
        &self.audit
    }

    /// The table of what alert rules have found; `None` where the operator has another table of that name.
    pub fn alerts(&self) -> Option<&Arc<Table>> {
        self.alerts.as_ref()
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

    /// Times of receipt, and what they say about the clock.
    pub fn receipt_clock(&self) -> &Arc<ForwardClock> {
        &self.forward
    }

    /// Hold of the back-up that copies the store just now.
    pub fn backup_hold(&self) -> &BackupHold {
        &self.backup_hold
    }

    /// Begins the hold of a back-up, and gives its number. Whatever was changing the ledger together with files has ended then.
    pub async fn hold_for_backup(&self) -> u64 {
        let hold = self.backup_hold.begin(self.clock.monotonic());
        drop(self.ledger_turn.lock().await);
        hold
    }

    /// Length of each WAL.
    pub fn log_sizes(&self) -> &LogSizes {
        &self.log_sizes
    }

    /// The merges that have ended last, oldest first.
    pub fn merges(&self) -> Vec<MergeEntry> {
        self.merges.entries()
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
