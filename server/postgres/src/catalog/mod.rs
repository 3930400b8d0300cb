//! `pg_catalog`: what clients ask of a database before they ask for rows.
//!
//! - `objects`: schemas and tables with their numbers, the same over all connections
//! - `tables`, `types`, `keywords`: the tables that list them, types, and words of the language
//! - `functions`, `constants`, `comments`, `numbers`: the functions that clients call with them
//!
//! Types, operators, access methods and whatever else is the same everywhere come from datafusion-pg-catalog, as do some of
//! the functions and the rules that put clients' questions in DataFusion's words.

mod comments;
mod constants;
mod functions;
mod keywords;
mod numbers;
mod objects;
mod tables;
mod types;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int32Type};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::DataType as SqlType;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};
use zonelake_query::catalog::ListedTable;
use zonelake_query::{SessionExtension, SqlSession};
use zonelake_registry::{Registry, Role};
use zonelake_timeseries::TimeTypes;

use self::functions::{About, functions};
pub(crate) use self::numbers::{KINDS, OBJECT_NAME};
use self::objects::Objects;
use self::tables::{TABLES, table};
pub(crate) use self::types::FUNCTIONS_OF_TYPES;
use crate::variables::Variables;

/// Name of the catalog's schema.
const PG_CATALOG: &str = "pg_catalog";

/// Whether there is a schema of that name.
pub(crate) fn is_schema(name: &str) -> bool {
    ["public", "system", "information_schema", PG_CATALOG].contains(&name)
}

/// What the PostgreSQL protocol adds to a statement.
#[derive(Debug)]
pub(crate) struct CatalogExtension {
    variables: Arc<Variables>,
    connection: i32,
    registry: Arc<Registry>,
    /// Those of the statement that is being made ready; tables are the same for all statements of a start.
    objects: OnceLock<Arc<Objects>>,
}

impl CatalogExtension {
    /// For a connection of that number, with these variables.
    pub(crate) fn new(variables: Variables, connection: i32, registry: Arc<Registry>) -> Self {
        Self { variables: Arc::new(variables), connection, registry, objects: OnceLock::new() }
    }
}

impl SessionExtension for CatalogExtension {
    fn extend(&self, session: &SqlSession, mut state: SessionStateBuilder) -> Result<SessionStateBuilder> {
        let objects = self.objects.get().cloned().unwrap_or_default();
        let about = About {
            session,
            variables: &self.variables,
            objects: &objects,
            roles: &self.registry.roles(),
            connection: self.connection,
        };
        let own = functions(&about);
        state.scalar_functions().get_or_insert_default().extend(own);
        Ok(state.with_type_planner(Arc::new(PgTypes)))
    }

    fn schemas(&self, _: &SqlSession, tables: &Arc<[ListedTable]>) -> Vec<(String, Arc<dyn SchemaProvider>)> {
        let objects = self.objects.get_or_init(|| Arc::new(Objects::new(tables)));
        // Tables keep their places; what changes is how many rows they have.
        let objects = Arc::new(objects.with_rows(tables));
        let schema = PgCatalog { objects, variables: Arc::clone(&self.variables), roles: self.registry.roles() };
        vec![(PG_CATALOG.to_owned(), Arc::new(schema))]
    }
}

/// The tables that are the same everywhere.
static SAME_EVERYWHERE: LazyLock<Option<Everywhere>> = LazyLock::new(|| {
    let none: Arc<dyn CatalogProviderList> = Arc::new(MemoryCatalogProviderList::new());
    let tables = STATIC.as_ref().map(Arc::clone)?;
    let made = PgCatalogSchemaProvider::try_new(none, tables, EmptyContextProvider);
    made.inspect_err(|error| tracing::error!("the catalog of PostgreSQL cannot be read: {error}")).ok()
});

