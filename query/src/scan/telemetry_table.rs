//! The table as DataFusion sees it: files and live rows at one moment, as one set of rows.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use object_store::path::Path;
use zonelake_parquet::{DataFile, RepeatColumns};
use zonelake_schemas::columns::SQL_FIXED;
use zonelake_schemas::{Locations, TableDef, TableSchemas, identity};
use zonelake_storage::{Chunk, HiddenRows, LiveWindows, TableView};

use crate::last::last_table::{LastTable, Shown};
use crate::optimizer::declared_order::DeclaredOrder;
use crate::scan::decimal_pushdown::DecimalPushdownFactory;
use crate::scan::file_reader::{FileReaders, times_us};
use crate::scan::file_rows::FileRowsExec;
use crate::scan::file_statistics::{FilesStatistics, OWN_STATISTICS_MAX};
use crate::scan::filter_pushdown::{keep, key_filters, location_filter, physical_filter};
use crate::scan::hidden_rows::{chunks_by_hidden, files_by_hidden, first_columns, visible, with_filter_columns};
use crate::scan::live_columns::LiveRows;
use crate::scan::live_exec::{LiveExec, LiveScan};
use crate::scan::location_columns::{LocationCache, LocationColumns};
use crate::scan::pruning_statistics::{add_times, counts};
use crate::scan::repeats::choice::Choice;
use crate::scan::repeats::exec::{ChosenFrom, RepeatsExec, key_order};
use crate::scan::repeats::overlaps::{Overlap, Split};
use crate::windows::columns::WindowColumns;

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
    /// Memory of the plans of its scans.
    planned: Mutex<Vec<MemoryReservation>>,
}

impl TelemetryTable {
    /// Table whose live rows are at `locations`, a snapshot that was taken after the view was pinned, so that it has the
    /// location of every row.
    pub(crate) fn new(pinned: PinnedTable, locations: Arc<Locations>, location_cache: Arc<LocationCache>) -> Self {
        Self { pinned, locations, location_cache, planned: Mutex::default() }
    }

    /// The last rows of its devices, as a table; `None` where they are not known.
    pub(crate) fn last(&self, shown: Shown) -> Result<Option<Arc<LastTable>>> {
        let Some(rows) = self.pinned.view.last_rows()? else { return Ok(None) };
        let locations = self.location_columns()?;
        Ok(Some(Arc::new(LastTable::new(shown, self.pinned.schemas.clone(), rows, locations))))
    }

    /// Locations of its rows, as columns.
    pub(crate) fn location_columns(&self) -> Result<Arc<LocationColumns>> {
        Ok(self.location_cache.columns(&self.locations)?)
    }

    /// Its declaration.
    pub(crate) fn def(&self) -> &TableDef {
        &self.pinned.def
    }

    /// Windows over its rows that know a span, at a time by the wall clock; `None` where memory does not have them.
    pub(crate) fn windows(&self, now_us: i64, span_us: (i64, i64)) -> Result<Option<Arc<LiveWindows>>> {
        Ok(self.pinned.view.live_windows(&self.locations, now_us, span_us)?)
    }

    /// Columns of its windows, for a role that sees these columns of it.
    pub(crate) fn window_columns(&self, seen: &SchemaRef) -> WindowColumns {
        WindowColumns::new(&self.pinned.def, &self.pinned.schemas, seen)
    }

    /// Locations of its rows.
    pub(crate) fn locations(&self) -> &Arc<Locations> {
        &self.locations
    }

    fn sql(&self) -> &SchemaRef {
        &self.pinned.schemas.sql
    }

