//! Views: SQL that stands under a name. A statement that names one has the plan of its SQL in that place, over the tables of that
//! statement: it reads what its caller may read, within the limits of its caller.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Weak};

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
    TableProvider,
};
use datafusion::common::Result;
use datafusion::datasource::ViewTable;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion::sql::parser::Statement;
use futures::FutureExt;
use zonelake_schemas::views::{VIEWS, View};

use crate::catalog::names::{CATALOG, SCHEMA};
use crate::catalog::source::ListedTable;
use crate::dialect::ReadStatement;
use crate::dialect::grammar::TextLimits;
use crate::engine::planning_budget::external;
use crate::error::QueryError;
use crate::optimizer::view_reach::ViewReach;

/// Views that can be planned over the tables of an engine.
#[derive(Debug)]
pub(crate) struct Views {
    base: SessionState,
    all: Vec<PreparedView>,
}

/// A view that was parsed once.
struct PreparedView {
    view: &'static View,
    statement: Statement,
    /// Tables that it reads, those of the views within it among them, each with the columns that it names.
    tables: BTreeMap<String, Vec<FieldRef>>,
    /// Its columns with unit and description.
    columns: SchemaRef,
}

impl PreparedView {
    /// True where all its tables are among these, with all columns: a view does not exist for a role that lacks one of them, or that sees
    /// hashes in place of numbers.
    fn is_over(&self, tables: &MemorySchemaProvider) -> bool {
        self.tables.iter().all(|(table, columns)| {
            let Some(schema) = schema_of(tables, table) else { return false };
            columns.iter().all(|column| {
                let here = schema.field_with_name(column.name()).map(Field::data_type);
                here.is_ok_and(|here| here == column.data_type() || (is_text(here) && is_text(column.data_type())))
            })
        })
    }
}

impl fmt::Debug for PreparedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedView").field("name", &self.view.name).finish_non_exhaustive()
    }
}

impl Views {
    /// The views whose tables are there. One that has the name of a table, or whose tables are not as they are built in, is left out.
    ///
    /// # Errors
    /// Where a built-in text is no SQL.
    pub(crate) fn new(
        base: &SessionState,
        limits: TextLimits,
        tables: &Arc<MemorySchemaProvider>,
    ) -> Result<Arc<Self>, QueryError> {
        // The texts are built in: the most bytes that a client may send are no limit of theirs.
        let limits = TextLimits { bytes_max: usize::MAX, ..limits };
        let mut views = Self { base: base.clone(), all: Vec::new() };
        for view in VIEWS.iter().filter(|view| !tables.table_exist(view.name)) {
            let (statement, _) = ReadStatement::parse(view.sql, limits)?.into_planned()?;
            let tables_read = views.tables_of(&statement, view, tables)?;
            views.all.push(PreparedView { view, statement, tables: tables_read, columns: Arc::new(Schema::empty()) });
            let known = Arc::new(views);
            // Every table is in memory, so that nothing is waited for.
            let planned = SchemaWithViews::new(Arc::clone(tables), Arc::clone(&known)).plan(view.name).now_or_never();
            views = Arc::into_inner(known).ok_or_else(QueryError::internal)?;
            match (planned, views.all.last_mut()) {
                (Some(Ok(Some(plan))), Some(last)) => last.columns = described(base, view, plan),
                (planned, _) => {
                    tracing::info!(view = view.name, ?planned, "a view is left out, since its tables are others");
                    views.all.pop();
                }
            }
        }
        Ok(Arc::new(views))
    }

    /// Tables that the statement of a view reads, where it names views by way of those. A column is named where a word of the text is its
    /// name: one too many takes the view from some roles, and a test of all roles and tables tells.
    fn tables_of(
        &self,
        statement: &Statement,
        view: &View,
        tables: &MemorySchemaProvider,
    ) -> Result<BTreeMap<String, Vec<FieldRef>>> {
        let words: BTreeSet<&str> = view.words().collect();
        let mut all: BTreeMap<String, BTreeMap<String, FieldRef>> = BTreeMap::new();
        let mut add = |table: &str, columns: Vec<FieldRef>| {
            let known = all.entry(table.to_owned()).or_default();
            known.extend(columns.into_iter().map(|column| (column.name().clone(), column)));
        };
        for name in self.base.resolve_table_references(statement)? {
            match self.get(name.table()) {
                Some(view) => view.tables.iter().for_each(|(table, columns)| add(table, columns.clone())),
                None => {
                    let columns = schema_of(tables, name.table()).map(|schema| schema.fields().to_vec());
                    let named =
                        columns.unwrap_or_default().into_iter().filter(|column| words.contains(&**column.name()));
                    add(name.table(), named.collect());
                }
            }
        }
        Ok(all.into_iter().map(|(table, columns)| (table, columns.into_values().collect())).collect())
    }

