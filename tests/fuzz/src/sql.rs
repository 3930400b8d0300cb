//! Statements, the way that those of all interfaces take: parsed, checked, named, rewritten, and planned over tables without rows.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use zonelake_query::{
    Caller, Interface, Pinned, PinnedTable, QueryEngine, QueryErrorCode, QueryOptions, QuerySource, SqlSession,
};
use zonelake_registry::{RegisteredTable, Registry};
use zonelake_schemas::TableDef;
use zonelake_storage::{MergeEntry, TableView};

use crate::payloads::{StoppedClock, TABLE};

/// Takes the text of a statement.
pub fn sql(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        plan(text);
    }
}

/// Parses a statement, copies and prints it, and plans it.
pub(crate) fn plan(text: &str) {
    outcome(text);
}

/// The same; gives back whether the statement could be planned, and nothing where it could not be parsed.
pub fn outcome(text: &str) -> Option<bool> {
    let planner = Planner::get();
    let statement = planner.engine.parse(text).ok()?;
    // Whoever gets a statement copies it, prints it and walks over it.
    let copy = statement.clone();
    assert!(!copy.to_string().is_empty(), "a statement is not empty");
    let count = copy.parameter_count().ok()?;
    let session = SqlSession::new(Caller { name: "admin".into() }, Interface::Http);
    let described = planner.runtime.block_on(planner.engine.describe(text, statement, vec![None; count], &session));
    if let Err(error) = &described {
        assert_ne!(error.code, QueryErrorCode::TimeLimit, "planning has its bounds: {text}");
    }
    Some(described.is_ok())
}

/// An engine over one table that has no rows.
struct Planner {
    runtime: Runtime,
    engine: QueryEngine,
    _folder: TempDir,
}

impl Planner {
    fn get() -> &'static Self {
        static PLANNER: OnceLock<Planner> = OnceLock::new();
        PLANNER.get_or_init(Self::new)
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let registry = Registry::open(&folder.path().join("registry.sqlite"), Arc::new(StoppedClock));
        let registry = Arc::new(registry.expect("a registry can be made"));
        registry.ensure_admin().expect("there can be an administrator");
        let declared = TableDef::from_toml(TABLE).expect("the declaration is good");
        let tables = registry.register_tables(&[declared]).expect("tables can be made");
        let engine = engine_over(&registry, &tables, folder.path(), Duration::from_secs(PLANNING_SECONDS_MAX));
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime can be made");
        Self { runtime, engine, _folder: folder }
    }
}

/// An engine over tables that have no rows.
pub(crate) fn engine_over(
    registry: &Arc<Registry>,
    tables: &[Arc<RegisteredTable>],
    folder: &std::path::Path,
    time_limit: Duration,
) -> QueryEngine {
    let store = Arc::new(LocalFileSystem::new_with_prefix(folder).expect("a folder is a store"));
    let options = QueryOptions { threads: 1, time_limit, ..QueryOptions::new(folder.join("spill")) };
    let source = Arc::new(EmptyTables { registry: Arc::clone(registry), tables: tables.to_vec(), store });
    QueryEngine::over(source, options).expect("an engine can be made")
}

#[derive(Debug)]
struct EmptyTables {
    registry: Arc<Registry>,
    tables: Vec<Arc<RegisteredTable>>,
    store: Arc<LocalFileSystem>,
}

impl QuerySource for EmptyTables {
    fn pin(&self) -> Pinned {
        let tables = self.tables.iter().map(|table| PinnedTable {
            def: Arc::clone(&table.def),
            schemas: table.schemas.clone(),
            root: Path::from(table.def.name.as_str()),
            view: Arc::new(TableView::default()),
        });
        Pinned { tables: tables.collect(), locations: self.registry.locations() }
    }

    fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as _
    }

    fn merges(&self) -> Vec<MergeEntry> {
        Vec::new()
    }
}

/// Seconds that planning a statement of the fuzzer's length may take under its instruments.
const PLANNING_SECONDS_MAX: u64 = 8;
