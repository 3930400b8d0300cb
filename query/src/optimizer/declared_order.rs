//! Declared order: files are sorted by zone, device and time. Where a statement wants its rows in that order, they are merged
//! instead of sorted: nothing is collected, and with a LIMIT the scan ends after as many rows.
//!
//! The order is declared only where it saves a sort. Declared on every scan it would make each file a partition of its own
//! in all statements, and have DataFusion aggregate by order, which is slower than by runs. Over 37 million rows of 1,000
//! devices `lag` by device takes 3.8 s merged, and 16 s sorted.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};

use crate::rights::granted_rows::GrantedRows;

/// Rule that removes the sorts that the order of files makes needless.
#[derive(Debug)]
pub(crate) struct DeclaredOrder;

impl PhysicalOptimizerRule for DeclaredOrder {
    fn name(&self) -> &str {
        "order_of_files"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let memory = config.execution.sort_spill_reservation_bytes * config.execution.target_partitions;
        let order = Order {
            batch_rows: config.execution.batch_size.get(),
            bytes_max: MEMORY_SHARES * memory,
            nulls_first: true,
        };
        plan.transform_up(|node| {
            let merged = match node.downcast_ref::<SortExec>() {
                Some(sort) => order.in_place_of(sort)?,
                None => order.in_place_of_merged_sorts(&node)?,
            };
            Ok(merged.map_or_else(|| Transformed::no(node), Transformed::yes))
        })
        .data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Limits of merging, and the order of nulls that is tried.
#[derive(Clone, Copy)]
struct Order {
    batch_rows: usize,
    bytes_max: usize,
    /// In files zones and devices that are null come first. Where none is, they come last just as well, which is what ORDER BY
    /// wants; DataFusion finds an order out of one that is declared, and not out of two.
    nulls_first: bool,
}

type Plan = Arc<dyn ExecutionPlan>;

impl Order {
    fn in_place_of(&self, sort: &SortExec) -> Result<Option<Plan>> {
        let Some(rows) = self.sorted_rows(sort)? else { return Ok(None) };
        if !sort.preserve_partitioning() {
            let merge = SortPreservingMergeExec::new(sort.expr().clone(), rows).with_fetch(sort.fetch());
            return Ok(Some(Arc::new(merge)));
        }
        // An operator that reads partitions may rely on the distribution of rows among them.
        if rows.output_partitioning().partition_count() != sort.input().output_partitioning().partition_count() {
            return Ok(None);
        }
        Ok(Some(limited(sort, rows)))
    }

    /// Replacement of sorts below a merge, which reads any number of partitions.
    fn in_place_of_merged_sorts(&self, node: &Plan) -> Result<Option<Plan>> {
        let Some(merge) = node.downcast_ref::<SortPreservingMergeExec>() else { return Ok(None) };
        let Some(rows) = self.merged(merge.input())? else { return Ok(None) };
        Ok(Some(Arc::new(SortPreservingMergeExec::new(merge.expr().clone(), rows).with_fetch(merge.fetch()))))
    }

    /// Same rows in the same order, in any number of partitions.
    fn merged(&self, node: &Plan) -> Result<Option<Plan>> {
        if let Some(sort) = node.downcast_ref::<SortExec>() {
            return Ok(self.sorted_rows(sort)?.map(|rows| limited(sort, rows)));
        }
        if !node.is::<UnionExec>() && !node.is::<ProjectionExec>() {
            return Ok(None);
        }
        let mut some_are_merged = false;
        let mut children: Vec<Plan> = node.children().into_iter().map(Arc::clone).collect();
        for child in &mut children {
            if let Some(merged) = self.merged(child)? {
                *child = merged;
                some_are_merged = true;
            }
        }
        if some_are_merged { over(node, children).map(Some) } else { Ok(None) }
    }

    /// Input of a sort, each partition in its order.
    fn sorted_rows(&self, sort: &SortExec) -> Result<Option<Plan>> {
        for nulls_first in [false, true] {
            let rows = Order { nulls_first, ..*self }.rewrite(sort.input(), sort.expr())?;
            if let Some(rows) = rows.filter(|rows| is_sorted(rows, sort.expr())) {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// Same rows out of files that are read in their order, where they come straight from files. The caller checks whether
    /// that is the wanted order: filters above may have made columns constant.
    fn rewrite(&self, node: &Plan, wanted: &LexOrdering) -> Result<Option<Plan>> {
        if node.is::<DataSourceExec>() {
            return Ok(self.scan(node));
        }
        if let Some(granted) = node.downcast_ref::<GrantedRows>() {
            // Its columns are those of its input; an order of hashes is not declared by its rows.
            let rows = self.rewrite(granted.input(), wanted)?;
            return Ok(rows.map(|rows| Arc::new(granted.over(rows)) as Plan));
        }
        if let Some(union) = node.downcast_ref::<UnionExec>() {
            return self.union(union.children().into_iter().map(Arc::clone).collect(), wanted);
        }
        if let Some(filter) = node.downcast_ref::<FilterExec>() {
            return self.filter(node, filter, wanted);
        }
        if let Some(repartition) = node.downcast_ref::<RepartitionExec>() {
            return self.repartition(repartition, wanted);
        }
        if let Some(coalesce) = node.downcast_ref::<CoalescePartitionsExec>() {
            // Its partitions are merged in their order further up.
            return if coalesce.fetch().is_none() { self.rewrite(coalesce.input(), wanted) } else { Ok(None) };
        }
        let below = match node.downcast_ref::<ProjectionExec>() {
            Some(projection) => ordering_below(
                wanted,
                |position| {
                    let expr = &projection.expr().get(position)?.expr;
                    expr.downcast_ref::<Column>().map(|column| column.index())
                },
                &projection.input().schema(),
            ),
            None => node.is::<CooperativeExec>().then(|| wanted.clone()),
        };
        let children = node.children();
        let (Some(below), [child]) = (below, children.as_slice()) else { return Ok(None) };
        self.rewrite(child, &below)?.map(|child| over(node, vec![child])).transpose()
    }

    fn filter(&self, node: &Plan, filter: &FilterExec, wanted: &LexOrdering) -> Result<Option<Plan>> {
        if filter.fetch().is_some() {
            return Ok(None);
        }
        let input = below_round_robin(filter.input());
        if let Some(union) = input.downcast_ref::<UnionExec>() {
            // Rows that have to be sorted are filtered first.
            let filtered =
                union.children().into_iter().map(|part| over(node, vec![Arc::clone(part)])).collect::<Result<_>>()?;
            return self.union(filtered, wanted);
        }
        let projection = filter.projection().as_ref();
        let below = ordering_below(
            wanted,
            |position| projection.map_or(Some(position), |kept| kept.get(position).copied()),
            &input.schema(),
        );
        let Some(below) = below else { return Ok(None) };
        self.rewrite(input, &below)?.map(|child| over(node, vec![child])).transpose()
    }

    fn repartition(&self, repartition: &RepartitionExec, wanted: &LexOrdering) -> Result<Option<Plan>> {
        let input = repartition.input();
        match repartition.partitioning() {
            Partitioning::RoundRobinBatch(_) => self.rewrite(input, wanted),
            Partitioning::Hash(..) => {
                let Some(input) = self.rewrite(input, wanted)? else { return Ok(None) };
                let again = RepartitionExec::try_new(input, repartition.partitioning().clone())?;
                Ok(Some(Arc::new(again.with_preserve_order())))
            }
            _ => Ok(None),
        }
    }

    /// Parts of a union; those that do not come from files, as live rows, are sorted.
    fn union(&self, parts: Vec<Plan>, wanted: &LexOrdering) -> Result<Option<Plan>> {
        let mut some_are_merged = false;
        let mut sorted = Vec::with_capacity(parts.len());
        for part in parts {
            let merged = self.rewrite(&part, wanted)?.filter(|rows| is_sorted(rows, wanted));
            some_are_merged |= merged.is_some();
            sorted.push(
                merged
                    .unwrap_or_else(|| Arc::new(SortExec::new(wanted.clone(), part).with_preserve_partitioning(true))),
            );
        }
        if some_are_merged { UnionExec::try_new(sorted).map(Some) } else { Ok(None) }
    }

    /// Scan of files, each a partition, with its order declared.
    fn scan(&self, node: &Plan) -> Option<Plan> {
        let scan = node.downcast_ref::<DataSourceExec>()?;
        let (config, source) = scan.downcast_to_file_source::<ParquetSource>()?;
        let files: Vec<_> = config.file_groups.iter().flat_map(FileGroup::iter).cloned().collect();
        let bytes = files.len() * self.batch_rows * row_bytes(&node.schema());
        if files.is_empty() || bytes > self.bytes_max {
            return None;
        }
        let schema = source.table_schema().table_schema();
        let has_nulls = |name: &str| {
            let Ok(column) = schema.index_of(name) else { return true };
            files.iter().any(|file| {
                let statistics = file.statistics.as_ref().and_then(|all| all.column_statistics.get(column));
                statistics.is_none_or(|column| column.null_count != Precision::Exact(0))
            })
        };
        if !self.nulls_first && (has_nulls("zone") || has_nulls("device")) {
            return None;
        }
        let ordering = file_order(schema, self.nulls_first)?;
        let config = FileScanConfigBuilder::from(config.clone())
            .with_file_groups(files.into_iter().map(|file| FileGroup::new(vec![file])).collect())
            .with_output_ordering(vec![ordering])
            .build();
        Some(DataSourceExec::from_data_source(config))
    }
}

/// Order of rows in a file. The date would come first, and is the same for all of them.
fn file_order(schema: &Schema, nulls_first: bool) -> Option<LexOrdering> {
    let columns = ["zone", "device", "time"].map(|name| {
        let column = Column::new_with_schema(name, schema).ok()?;
        Some(PhysicalSortExpr::new(Arc::new(column), SortOptions { descending: false, nulls_first }))
    });
    LexOrdering::new(columns.into_iter().collect::<Option<Vec<_>>>()?)
}

/// Same node over other inputs.
fn over(node: &Plan, inputs: Vec<Plan>) -> Result<Plan> {
    let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(node).replace_children(inputs, recompute)
}

/// Rows of each partition, as many as the sort would let through.
fn limited(sort: &SortExec, rows: Plan) -> Plan {
    match sort.fetch() {
        Some(fetch) => Arc::new(LocalLimitExec::new(rows, fetch)),
        None => rows,
    }
}

fn is_sorted(rows: &Plan, wanted: &LexOrdering) -> bool {
    rows.equivalence_properties().ordering_satisfy(wanted.clone()).unwrap_or(false)
}

/// Ordering in the columns of a node's input, where each of its columns is one of the input's.
fn ordering_below(
    ordering: &LexOrdering,
    position_below: impl Fn(usize) -> Option<usize>,
    input: &SchemaRef,
) -> Option<LexOrdering> {
    let exprs = ordering.iter().map(|sort| {
        let position = position_below(sort.expr.downcast_ref::<Column>()?.index())?;
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(input.fields().get(position)?.name(), position));
        Some(PhysicalSortExpr::new(column, sort.options))
    });
    LexOrdering::new(exprs.collect::<Option<Vec<_>>>()?)
}

/// Input of a node that distributes batches to more partitions; other nodes as they are.
fn below_round_robin(node: &Plan) -> &Plan {
    match node.downcast_ref::<RepartitionExec>() {
        Some(repartition) if matches!(repartition.partitioning(), Partitioning::RoundRobinBatch(_)) => {
            repartition.input()
        }
        _ => node,
    }
}

/// Bytes of a row in memory, about.
fn row_bytes(schema: &Schema) -> usize {
    schema.fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(TEXT_BYTES)).sum()
}

/// Bytes of a text and its view, about.
const TEXT_BYTES: usize = 32;
/// Memory for the batches that are merged, in shares of the reserve of a sort.
const MEMORY_SHARES: usize = 2;