    fn scan_live(
        &self,
        state: &dyn Session,
        scan: &Scan<'_>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
        all: Vec<Arc<Chunk>>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
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
            with_identity: scan
                .has_identity
                .then(|| with_identity(&self.pinned.schemas.live, &self.pinned.schemas.file)),
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
        all: Vec<Arc<DataFile>>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let mut files = keep(&self.pinned.def, self.sql(), all, filter)?;
        if files.is_empty() {
            return Ok(None);
        }
        if scan.projection.is_empty() {
            return Ok(Some(Arc::new(FileRowsExec::new(&files, scan.limit))));
        }
        files.sort_by(|a, b| (a.date, &a.path).cmp(&(b.date, &b.path)));
        let store_url = ObjectStoreUrl::parse(STORE_URL)?;
        let runtime = state.runtime_env();
        let readers =
            FileReaders::new(runtime.object_store(&store_url)?, runtime.cache_manager.get_file_metadata_cache());
        let columns = FileColumns::new(&scan.all, &scan.projection);
        self.reserve_planning(runtime.as_ref(), planning_bytes(files.len(), columns.schema.table_schema()))?;
        let source = ParquetSource::new(columns.schema.clone())
            .with_table_parquet_options(state.default_table_options().parquet)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let groups = self.groups(&files, &columns.schema, state.config().target_partitions())?;
        let mut statistics = counts(&files, &self.pinned.def, columns.schema.table_schema());
        if filter.is_none()
            && let Ok(time) = columns.schema.file_schema().index_of("time")
            && let Some(times) = times_of(&groups, runtime.cache_manager.get_file_metadata_cache().as_ref())
        {
            add_times(&mut statistics, time, times);
        }
        self.location_cache.columns(&self.locations)?.estimate(columns.schema.table_schema(), &mut statistics);
        let config = FileScanConfigBuilder::new(store_url, Arc::new(source))
            .with_statistics(statistics)
            .with_file_groups(groups)
            .with_limit(scan.limit)
            .with_expr_adapter(Some(Arc::new(DecimalPushdownFactory)))
            .with_projection_indices(Some(columns.positions))?
            .build();
        Ok(Some(DataSourceExec::from_data_source(config)))
    }

