//! Columns of the relations of the catalog itself, for `\d pg_class` and whoever reads the catalog about the catalog.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use datafusion::common::Result;

use crate::catalog::objects::{Object, Objects, schema_oid};
use crate::catalog::relation_oids::{CatalogRelation, PG_CATALOG, catalog_relations};
use crate::catalog::relations::activity;
use crate::catalog::relations::builtin::BUILTIN_SCHEMA;
use crate::catalog::relations::builtin_rows::builtin_rows;
use crate::catalog::relations::tables::table;
use crate::catalog::schema::is_relation;
use crate::session::variables::Variables;

/// Relations of the catalog that can be read, with their columns.
pub(crate) static CATALOG_OBJECTS: LazyLock<Vec<Object>> = LazyLock::new(|| {
    let known = catalog_relations().filter(|relation| is_relation(relation.name));
    let of = |CatalogRelation { name, oid, is_view }: CatalogRelation| {
        let schema = schema_of(name);
        let schema = schema.inspect_err(|error| tracing::error!("{name} of PostgreSQL cannot be read: {error}"));
        Object {
            oid,
            schema_oid: schema_oid(PG_CATALOG),
            schema: PG_CATALOG,
            name: name.to_owned(),
            description: String::new(),
            columns: schema.ok().flatten(),
            rows: None,
            bytes: None,
            is_view,
            definition: None,
        }
    };
    known.map(of).collect()
});

/// In the order in which a statement finds the relation.
fn schema_of(name: &str) -> Result<Option<SchemaRef>> {
    if name == "pg_stat_activity" {
        return Ok(Some(activity::schema()));
    }
    if let Some(own) = table(name, &Objects::default(), &Variables::default(), &[])? {
        return Ok(Some(own.schema()));
    }
    if let Some(builtin) = builtin_rows(name) {
        return Ok(Some(builtin.schema()));
    }
    let Some(builtin) = &*BUILTIN_SCHEMA else { return Ok(None) };
    Ok(builtin.build_table_by_name(name)?.map(|table| table.schema()))
}
