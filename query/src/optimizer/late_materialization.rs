//! Late materialization: columns that a filter does not need are decoded for the rows that pass it, and for no others.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use crate::scan::member_set::with_member_sets;

/// Rule that has scans of files evaluate filters while they decode. The filter above the scan still decides which rows pass:
/// DataFusion silently leaves out the part of a filter that it cannot evaluate in the scan.
#[derive(Debug)]
pub(crate) struct LateMaterialization;

impl PhysicalOptimizerRule for LateMaterialization {
    fn name(&self) -> &str {
        "late_materialisation"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| Ok(filtering(&node)?.map_or_else(|| Transformed::no(node), Transformed::yes))).data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same scan with its filter pushed down; none where there is no filter.
fn filtering(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let scan = node.downcast_ref::<DataSourceExec>().and_then(DataSourceExec::downcast_to_file_source::<ParquetSource>);
    let Some((config, source)) = scan else { return Ok(None) };
    let Some(filter) = source.filter() else { return Ok(None) };
    let filter = with_member_sets(filter, source.table_schema().table_schema())?;
    let source = source.clone().with_predicate(filter).with_pushdown_filters(true);
    let config = FileScanConfigBuilder::from(config.clone()).with_source(Arc::new(source)).build();
    Ok(Some(DataSourceExec::from_data_source(config)))
}
