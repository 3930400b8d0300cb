//! The environment that all statements share: settings, caches, the folder for intermediate results, and the one object store.

use std::path::Path;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, plan_datafusion_err};
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;

use crate::aggregate::run_aggregate::AggregateRuns;
use crate::catalog::names::{CATALOG, SCHEMA};
use crate::engine::options::QueryOptions;
use crate::error::{QueryError, QueryErrorCode};
use crate::last::newest_row::NewestRow;
use crate::last::relations::LastRelations;
use crate::optimizer::bounded_functions::bound_functions;
use crate::optimizer::cooperative::YieldAfterMultiplying;
use crate::optimizer::counted_constants::CountConstants;
use crate::optimizer::counted_functions::CountFunctions;
use crate::optimizer::declared_order::DeclaredOrder;
use crate::optimizer::late_materialization::LateMaterialization;
use crate::optimizer::names_twice::keep_from_names_twice;
use crate::optimizer::view_reach::WidenTimes;
use crate::postgres;
use crate::scan::member_set::SHORT_MAX;
use crate::scan::telemetry_table::STORE_URL;
use crate::windows::relations::WindowRelations;

/// Caches, the folder for intermediate results, and the one object store. Memory is reserved by statement.
pub(crate) fn runtime_env(options: &QueryOptions, store: Arc<dyn ObjectStore>) -> Result<RuntimeEnv, QueryError> {
    clear_spills(&options.spill_dir).map_err(|error| {
        tracing::error!(%error, "the folder for intermediate results cannot be made ready");
        QueryError::new(QueryErrorCode::Internal, "the folder for intermediate results cannot be made ready")
    })?;
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![options.spill_dir.clone()]))
        .with_max_temp_directory_size(options.spill_bytes_max);
    let caches = CacheManagerConfig::default().with_metadata_cache_limit(options.metadata_cache_bytes_max);
    let environment = RuntimeEnvBuilder::new()
        .with_disk_manager_builder(disk)
        .with_cache_manager(caches)
        .with_object_store_registry(Arc::new(OnlyStore(store)))
        .build()?;
    Ok(environment)
}

/// Creates the folder and removes what DataFusion left in it when the process was killed.
fn clear_spills(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("datafusion-") && entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Functions and settings that every statement starts with, still without tables.
pub(crate) fn base_state(options: &QueryOptions, environment: &RuntimeEnv) -> Result<SessionState, QueryError> {
    let config = SessionConfig::from(settings()?)
        .with_target_partitions(options.threads)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    // These rules are appended to DataFusion's own, so they see the plan that would be executed without them.
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(environment.clone()))
        .with_default_features()
        .with_analyzer_rule(Arc::new(CountFunctions))
        .with_optimizer_rule(Arc::new(NewestRow))
        .with_optimizer_rule(Arc::new(CountConstants))
        .with_optimizer_rule(Arc::new(WidenTimes))
        .with_physical_optimizer_rule(Arc::new(DeclaredOrder))
        .with_physical_optimizer_rule(Arc::new(YieldAfterMultiplying))
        .with_physical_optimizer_rule(Arc::new(LateMaterialization))
        .with_physical_optimizer_rule(Arc::new(AggregateRuns))
        .build();
    let rules = keep_from_names_twice(state.physical_optimizers());
    state = SessionStateBuilder::new_from_existing(state).with_physical_optimizer_rules(rules).build();
    zonelake_timeseries::register(&mut state)?;
    zonelake_domain::register(&mut state)?;
    state.register_relation_planner(Arc::new(LastRelations))?;
    state.register_relation_planner(Arc::new(WindowRelations))?;
    bound_functions(&mut state)?;
    postgres::register::register(&mut state)?;
    // Statements read tables: no format, no factory and so no way to a file is known to them.
    state.table_factories_mut().clear();
    Ok(state)
}

/// Memory that each sort of a statement reserves for merging what it has written to the disk. DataFusion's 10 MB for each
/// thread would be more than a small share is altogether.
pub(crate) fn sort_reserve_bytes(statement_bytes_max: usize, threads: usize) -> usize {
    (statement_bytes_max / (8 * threads.max(1))).min(SORT_RESERVE_BYTES_MAX)
}

const SORT_RESERVE_BYTES_MAX: usize = 10 << 20;

fn settings() -> Result<ConfigOptions, DataFusionError> {
    let mut settings = ConfigOptions::new();
    settings.set("datafusion.execution.time_zone", "+00:00")?;
    let parquet = &mut settings.execution.parquet;
    // Files are sorted by zone, device and time, so pages leave out most of what a filter would, and what passes is
    // decided above the scan.
    parquet.pushdown_filters = false;
    parquet.enable_page_index = true;
    parquet.pruning = true;
    // Files have no bloom filters; looking for them would be a read per column and row group.
    parquet.bloom_filter_on_read = false;
    parquet.max_in_list_size = SHORT_MAX;
    // With the few threads of a statement, one that reads the smaller side of a join whole is faster than bringing the
    // larger side into another order, and only then a join's filter is simple enough to be evaluated while decoding.
    settings.optimizer.hash_join_single_partition_threshold_rows = JOIN_ROWS_MAX;
    // The check compares comments of fields too, which a union of a column and an expression has only in one of both plans.
    settings.execution.skip_physical_aggregate_schema_check = true;
    settings.explain.physical_plan_only = true;
    Ok(settings)
}

/// Rows of the smaller side of a join, as estimated, up to which it is read whole.
const JOIN_ROWS_MAX: usize = 1_000_000;

/// The store of the tables, and no other: no URL of a statement leads to a file or a host.
#[derive(Debug)]
struct OnlyStore(Arc<dyn ObjectStore>);

impl ObjectStoreRegistry for OnlyStore {
    fn register_store(&self, _: &url::Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        Some(store)
    }

    fn get_store(&self, url: &url::Url) -> Result<Arc<dyn ObjectStore>, DataFusionError> {
        if url.as_str() == STORE_URL {
            Ok(Arc::clone(&self.0))
        } else {
            Err(plan_datafusion_err!("there is no store {url}"))
        }
    }
}
