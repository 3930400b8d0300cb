//! A table as a role may read it: without its hidden columns, and without its hidden rows.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, plan_datafusion_err};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use zonelake_registry::PersonalKey;
use zonelake_schemas::Personal;

use crate::optimizer::late_materialization::LateMaterialization;
use crate::rights::granted_rows::{GrantedColumns, GrantedRows};
use crate::rights::personal_hash::hashed_field;
use crate::rights::total::is_total;
use crate::scan::filter_pushdown::physical_filter;

/// Column that a role sees.
#[derive(Debug, Clone)]
pub(crate) struct GrantedColumn {
    /// Position in the whole table.
    pub position: usize,
    /// Kind of its personal data, where the role sees hashes of them.
    pub hashed: Option<Personal>,
}

/// Parts of a granted table.
pub(crate) struct GrantedTableArgs {
    /// Name of the table.
    pub name: Arc<str>,
    /// The whole table.
    pub inner: Arc<dyn TableProvider>,
    /// Rows that the role sees; `None` where it sees all.
    pub rows: Option<Expr>,
    /// Columns that the role sees, in order.
    pub columns: Vec<GrantedColumn>,
    /// Key of the hashes of personal data.
    pub key: PersonalKey,
    /// Rows of a small table, about.
    pub estimate: Option<usize>,
}

/// Table of which a role sees a part.
pub(crate) struct GrantedTable {
    args: GrantedTableArgs,
    schema: SchemaRef,
}

impl GrantedTable {
    /// The part of a table.
    pub(crate) fn new(args: GrantedTableArgs) -> Self {
        let inner = args.inner.schema();
        let field = |column: &GrantedColumn| -> FieldRef {
            let field = &inner.fields()[column.position];
            column.hashed.map_or_else(|| Arc::clone(field), |_| hashed_field(field))
        };
        let schema = Arc::new(Schema::new(args.columns.iter().map(field).collect::<Vec<_>>()));
        Self { args, schema }
    }

    /// The whole table, for what is kept of it in memory and judged by the same rights.
    pub(crate) fn inner(&self) -> &Arc<dyn TableProvider> {
        &self.args.inner
    }

    /// The expression that chooses rows; `None` where the role sees all.
    pub(crate) fn rows(&self) -> Option<&Expr> {
        self.args.rows.as_ref()
    }

    /// The columns that the role sees.
    pub(crate) fn columns(&self) -> &[GrantedColumn] {
        &self.args.columns
    }

    /// Key of the hashes of personal data.
    pub(crate) fn key(&self) -> &PersonalKey {
        &self.args.key
    }

    /// True for a predicate of the statement that may be evaluated on rows before the hidden ones are taken out: it cannot
    /// fail, and it reads columns as they are stored.
    fn may_go_below(&self, predicate: &Expr) -> bool {
        let is_stored = |name: &str| {
            let position = self.schema.index_of(name);
            position.is_ok_and(|position| self.args.columns[position].hashed.is_none())
        };
        is_total(predicate, &is_stored)
    }

    /// Positions in the whole table of the columns that predicates read, and of those that are wanted.
    fn positions(&self, wanted: &[&GrantedColumn], predicates: &[Expr]) -> Result<Vec<usize>> {
        let inner = self.args.inner.schema();
        let mut positions: BTreeSet<usize> = wanted.iter().map(|column| column.position).collect();
        for column in predicates.iter().flat_map(Expr::column_refs) {
            positions.insert(inner.index_of(&column.name)?);
        }
        Ok(positions.into_iter().collect())
    }
}

/// The part of a table that a provider is.
pub(crate) fn granted(provider: &Arc<dyn TableProvider>) -> Option<&GrantedTable> {
    let provider: &dyn Any = provider.as_ref();
    provider.downcast_ref()
}

impl fmt::Debug for GrantedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantedTable").field("name", &self.args.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for GrantedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.args.columns.len()).collect());
        let wanted: Vec<&GrantedColumn> = projection.iter().map(|&position| &self.args.columns[position]).collect();
        let below = filters.iter().filter(|filter| self.may_go_below(filter)).cloned();
        // Rights come first, so that files and devices are left out by them whatever the statement asks.
        let predicates: Vec<Expr> = self.args.rows.iter().cloned().chain(below).collect();
        let positions = self.positions(&wanted, &predicates)?;
        // Without the limit: the rows that it would count are not yet those of the role.
        let mut rows = self.args.inner.scan(state, Some(&positions), &predicates, None).await?;
        if let Some(predicate) = physical_filter(state, &rows.schema(), predicates)? {
            rows = Arc::new(FilterExec::try_new(predicate, rows)?);
        }
        let shown = wanted.iter().map(|column| {
            let below = positions.binary_search(&column.position);
            let below = below.map_err(|_absent| plan_datafusion_err!("a column of a table is missing"))?;
            let name = rows.schema().field(below).name().clone();
            Ok(ProjectionExpr { expr: Arc::new(Column::new(&name, below)), alias: name })
        });
        let shown = shown.collect::<Result<Vec<_>>>()?;
        rows = Arc::new(ProjectionExec::try_new(shown, rows)?);
        // The rules of the statement will not look below, so what filters need is done here.
        rows = FilterPushdown::new().optimize(rows, state.config_options())?;
        rows = LateMaterialization.optimize(rows, state.config_options())?;
        // The number of files and chunks with hidden rows among them would show in the number of partitions.
        let partitions = state.config().target_partitions();
        if rows.output_partitioning().partition_count() != partitions {
            rows = Arc::new(RepartitionExec::try_new(rows, Partitioning::RoundRobinBatch(partitions))?);
        }
        let hashed = wanted.iter().enumerate().filter_map(|(at, column)| Some((at, column.hashed?)));
        let columns = GrantedColumns {
            schema: Arc::new(self.schema.project(&projection)?),
            hashed: hashed.collect(),
            key: self.args.key.clone(),
        };
        Ok(Arc::new(GrantedRows::new(&self.args.name, rows, columns, self.args.estimate)))
    }

    /// What may go below prunes there, and is decided above all the same.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match self.may_go_below(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }
}