    /// The visible rows of some files and live chunks.
    fn parts<'c>(
        &self,
        state: &dyn Session,
        scan: &Scan<'_>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
        files: &[Arc<DataFile>],
        chunks: impl Iterator<Item = &'c Arc<Chunk>>,
    ) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let hidden_rows = &self.pinned.view.hidden;
        let mut parts = Vec::new();
        for (hidden, files) in files_by_hidden(hidden_rows, files) {
            let read = |scan: &Scan<'_>| self.scan_files(state, scan, filter, files);
            parts.extend(self.scan_visible(state, scan, hidden.as_ref(), read)?);
        }
        for (hidden, chunks) in chunks_by_hidden(hidden_rows, chunks) {
            let read = |scan: &Scan<'_>| self.scan_live(state, scan, filter, chunks);
            parts.extend(self.scan_visible(state, scan, hidden.as_ref(), read)?);
        }
        Ok(parts)
    }

    /// The rows of a table in which those of one key are one row. Only files that overlap with others or with live rows need a choice. Of
    /// their filters those of the key alone go below it: another one would bring back a row that is not the table's any more.
    fn chosen_parts(
        &self,
        state: &dyn Session,
        scan: &Scan<'_>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let (def, view) = (&self.pinned.def, &self.pinned.view);
        let of_key = key_filters(scan.filters);
        let key_filter = physical_filter(state, self.sql(), of_key.iter().cloned())?;
        // What is hidden is so by its key, too, so that a file of which nothing is visible has no row to choose from.
        let visible = files_by_hidden(&view.hidden, &view.files).into_values().flatten().collect();
        let files = keep(def, self.sql(), visible, key_filter.as_ref())?;
        let chunks = keep(def, self.sql(), view.chunks().cloned().collect(), key_filter.as_ref())?;
        let split = Split::new(def.on_repeat, files, chunks, state.config().target_partitions());
        let mut parts = self.parts(state, scan, filter, &split.alone, std::iter::empty())?;
        let below = Scan {
            all: with_identity(self.sql(), &self.pinned.schemas.file),
            has_identity: true,
            filters: &of_key,
            limit: None,
            ..scan.clone()
        };
        for overlap in &split.overlaps {
            parts.extend(self.choose(state, &below, key_filter.as_ref(), overlap)?);
        }
        Ok(parts)
    }

    /// The row of each key of files and live chunks that overlap.
    fn choose(
        &self,
        state: &dyn Session,
        scan: &Scan<'_>,
        key_filter: Option<&Arc<dyn PhysicalExpr>>,
        overlap: &Overlap,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let mut projection = scan.projection.clone();
        let of_filters = scan.filters.iter().flat_map(Expr::column_refs).map(|column| column.name.as_str());
        for name in RepeatColumns::NAMES.into_iter().chain(of_filters) {
            let position = scan.all.index_of(name)?;
            if !projection.contains(&position) {
                projection.push(position);
            }
        }
        let fields = SQL_FIXED..self.sql().fields().len();
        let is_field = |at: &usize| fields.contains(&projection[*at]);
        let choice =
            Choice { on_repeat: self.pinned.def.on_repeat, fields: (0..projection.len()).filter(is_field).collect() };
        let wider = scan.with_projection(projection)?;
        let mut parts = self.parts(state, &wider, key_filter, &overlap.files, overlap.chunks.iter())?;
        if let Some(filter) = physical_filter(state, &wider.schema, scan.filters.iter().cloned())? {
            for part in &mut parts {
                *part = Arc::new(FilterExec::try_new(Arc::clone(&filter), Arc::clone(part))?);
            }
        }
        let Some(rows) = together(parts)? else { return Ok(None) };
        let order = key_order(&rows.schema())?;
        let sorted = Arc::new(SortExec::new(order.clone(), rows).with_preserve_partitioning(true));
        let merged = Arc::new(SortPreservingMergeExec::new(order, sorted));
        // Files are sorted already, where they are few enough to be read next to each other.
        let merged = DeclaredOrder.optimize(merged, state.config_options())?;
        let of_files = overlap.files.iter().map(|file| usize::try_from(file.rows).unwrap_or(usize::MAX));
        let of_chunks = overlap.chunks.iter().map(|chunk| chunk.rows.num_rows());
        let from = ChosenFrom {
            files: overlap.files.len(),
            chunks: overlap.chunks.len(),
            rows: of_files.chain(of_chunks).fold(0, usize::saturating_add),
        };
        let chosen = RepeatsExec::try_new(merged, choice, from)?;
        first_columns(Arc::new(chosen), scan.projection.len()).map(Some)
    }

    /// The visible rows of a scan. What is hidden is filtered out below everything that the statement wants; a limit counts visible rows.
    fn scan_visible(
        &self,
        state: &dyn Session,
        scan: &Scan<'_>,
        hidden: Option<&HiddenRows>,
        read: impl FnOnce(&Scan<'_>) -> Result<Option<Arc<dyn ExecutionPlan>>>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(hidden) = hidden else { return read(scan) };
        let projection = with_filter_columns(&scan.all, &scan.projection)?;
        let wider = Scan { limit: None, ..scan.with_projection(projection)? };
        read(&wider)?.map(|rows| visible(state, rows, hidden, scan.projection.len())).transpose()
    }

    /// Files in groups of about the same size, one a partition, each in the order of their dates.
    fn groups(
        &self,
        files: &[Arc<DataFile>],
        columns: &TableSchema,
        target_partitions: usize,
    ) -> Result<Vec<FileGroup>> {
        let statistics = FilesStatistics::new(files, &self.pinned.def, columns.file_schema());
        let count = target_partitions.clamp(1, files.len());
        let total: u64 = files.iter().map(|file| file.bytes).sum();
        let share = total.div_ceil(count as u64).max(1);
        let mut groups = vec![FileGroup::default(); count];
        let mut before = 0;
        for file in files {
            let group = usize::try_from(before / share).unwrap_or(usize::MAX).min(count - 1);
            groups[group].push(self.partitioned_file(file, &statistics)?);
            before += file.bytes;
        }
        groups.retain(|group| !group.is_empty());
        Ok(groups)
    }

    fn partitioned_file(&self, file: &DataFile, statistics: &FilesStatistics<'_>) -> Result<PartitionedFile> {
        let location = Path::parse(format!("{}/{}", self.pinned.root, file.path))?;
        let mut partitioned = PartitionedFile::new("", file.bytes);
        partitioned.object_meta.location = location;
        partitioned.partition_values = vec![ScalarValue::Date32(Some(file.date))];
        partitioned.statistics = Some(statistics.of(file));
        Ok(partitioned)
    }

    /// Reserves the memory of a scan's plan until the end of the statement.
    fn reserve_planning(&self, runtime: &RuntimeEnv, bytes: usize) -> Result<()> {
        let reservation = MemoryConsumer::new("the list of files").register(&runtime.memory_pool);
        reservation.try_grow(bytes)?;
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).push(reservation);
        Ok(())
    }
}

