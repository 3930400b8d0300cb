//! Session extension: the types, functions and schema that this interface adds to each statement.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::catalog::SchemaProvider;
use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;
use zonelake_query::ListedTable;
use zonelake_query::{SessionExtension, SqlSession};
use zonelake_registry::{ADMIN_USER, Registry, Role};

use crate::catalog::functions::{FunctionContext, functions};
use crate::catalog::objects::Objects;
use crate::catalog::relation_oids::PG_CATALOG;
use crate::catalog::relations::activity::BackendList;
use crate::catalog::relations::catalog_columns::CATALOG_OBJECTS;
use crate::catalog::schema::PgCatalog;
use crate::catalog::set_config::PendingSettings;
use crate::catalog::type_names::PgTypes;
use crate::protocol::backends::{Asker, Backends};
use crate::session::variables::Variables;

/// Addition of the PostgreSQL protocol to the statements of a connection.
#[derive(Debug)]
pub(crate) struct CatalogExtension {
    variables: Arc<Variables>,
    set_config: Arc<PendingSettings>,
    backends: Arc<Backends>,
    process_id: i32,
    registry: Arc<Registry>,
    /// Objects as of the last statement; what exists for a role changes with its rights alone until the server starts again.
    objects: Mutex<Arc<Objects>>,
    /// The same, with the counts that they had for the statement.
    counted: Mutex<Arc<Objects>>,
}

/// Parts of the extension of a connection.
#[derive(Debug)]
pub(crate) struct ExtensionArgs {
    pub variables: Variables,
    pub set_config: Arc<PendingSettings>,
    /// All connections.
    pub backends: Arc<Backends>,
    /// Process id by which clients know this one.
    pub process_id: i32,
    pub registry: Arc<Registry>,
}

impl CatalogExtension {
    /// Extension for a connection.
    pub(crate) fn new(args: ExtensionArgs) -> Self {
        let ExtensionArgs { variables, set_config, backends, process_id, registry } = args;
        Self {
            variables: Arc::new(variables),
            set_config,
            backends,
            process_id,
            registry,
            objects: Mutex::default(),
            counted: Mutex::default(),
        }
    }

    fn role(&self, session: &SqlSession) -> Option<Arc<Role>> {
        self.registry.role(&session.caller.name)
    }

    /// Connections that a session may see: those of its own role, and all of them where it sees all statements.
    fn listed_backends(&self, session: &SqlSession) -> BackendList {
        let all = self.role(session).is_some_and(|role| role.kind.sees_all_statements());
        BackendList { backends: Arc::clone(&self.backends), of: (!all).then(|| Arc::clone(&session.caller.name)) }
    }

    /// Objects for these tables: those of the last statement, where the same tables and columns exist.
    fn objects_of(&self, tables: &Arc<[ListedTable]>) -> Arc<Objects> {
        let mut last = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.are_of(tables) {
            *last = Arc::new(Objects::new(&CATALOG_OBJECTS, tables));
        }
        Arc::clone(&last)
    }

    /// Roles that a session sees: an administrator all of them, others their own and the owner of the tables.
    fn roles(&self, session: &SqlSession) -> Arc<[Arc<Role>]> {
        let all = self.registry.roles();
        let own = &session.caller.name;
        if all.iter().any(|role| role.name == *own && role.is_admin()) {
            return all;
        }
        all.iter().filter(|role| role.name == *own || *role.name == *ADMIN_USER).cloned().collect()
    }
}

impl SessionExtension for CatalogExtension {
    fn extend(&self, session: &SqlSession, mut state: SessionStateBuilder) -> Result<SessionStateBuilder> {
        // The engine calls `schemas` first, which sets them.
        let objects = Arc::clone(&self.objects.lock().unwrap_or_else(PoisonError::into_inner));
        let counted = Arc::clone(&self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        // An administrator may end every connection, others those of their own role.
        let is_admin = self.role(session).is_some_and(|role| role.is_admin());
        let asker = Asker { name: Arc::clone(&session.caller.name), peer: session.peer, is_admin };
        let context = FunctionContext {
            variables: &self.variables,
            set_config: &self.set_config,
            objects: &objects,
            counted: &counted,
            roles: &self.roles(session),
            process_id: self.process_id,
            backends: &self.backends,
            asker: &asker,
        };
        let own = functions(&context);
        state.scalar_functions().get_or_insert_default().extend(own);
        Ok(state.with_type_planner(Arc::new(PgTypes)))
    }

    fn schemas(&self, session: &SqlSession, tables: &Arc<[ListedTable]>) -> Vec<(String, Arc<dyn SchemaProvider>)> {
        // Tables keep their OIDs; only their counts change from statement to statement.
        let objects = Arc::new(self.objects_of(tables).with_counts(tables));
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&objects);
        let schema = PgCatalog {
            objects,
            variables: Arc::clone(&self.variables),
            roles: self.roles(session),
            backends: self.listed_backends(session),
        };
        vec![(PG_CATALOG.to_owned(), Arc::new(schema))]
    }
}
