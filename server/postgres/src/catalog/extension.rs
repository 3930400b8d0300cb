//! Session extension: the types, functions and schema that this interface adds to each statement.

use std::sync::{Arc, OnceLock};

use datafusion::catalog::SchemaProvider;
use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;
use zonelake_query::ListedTable;
use zonelake_query::{SessionExtension, SqlSession};
use zonelake_registry::Registry;

use crate::catalog::functions::{FunctionContext, functions};
use crate::catalog::objects::Objects;
use crate::catalog::schema::PgCatalog;
use crate::catalog::type_names::PgTypes;
use crate::session::variables::Variables;

/// Name of the catalog's schema.
const PG_CATALOG: &str = "pg_catalog";

/// True for the name of a schema of this server.
pub(crate) fn is_schema(name: &str) -> bool {
    ["public", "system", "information_schema", PG_CATALOG].contains(&name)
}

/// Addition of the PostgreSQL protocol to the statements of a connection.
#[derive(Debug)]
pub(crate) struct CatalogExtension {
    variables: Arc<Variables>,
    process_id: i32,
    registry: Arc<Registry>,
    /// Objects as of the first statement; tables are the same until the server starts again.
    objects: OnceLock<Arc<Objects>>,
}

impl CatalogExtension {
    /// Extension for a connection, which clients know by its process id.
    pub(crate) fn new(variables: Variables, process_id: i32, registry: Arc<Registry>) -> Self {
        Self { variables: Arc::new(variables), process_id, registry, objects: OnceLock::new() }
    }
}

impl SessionExtension for CatalogExtension {
    fn extend(&self, session: &SqlSession, mut state: SessionStateBuilder) -> Result<SessionStateBuilder> {
        // The engine calls `schemas` first, which sets them.
        let objects = self.objects.get().cloned().unwrap_or_default();
        let context = FunctionContext {
            session,
            variables: &self.variables,
            objects: &objects,
            roles: &self.registry.roles(),
            process_id: self.process_id,
        };
        let own = functions(&context);
        state.scalar_functions().get_or_insert_default().extend(own);
        Ok(state.with_type_planner(Arc::new(PgTypes)))
    }

    fn schemas(&self, _: &SqlSession, tables: &Arc<[ListedTable]>) -> Vec<(String, Arc<dyn SchemaProvider>)> {
        let objects = self.objects.get_or_init(|| Arc::new(Objects::new(tables)));
        // Tables keep their OIDs; only their counts of rows change from statement to statement.
        let objects = Arc::new(objects.with_rows(tables));
        let schema = PgCatalog { objects, variables: Arc::clone(&self.variables), roles: self.registry.roles() };
        vec![(PG_CATALOG.to_owned(), Arc::new(schema))]
    }
}
