//! Windows from the rows of a table, where memory does not have them: after a start, until its last hour was read; where rows are hidden that
//! are to go; and for what is older than memory reaches. Rows come from the scan that a statement over them would have, rights included.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, Partitioning, PhysicalExpr,
    PlanProperties,
};
use futures::{StreamExt, stream};
use zonelake_schemas::Quality;
use zonelake_schemas::decimal::from_f64;
use zonelake_schemas::table::DIGITS_64;
use zonelake_storage::{LiveWindows, NumberColumn, WindowKey, WindowRows};

use crate::windows::columns::{WindowColumns, WindowField};
use crate::windows::source::Window;

/// Columns of the scan before those of `rights_by` and the fields.
pub(crate) const RAW_HEAD: [&str; 4] = ["time", "province", "zone", "quality"];

/// Sums rows of a table up to windows.
#[derive(Debug)]
pub(crate) struct RawWindows {
    input: Arc<dyn ExecutionPlan>,
    columns: Arc<WindowColumns>,
    window: Window,
    projection: Arc<[usize]>,
    properties: Arc<PlanProperties>,
}

impl RawWindows {
    /// Over rows with the columns of [`RAW_HEAD`], of `rights_by`, and those fields of the windows that the projection wants.
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        columns: &Arc<WindowColumns>,
        window: Window,
        projection: Arc<[usize]>,
    ) -> Result<Self> {
        let schema: SchemaRef = Arc::new(columns.schema().project(&projection)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self { input, columns: Arc::clone(columns), window, projection, properties: Arc::new(properties) })
    }
}

impl DisplayAs for RawWindows {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawWindows: from_us={}, to_us={}", self.window.from_us, self.window.to_us)
    }
}

impl ExecutionPlan for RawWindows {
    fn name(&self) -> &str {
        "RawWindows"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => {
                Ok(Arc::new(Self::new(input, &self.columns, self.window, Arc::clone(&self.projection))?))
            }
            _ => internal_err!("windows have one input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut input = self.input.execute(partition, Arc::clone(&context))?;
        let reservation = MemoryConsumer::new("windows").register(context.memory_pool());
        let (columns, window, projection) = (Arc::clone(&self.columns), self.window, Arc::clone(&self.projection));
        let rows = stream::once(async move {
            let mut windows = LiveWindows::of_span(&columns.layout, window.from_us, window.to_us);
            while let Some(rows) = input.next().await {
                take(&mut windows, &columns, window, &rows?)?;
                reservation.try_resize(windows.bytes() + windows.keys().len() * KEY_BYTES)?;
            }
            let buckets = windows.joined((window.from_us, window.to_us), window.bucket_us, |_| true);
            let rows = columns.rows(&buckets, windows.keys(), &projection)?;
            reservation.try_grow(rows.get_array_memory_size())?;
            Ok(rows)
        });
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(self.schema(), Box::pin(rows)))))
    }
}

fn take(windows: &mut LiveWindows, columns: &WindowColumns, window: Window, rows: &RecordBatch) -> Result<()> {
    let named = |name: &str| {
        rows.column_by_name(name).ok_or_else(|| exec_datafusion_err!("the rows of a window have no column {name}"))
    };
    let times = named("time")?.as_primitive::<TimestampMicrosecondType>();
    let qualities = texts(named("quality")?)?;
    let qualities = qualities.iter().map(|name| name.and_then(Quality::from_name).map_or(u8::MAX, |known| known as u8));
    let qualities: Vec<u8> = qualities.collect();
    let mut parts = vec![texts(named("province")?)?, texts(named("zone")?)?];
    for name in &columns.by {
        parts.push(texts(named(name)?)?);
    }
    let groups = groups(windows, &parts, rows.num_rows());
    let shown = columns.fields.iter().filter_map(|field| Some((field, rows.column_by_name(&field.name)?)));
    let stored: Vec<(usize, ArrayRef)> =
        shown.map(|(field, column)| Ok((field.field, as_stored(field, column)?))).collect::<Result<_>>()?;
    let rows = WindowRows {
        times: times.values(),
        groups: &groups,
        qualities: &qualities,
        columns: stored.iter().filter_map(|(field, column)| NumberColumn::new(*field, column)).collect(),
    };
    windows.take(&rows, window.to_us);
    Ok(())
}

fn texts(column: &ArrayRef) -> Result<StringViewArray> {
    Ok(cast(column, &DataType::Utf8View)?.as_string_view().clone())
}

/// Numbers of the places of rows.
fn groups(windows: &mut LiveWindows, parts: &[StringViewArray], rows: usize) -> Vec<u32> {
    let value = |part: &StringViewArray, row: usize| part.is_valid(row).then(|| part.value(row).to_owned());
    let mut known: BTreeMap<Vec<Option<String>>, u32> = BTreeMap::new();
    let mut groups: Vec<u32> = Vec::with_capacity(rows);
    for row in 0..rows {
        let is_as_before = |part: &StringViewArray| {
            part.is_valid(row) == part.is_valid(row - 1)
                && (part.is_null(row) || part.value(row) == part.value(row - 1))
        };
        if let (Some(before), true) = (groups.last(), row > 0 && parts.iter().all(is_as_before)) {
            groups.push(*before);
            continue;
        }
        let values: Vec<Option<String>> = parts.iter().map(|part| value(part, row)).collect();
        let group = *known.entry(values).or_insert_with_key(|values| {
            let mut parts = values.iter().map(|value| value.as_deref().map(Arc::from));
            let (province, zone) = (parts.next().flatten(), parts.next().flatten());
            windows.group(WindowKey { province, zone, by: parts.collect() })
        });
        groups.push(group);
    }
    groups
}

/// A column of SQL as it is stored: doubles of decimals as multiples of their last digit, which is exact both ways.
fn as_stored(field: &WindowField, column: &ArrayRef) -> Result<ArrayRef> {
    match (field.decimals, column.data_type()) {
        (Some(decimals), DataType::Float64) => {
            let numbers = column.as_primitive::<Float64Type>().iter().map(|value| match value {
                None => Ok(None),
                Some(value) => match from_f64(value, decimals, DIGITS_64) {
                    Some(number) => Ok(Some(number)),
                    None => exec_err!("{value} is no value of {}", field.name),
                },
            });
            Ok(Arc::new(numbers.collect::<Result<Int64Array>>()?))
        }
        (Some(_), _) => Ok(cast(column, &DataType::Int64)?),
        (None, _) => Ok(cast(column, &DataType::Float64)?),
    }
}

/// Memory of a place, about.
const KEY_BYTES: usize = 256;
