//! The catalog of one statement: every table pinned at one moment, once, so that a table that stands twice in a statement is
//! the same state both times.

use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::Result;

use crate::catalog::information_schema::information_tables;
use crate::catalog::names::{CATALOG, INFORMATION_SCHEMA, QUERIES, SCHEMA, SYSTEM_SCHEMA};
use crate::catalog::reference_tables::reference_tables;
use crate::catalog::source::{ListedTable, Pinned, QuerySource};
use crate::engine::query_log::{self, QueryLog};
use crate::engine::session::SqlSession;
use crate::scan::location_columns::LocationCache;
use crate::scan::telemetry_table::TelemetryTable;

/// Parts of which the catalog of a statement is made.
#[derive(Debug)]
pub(crate) struct CatalogArgs<'a> {
    /// The tables.
    pub source: &'a dyn QuerySource,
    /// Columns of locations that were made before.
    pub location_cache: &'a Arc<LocationCache>,
    /// Statements of all roles.
    pub log: &'a Arc<QueryLog>,
    /// Session of the statement.
    pub session: &'a SqlSession,
    /// True where statements of other roles are visible, too.
    pub sees_all: bool,
}

/// The catalog of one statement.
pub(crate) fn statement_catalog(args: &CatalogArgs<'_>) -> Result<Arc<dyn CatalogProviderList>> {
    let Pinned { tables, locations } = args.source.pin();
    let defs: Vec<_> = tables.iter().map(|table| Arc::clone(&table.def)).collect();
    let reference = reference_tables(args.source.registry(), &defs);
    let mut listed = Vec::new();
    let public = MemorySchemaProvider::new();
    for pinned in tables {
        let (name, description) = (pinned.def.name.clone(), pinned.def.description.clone());
        let rows = usize::try_from(pinned.view.file_rows()).ok().map(|in_files| in_files + pinned.view.live_rows());
        let table = TelemetryTable::new(pinned, Arc::clone(&locations), Arc::clone(args.location_cache));
        let table: Arc<dyn TableProvider> = Arc::new(table);
        listed.push(ListedTable { schema: SCHEMA, name: name.clone(), description, columns: table.schema(), rows });
        public.register_table(name, table)?;
    }
    for (name, table) in reference {
        let (name, description) = (name.to_owned(), String::new());
        listed.push(ListedTable {
            schema: SCHEMA,
            name: name.clone(),
            description,
            columns: table.schema(),
            rows: None,
        });
        public.register_table(name, table)?;
    }
    let system = MemorySchemaProvider::new();
    let only = (!args.sees_all).then(|| Arc::clone(&args.session.caller.name));
    let queries: Arc<dyn TableProvider> = Arc::new(args.log.table(only));
    listed.push(ListedTable {
        schema: SYSTEM_SCHEMA,
        name: QUERIES.to_owned(),
        description: query_log::DESCRIPTION.to_owned(),
        columns: queries.schema(),
        rows: None,
    });
    system.register_table(QUERIES.to_owned(), queries)?;
    listed.sort_by(|a, b| (a.schema, &a.name).cmp(&(b.schema, &b.name)));
    let listed: Arc<[ListedTable]> = listed.into();

    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(public))?;
    catalog.register_schema(SYSTEM_SCHEMA, Arc::new(system))?;
    let mut schemas = vec![SCHEMA.to_owned(), INFORMATION_SCHEMA.to_owned(), SYSTEM_SCHEMA.to_owned()];
    if let Some(extension) = &args.session.extension {
        for (name, schema) in extension.schemas(args.session, &listed) {
            schemas.push(name.clone());
            catalog.register_schema(&name, schema)?;
        }
    }
    let information = MemorySchemaProvider::new();
    for (name, table) in information_tables(listed, schemas) {
        information.register_table(name.to_owned(), table)?;
    }
    catalog.register_schema(INFORMATION_SCHEMA, Arc::new(information))?;
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Ok(Arc::new(list))
}