static STATIC: LazyLock<Option<Arc<PgCatalogStaticTables>>> = LazyLock::new(|| {
    let made = PgCatalogStaticTables::try_new();
    made.inspect_err(|error| tracing::error!("the catalog of PostgreSQL cannot be read: {error}")).ok().map(Arc::new)
});

/// Names of functions by their numbers.
static FUNCTION_NAMES: LazyLock<HashMap<i32, String>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    for batch in STATIC.iter().flat_map(|tables| tables.pg_proc.data()) {
        let column = |name: &str, of: &DataType| batch.column_by_name(name).and_then(|column| cast(column, of).ok());
        let (Some(oids), Some(words)) = (column("oid", &DataType::Int32), column("proname", &DataType::Utf8)) else {
            continue;
        };
        let oids = oids.as_primitive::<Int32Type>().iter().flatten();
        names.extend(oids.zip(words.as_string::<i32>()).filter_map(|(oid, name)| Some((oid, name?.to_owned()))));
    }
    names
});

/// Numbers of functions by their names; of several of one name the first.
static FUNCTION_NUMBERS: LazyLock<HashMap<&'static str, i32>> = LazyLock::new(|| {
    let mut numbers: HashMap<&'static str, i32> = HashMap::new();
    for (oid, name) in &*FUNCTION_NAMES {
        let number = numbers.entry(name).or_insert(*oid);
        *number = (*number).min(*oid);
    }
    numbers
});

/// The number of a function.
fn function_number(name: &str) -> Option<i32> {
    FUNCTION_NUMBERS.get(name).copied()
}

/// The names of functions whose numbers these are, as PostgreSQL shows them.
pub(crate) fn function_names(oids: &ArrayRef) -> ArrayRef {
    let Some(oids) = oids.as_primitive_opt::<Int32Type>() else { return Arc::clone(oids) };
    let name = |oid: i32| FUNCTION_NAMES.get(&oid).map_or("-", String::as_str);
    Arc::new(oids.iter().map(|oid| oid.map(name)).collect::<StringArray>())
}

type Everywhere = PgCatalogSchemaProvider<Arc<dyn CatalogProviderList>, EmptyContextProvider>;

/// The schema `pg_catalog`.
#[derive(Debug)]
struct PgCatalog {
    objects: Arc<Objects>,
    variables: Arc<Variables>,
    roles: Arc<[Arc<Role>]>,
}

#[async_trait]
impl SchemaProvider for PgCatalog {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = TABLES.iter().map(|name| (*name).to_owned()).collect();
        if let Some(everywhere) = &*SAME_EVERYWHERE {
            names.extend(everywhere.table_names().into_iter().filter(|name| !TABLES.contains(&name.as_str())));
        }
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if name == "pg_type" {
            return Ok(types::pg_type());
        }
        if let Some(own) = table(name, self)? {
            return Ok(Some(own));
        }
        match &*SAME_EVERYWHERE {
            Some(everywhere) => everywhere.table(name).await,
            None => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.contains(&name) || SAME_EVERYWHERE.as_ref().is_some_and(|everywhere| everywhere.table_exist(name))
    }
}

/// Names of types as PostgreSQL has them, beside those of times, which all doors have.
#[derive(Debug)]
struct PgTypes;

impl TypePlanner for PgTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        if let Some(time) = TimeTypes.plan_type_field(sql_type)? {
            return Ok(Some(time));
        }
        let named = match sql_type {
            SqlType::Custom(name, arguments) if arguments.is_empty() => name.0.last().and_then(|part| part.as_ident()),
            _ => None,
        };
        if let Some(name) = named {
            let of = match name.value.to_lowercase().as_str() {
                "name" | "bpchar" | "char" | "xid" | "citext" => Some(DataType::Utf8View),
                "int2vector" | "oidvector" => None,
                _ => None,
            };
            if let Some(of) = of {
                return Ok(Some(Arc::new(Field::new("", of, true))));
            }
        }
        PgOidTypePlanner.plan_type_field(sql_type)
    }
}
