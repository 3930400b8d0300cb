//! Columns that a filter does not need are read for the rows that pass it, and for no others.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

/// Lets scans of files evaluate filters while they decode. Which rows pass is still decided by the filter above the scan:
/// DataFusion leaves out a part of a filter that it cannot evaluate there, without a word.
#[derive(Debug)]
pub struct LateMaterialisation;

impl PhysicalOptimizerRule for LateMaterialisation {
    fn name(&self) -> &str {
        "late_materialisation"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| Ok(filtering(&node).map_or_else(|| Transformed::no(node), Transformed::yes))).data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same scan, filtering.
fn filtering(node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let scan = node.downcast_ref::<DataSourceExec>()?;
    let (config, source) = scan.downcast_to_file_source::<ParquetSource>()?;
    source.filter()?;
    let source = source.clone().with_pushdown_filters(true);
    let config = FileScanConfigBuilder::from(config.clone()).with_source(Arc::new(source)).build();
    Some(DataSourceExec::from_data_source(config))
}