/// Memory of the plan of a scan.
fn planning_bytes(files: usize, columns: &Schema) -> usize {
    let statistics = (files * columns.fields().len()).min(OWN_STATISTICS_MAX);
    files * FILE_BYTES + statistics * STATISTICS_BYTES
}

/// Bytes of a file in a plan, about, of which there are two at times.
const FILE_BYTES: usize = 1_200;
/// Bytes of the statistics of a column in a file, about.
const STATISTICS_BYTES: usize = 300;

/// Position of the time in every file.
const TIME_IN_FILE: usize = 0;

/// Scan that a statement wants of a table.
#[derive(Clone)]
struct Scan<'a> {
    /// Columns that there are: those of SQL, with the identity behind them where `has_identity`.
    all: SchemaRef,
    has_identity: bool,
    projection: Vec<usize>,
    schema: SchemaRef,
    filters: &'a [Expr],
    limit: Option<usize>,
}

impl<'a> Scan<'a> {
    fn with_projection(&self, projection: Vec<usize>) -> Result<Self> {
        Ok(Self { schema: Arc::new(self.all.project(&projection)?), projection, ..self.clone() })
    }
}

/// Columns with those of the identity of rows behind them, which are the last of the file schema.
fn with_identity(columns: &Schema, file: &Schema) -> SchemaRef {
    let identity = &file.fields()[file.fields().len() - identity::COLUMNS.len()..];
    Arc::new(Schema::new(columns.fields().iter().chain(identity).cloned().collect::<Vec<_>>()))
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
        let scan = Scan { all: Arc::clone(self.sql()), has_identity: false, projection, schema, filters, limit };
        let filter = physical_filter(state, self.sql(), filters.iter().cloned())?;
        let view = &self.pinned.view;
        let parts = match self.pinned.def.on_repeat.keeps_all() {
            true => self.parts(state, &scan, filter.as_ref(), &view.files, view.chunks())?,
            false => self.chosen_parts(state, &scan, filter.as_ref())?,
        };
        let schema = Arc::clone(&scan.schema);
        Ok(together(parts)?.unwrap_or_else(|| Arc::new(EmptyExec::new(schema))))
    }

    /// Filters prune files, row groups, pages, chunks and devices; the filter above the scan decides which rows pass.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

/// Rows of all of these plans, where there is one.
fn together(mut parts: Vec<Arc<dyn ExecutionPlan>>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    match parts.len() {
        0 | 1 => Ok(parts.pop()),
        _ => UnionExec::try_new(parts).map(Some),
    }
}

/// Minimum and maximum time in all files, if there are any and the metadata of each was read before.
fn times_of(groups: &[FileGroup], metadata: &FileMetadataCache) -> Option<(i64, i64)> {
    let all = groups.iter().flat_map(FileGroup::iter).map(|file| times_us(metadata, file, TIME_IN_FILE));
    let earliest_and_latest = |a: (i64, i64), b: (i64, i64)| (a.0.min(b.0), a.1.max(b.1));
    all.reduce(|all, one| Some(earliest_and_latest(all?, one?))).flatten()
}

/// Columns of files that a scan names, as SQL shows them, with the `date` of the files' folder. A plan has something for each
/// column of each file, so it has no others.
struct FileColumns {
    schema: TableSchema,
    /// Position of each column of the scan. The date stands behind the columns of the files.
    positions: Vec<usize>,
}

impl FileColumns {
    fn new(sql: &Schema, projection: &[usize]) -> Self {
        let (date, all) = sql.fields().split_first().expect("the SQL schema begins with date");
        let mut named: Vec<usize> = projection.iter().filter_map(|position| position.checked_sub(1)).collect();
        named.sort_unstable();
        named.dedup();
        let position = |position: &usize| match position.checked_sub(1) {
            Some(in_file) => named.binary_search(&in_file).unwrap_or(named.len()),
            None => named.len(),
        };
        let positions = projection.iter().map(position).collect();
        let fields = named.iter().map(|&position| Arc::clone(&all[position])).collect::<Vec<_>>();
        let schema = TableSchema::builder(Arc::new(Schema::new(fields)))
            .with_table_partition_cols(vec![Arc::clone(date)])
            .build();
        Self { schema, positions }
    }
}
