//! The schema `pg_catalog`: tables of this server before those that are the same in every PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::Result;
use zonelake_registry::Role;

use crate::catalog::builtin::BUILTIN_SCHEMA;
use crate::catalog::objects::Objects;
use crate::catalog::tables::{TABLES, table};
use crate::catalog::types::pg_type;
use crate::session::variables::Variables;

/// Schema `pg_catalog` of a statement.
#[derive(Debug)]
pub(crate) struct PgCatalog {
    pub objects: Arc<Objects>,
    pub variables: Arc<Variables>,
    pub roles: Arc<[Arc<Role>]>,
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
        if name == "pg_type" {
            return Ok(pg_type());
        }
        // Tables of this server come first: the builtin ones of these names know nothing of it.
        if let Some(own) = table(name, &self.objects, &self.variables, &self.roles)? {
            return Ok(Some(own));
        }
        match &*BUILTIN_SCHEMA {
            Some(builtin) => builtin.table(name).await,
            None => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.contains(&name) || BUILTIN_SCHEMA.as_ref().is_some_and(|builtin| builtin.table_exist(name))
    }
}
