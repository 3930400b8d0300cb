//! Names of types in casts: `'probe'::name`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::DataType as SqlType;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use zonelake_query::SqlTypes;

/// Planner of the names of types that PostgreSQL has, next to those that all interfaces have.
#[derive(Debug)]
pub(crate) struct PgTypes;

impl TypePlanner for PgTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        // Types of all interfaces come first, so that a name means one type whichever interface asks.
        if let Some(shared) = SqlTypes.plan_type_field(sql_type)? {
            return Ok(Some(shared));
        }
        let named = match sql_type {
            SqlType::Custom(name, arguments) if arguments.is_empty() => name.0.last().and_then(|part| part.as_ident()),
            _ => None,
        };
        if let Some(name) = named {
            let is_text = matches!(name.value.to_lowercase().as_str(), "name" | "bpchar" | "char" | "xid" | "citext");
            if is_text {
                return Ok(Some(Arc::new(Field::new("", DataType::Utf8View, true))));
            }
        }
        PgOidTypePlanner.plan_type_field(sql_type)
    }
}
