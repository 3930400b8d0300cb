//! Tables that are the same in every PostgreSQL, as datafusion-pg-catalog has them.

use std::sync::{Arc, LazyLock};

use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList};
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};

/// Schema whose tables are the same for all connections.
pub(crate) type BuiltinSchema = PgCatalogSchemaProvider<Arc<dyn CatalogProviderList>, EmptyContextProvider>;

/// Builtin tables as a schema; `None` where they cannot be read, which the server log tells.
pub(crate) static BUILTIN_SCHEMA: LazyLock<Option<BuiltinSchema>> = LazyLock::new(|| {
    let none: Arc<dyn CatalogProviderList> = Arc::new(MemoryCatalogProviderList::new());
    let tables = BUILTIN_TABLES.as_ref().map(Arc::clone)?;
    let made = PgCatalogSchemaProvider::try_new(none, tables, EmptyContextProvider);
    made.inspect_err(|error| tracing::error!("the catalog of PostgreSQL cannot be read: {error}")).ok()
});

/// Builtin tables as batches; `None` where they cannot be read, which the server log tells.
pub(crate) static BUILTIN_TABLES: LazyLock<Option<Arc<PgCatalogStaticTables>>> = LazyLock::new(|| {
    let made = PgCatalogStaticTables::try_new();
    made.inspect_err(|error| tracing::error!("the catalog of PostgreSQL cannot be read: {error}")).ok().map(Arc::new)
});
