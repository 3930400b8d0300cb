//! The table as DataFusion sees it: files and live rows at one moment, as one set of rows.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use object_store::path::Path;
use zonelake_parquet::DataFile;
use zonelake_schemas::{Locations, TableDef, TableSchemas};
use zonelake_storage::Chunk;
use zonelake_storage::TableView;

use crate::scan::decimal_pushdown::DecimalPushdownFactory;
use crate::scan::file_reader::{FileReaders, times_us};
use crate::scan::filter_pushdown::{keep, location_filter, physical_filter};
use crate::scan::live_columns::LiveRows;
use crate::scan::live_exec::{LiveExec, LiveScan};
use crate::scan::location_columns::LocationCache;
use crate::scan::pruning_statistics::{add_times, counts, file_statistics};

/// URL of the only object store that a statement may read: that of the tables.
pub(crate) const STORE_URL: &str = "zonelake://store/";

/// Table at one moment.
#[derive(Debug, Clone)]
pub struct PinnedTable {
    /// Declaration.
    pub def: Arc<TableDef>,
    /// Schemas.
    pub schemas: TableSchemas,
    /// Path of the files, below the root of the object store.
    pub root: Path,
    /// Files and live rows.
    pub view: Arc<TableView>,
}

/// [`PinnedTable`] for one statement.
#[derive(Debug)]
pub(crate) struct TelemetryTable {
    pinned: PinnedTable,
    locations: Arc<Locations>,
    location_cache: Arc<LocationCache>,
}

impl TelemetryTable {
    /// Table whose live rows are at `locations`, a snapshot that was taken after the view was pinned, so that it has the
    /// location of every row.
    pub(crate) fn new(pinned: PinnedTable, locations: Arc<Locations>, location_cache: Arc<LocationCache>) -> Self {
        Self { pinned, locations, location_cache }
    }

    fn sql(&self) -> &SchemaRef {
        &self.pinned.schemas.sql
    }

    fn scan_live(
        &self,
        state: &dyn Session,
        scan: &Scan<'_>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let all: Vec<Arc<Chunk>> = self.pinned.view.chunks().map(Arc::clone).collect();
        let total = all.len();
        let chunks = keep(&self.pinned.def, self.sql(), all, filter)?;
        if chunks.is_empty() {
            return Ok(None);
        }
        let columns = self.location_cache.columns(&self.locations)?;
        let devices = match location_filter(state, scan.filters)? {
            Some(filter) => Some(columns.passing(&filter)?),
            None => None,
        };
        let mut statistics = counts(&chunks, &self.pinned.def, &scan.schema);
        columns.estimate(&scan.schema, &mut statistics);
        if devices.is_some() {
            statistics = statistics.to_inexact();
        }
        Ok(Some(Arc::new(LiveExec::new(LiveScan {
            pruned_chunks: total - chunks.len(),
            chunks,
            rows: LiveRows::new(&scan.projection, Arc::clone(&scan.schema), columns, devices),
            statistics,
            limit: scan.limit,
            target_partitions: state.config().target_partitions(),
        }))))
    }

    fn scan_files(
        &self,
        state: &dyn Session,
        scan: &Scan<'_>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let mut files = keep(&self.pinned.def, self.sql(), self.pinned.view.files.to_vec(), filter)?;
        if files.is_empty() {
            return Ok(None);
        }
        files.sort_by(|a, b| (a.date, &a.path).cmp(&(b.date, &b.path)));
        let store_url = ObjectStoreUrl::parse(STORE_URL)?;
        let runtime = state.runtime_env();
        let readers =
            FileReaders::new(runtime.object_store(&store_url)?, runtime.cache_manager.get_file_metadata_cache());
        let columns = file_schema(self.sql());
        let source = ParquetSource::new(columns.clone())
            .with_table_parquet_options(state.default_table_options().parquet)
            .with_parquet_file_reader_factory(Arc::new(readers));
        // The partition column stands last in files and first in SQL.
        let last = self.sql().fields().len() - 1;
        let positions: Vec<usize> =
            scan.projection.iter().map(|position| position.checked_sub(1).unwrap_or(last)).collect();
        let groups = self.groups(&files, &columns, &positions, state.config().target_partitions())?;
        let mut statistics = counts(&files, &self.pinned.def, columns.table_schema());
        if filter.is_none()
            && let Some(times) = times_of(&groups, runtime.cache_manager.get_file_metadata_cache().as_ref())
        {
            add_times(&mut statistics, TIME_IN_FILE, times);
        }
        self.location_cache.columns(&self.locations)?.estimate(columns.table_schema(), &mut statistics);
        let config = FileScanConfigBuilder::new(store_url, Arc::new(source))
            .with_statistics(statistics)
            .with_file_groups(groups)
            .with_limit(scan.limit)
            .with_expr_adapter(Some(Arc::new(DecimalPushdownFactory)))
            .with_projection_indices(Some(positions))?
            .build();
        Ok(Some(DataSourceExec::from_data_source(config)))
    }

