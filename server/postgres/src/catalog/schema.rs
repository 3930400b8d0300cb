//! The schema `pg_catalog`: tables of this server before those that are the same in every PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::Result;
use zonelake_registry::Role;

use crate::catalog::objects::Objects;
use crate::catalog::relations::activity::BackendList;
use crate::catalog::relations::builtin::BUILTIN_SCHEMA;
use crate::catalog::relations::builtin_rows::{builtin_rows, without_builtin_rows};
use crate::catalog::relations::tables::{TABLES, table};
use crate::catalog::relations::without_rows::is_without_rows;
use crate::session::variables::Variables;

/// True for the name of a relation of the schema.
pub(crate) fn is_relation(name: &str) -> bool {
    TABLES.contains(&name) || BUILTIN_SCHEMA.as_ref().is_some_and(|builtin| builtin.table_exist(name))
}

/// Schema `pg_catalog` of a statement.
#[derive(Debug)]
pub(crate) struct PgCatalog {
    pub objects: Arc<Objects>,
    pub variables: Arc<Variables>,
    pub roles: Arc<[Arc<Role>]>,
    /// Connections that the statement may see.
    pub backends: BackendList,
}

#[async_trait]
impl SchemaProvider for PgCatalog {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = TABLES.iter().map(|name| (*name).to_owned()).collect();
        if let Some(builtin) = &*BUILTIN_SCHEMA {
            names.extend(builtin.table_names().into_iter().filter(|name| !TABLES.contains(&name.as_str())));
        }
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if name == "pg_stat_activity" {
            return self.backends.table(&self.roles).map(Some);
        }
        // Tables of this server come first: the builtin ones of these names know nothing of it.
        if let Some(own) = table(name, &self.objects, &self.variables, &self.roles)? {
            return Ok(Some(own));
        }
        if let Some(builtin) = builtin_rows(name) {
            return Ok(Some(builtin));
        }
        let Some(builtin) = &*BUILTIN_SCHEMA else { return Ok(None) };
        let Some(builtin) = builtin.table(name).await? else { return Ok(None) };
        if is_without_rows(name) {
            return without_builtin_rows(builtin.as_ref()).map(Some);
        }
        Ok(Some(builtin))
    }

    fn table_exist(&self, name: &str) -> bool {
        is_relation(name)
    }
}