    /// The views over these tables, as tables of the catalog list them.
    pub(crate) fn listed(&self, tables: &MemorySchemaProvider) -> impl Iterator<Item = ListedTable> {
        self.all.iter().filter(|prepared| prepared.is_over(tables)).map(|prepared| ListedTable {
            schema: SCHEMA,
            name: prepared.view.name.to_owned(),
            description: prepared.view.question(),
            columns: Arc::clone(&prepared.columns),
            rows: None,
            bytes: None,
            definition: Some(prepared.view.sql),
        })
    }

    fn get(&self, name: &str) -> Option<&PreparedView> {
        self.all.iter().find(|prepared| prepared.view.name == name)
    }
}

/// Columns of a table; none where there is no such table.
fn schema_of(tables: &MemorySchemaProvider, name: &str) -> Option<SchemaRef> {
    // Every table is in memory, so that nothing is waited for.
    Some(tables.table(name).now_or_never()?.ok()??.schema())
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Columns of a view as they are once types are settled, with unit and description.
fn described(base: &SessionState, view: &View, plan: LogicalPlan) -> SchemaRef {
    let settled = base.analyzer().execute_and_check(plan.clone(), base.config_options(), |_, _| {}).unwrap_or(plan);
    let column = |field: &Arc<Field>| {
        let (unit, description) = view.column(field.name()).unwrap_or_default();
        let metadata = [("unit".to_owned(), unit.to_owned()), ("description".to_owned(), description.to_owned())];
        Field::new(field.name(), field.data_type().clone(), true).with_metadata(metadata.into())
    };
    Arc::new(Schema::new(settled.schema().inner().fields().iter().map(column).collect::<Vec<_>>()))
}

/// The tables of a statement, and the views over them.
pub(crate) struct SchemaWithViews {
    tables: Arc<MemorySchemaProvider>,
    views: Arc<Views>,
    /// This schema, in which a view finds the tables and the other views.
    me: Weak<Self>,
}

impl SchemaWithViews {
    /// Views over these tables.
    pub(crate) fn new(tables: Arc<MemorySchemaProvider>, views: Arc<Views>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self { tables, views, me: me.clone() })
    }

    /// The view of a name, where its tables are here.
    fn get(&self, name: &str) -> Option<&PreparedView> {
        self.views.get(name).filter(|prepared| prepared.is_over(&self.tables))
    }

    /// Plan of a view over these tables; none where there is no such view.
    async fn plan(&self, name: &str) -> Result<Option<LogicalPlan>> {
        let (Some(prepared), Some(me)) = (self.get(name), self.me.upgrade()) else { return Ok(None) };
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, me)?;
        let list = MemoryCatalogProviderList::new();
        datafusion::catalog::CatalogProviderList::register_catalog(&list, CATALOG.to_owned(), Arc::new(catalog));
        let state =
            SessionStateBuilder::new_from_existing(self.views.base.clone()).with_catalog_list(Arc::new(list)).build();
        let plan = state.statement_to_plan(prepared.statement.clone()).await?;
        Ok(Some(match prepared.view.reach() {
            Some(reach) => LogicalPlan::Extension(Extension { node: Arc::new(ViewReach::new(plan, reach)) }),
            None => plan,
        }))
    }
}

impl fmt::Debug for SchemaWithViews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaWithViews").field("tables", &self.tables).finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for SchemaWithViews {
    fn table_names(&self) -> Vec<String> {
        let views = self.views.all.iter().filter(|prepared| prepared.is_over(&self.tables));
        let views = views.map(|prepared| prepared.view.name.to_owned());
        self.tables.table_names().into_iter().chain(views).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(table) = self.tables.table(name).await? {
            return Ok(Some(table));
        }
        let Some(prepared) = self.get(name) else { return Ok(None) };
        let definition = Some(prepared.view.sql.to_owned());
        let plan = self.plan(name).await?.ok_or_else(|| external(QueryError::internal()))?;
        Ok(Some(Arc::new(ViewTable::new(plan, definition))))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.table_exist(name) || self.get(name).is_some()
    }
}