    /// Files in groups of about the same size, one a partition, each in the order of their dates.
    fn groups(
        &self,
        files: &[Arc<DataFile>],
        columns: &TableSchema,
        wanted: &[usize],
        target_partitions: usize,
    ) -> Result<Vec<FileGroup>> {
        let in_file = columns.file_schema();
        let wanted: Vec<usize> = wanted.iter().copied().filter(|&position| position < in_file.fields().len()).collect();
        let count = target_partitions.clamp(1, files.len());
        let total: u64 = files.iter().map(|file| file.bytes).sum();
        let share = total.div_ceil(count as u64).max(1);
        let mut groups = vec![FileGroup::default(); count];
        let mut before = 0;
        for file in files {
            let group = usize::try_from(before / share).unwrap_or(usize::MAX).min(count - 1);
            groups[group].push(self.partitioned_file(file, in_file, &wanted)?);
            before += file.bytes;
        }
        groups.retain(|group| !group.is_empty());
        Ok(groups)
    }

    fn partitioned_file(
        &self,
        file: &DataFile,
        in_file: &Schema,
        wanted: &[usize],
    ) -> Result<datafusion::datasource::listing::PartitionedFile> {
        let location = Path::parse(format!("{}/{}", self.pinned.root, file.path))?;
        let mut partitioned = datafusion::datasource::listing::PartitionedFile::new("", file.bytes);
        partitioned.object_meta.location = location;
        let statistics: Statistics = file_statistics(file, &self.pinned.def, in_file, wanted);
        Ok(partitioned
            .with_partition_values(vec![ScalarValue::Date32(Some(file.date))])
            .with_statistics(Arc::new(statistics)))
    }
}

/// Position of the time in files.
const TIME_IN_FILE: usize = 0;

/// Scan that a statement wants of a table.
struct Scan<'a> {
    projection: Vec<usize>,
    schema: SchemaRef,
    filters: &'a [Expr],
    limit: Option<usize>,
}

#[async_trait]
impl TableProvider for TelemetryTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.sql())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.sql().fields().len()).collect());
        let schema = Arc::new(self.sql().project(&projection)?);
        let scan = Scan { projection, schema, filters, limit };
        let filter = physical_filter(state, self.sql(), filters.iter().cloned())?;
        let files = self.scan_files(state, &scan, filter.as_ref())?;
        let live = self.scan_live(state, &scan, filter.as_ref())?;
        match (files, live) {
            (Some(files), Some(live)) => UnionExec::try_new(vec![files, live]),
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) => Ok(Arc::new(EmptyExec::new(scan.schema))),
        }
    }

    /// Filters prune files, row groups, pages, chunks and devices; the filter above the scan decides which rows pass.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

/// Minimum and maximum time in all files, if there are any and the metadata of each was read before.
fn times_of(groups: &[FileGroup], metadata: &FileMetadataCache) -> Option<(i64, i64)> {
    let all = groups.iter().flat_map(FileGroup::iter).map(|file| times_us(metadata, file, TIME_IN_FILE));
    let earliest_and_latest = |a: (i64, i64), b: (i64, i64)| (a.0.min(b.0), a.1.max(b.1));
    all.reduce(|all, one| Some(earliest_and_latest(all?, one?))).flatten()
}

/// Columns of a file as SQL shows them, with the `date` of the file's folder.
fn file_schema(sql: &Schema) -> TableSchema {
    let (date, in_file) = sql.fields().split_first().expect("the SQL schema begins with date");
    TableSchema::builder(Arc::new(Schema::new(in_file.to_vec())))
        .with_table_partition_cols(vec![Arc::clone(date)])
        .build()
}
