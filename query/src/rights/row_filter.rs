//! The rows that grants allow, as an expression over the columns of a table. It compares columns with constants and has an
//! answer for every row, so it prunes files and live rows as a predicate of the statement would.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::prelude::ident;
use zonelake_registry::{Grant, Place};

/// Columns of a table that have the place of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlaceColumns {
    /// Column with the code of the province.
    pub province: &'static str,
    /// Column with the code of the zone.
    pub zone: &'static str,
}

/// Columns of the place in telemetry, and in most reference tables.
pub(crate) const PLACE: PlaceColumns = PlaceColumns { province: "province", zone: "zone" };

/// Rows of a table that are granted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rows {
    /// None: the table does not exist for the role.
    None,
    /// All.
    All,
    /// Those that pass.
    Passing(Expr),
}

impl Rows {
    /// Rows that any of `self` and `other` has.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::None, rows) | (rows, Self::None) => rows,
            (Self::Passing(one), Self::Passing(other)) => Self::Passing(one.or(other)),
        }
    }

    /// Rows that both have.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::All, rows) | (rows, Self::All) => rows,
            (Self::Passing(one), Self::Passing(other)) => Self::Passing(one.and(other)),
        }
    }
}

/// Rows of a table that any of these grants allows. Grants of rows of one value count only where `rights_by` has their column.
pub(crate) fn granted_rows(grants: &[&Grant], place: PlaceColumns, rights_by: &[String]) -> Rows {
    let whole_places = grants.iter().filter(|grant| grant.key.only.is_none()).map(|grant| &grant.key.place);
    let of_value = grants.iter().filter_map(|grant| {
        let only = grant.key.only.as_ref()?;
        // A column that the declaration no longer names gives nothing.
        let is_declared = rights_by.iter().any(|by| **by == *only.column);
        let value = Rows::Passing(ident(&*only.column).eq(text(&only.value)));
        is_declared.then(|| value.and(places([&grant.key.place], place)))
    });
    of_value.fold(places(whole_places, place), Rows::or)
}

/// Rows at any of these places.
fn places<'a>(places: impl IntoIterator<Item = &'a Place>, columns: PlaceColumns) -> Rows {
    let (mut provinces, mut zones) = (BTreeSet::new(), BTreeSet::new());
    for place in places {
        match place {
            Place::Everywhere => return Rows::All,
            Place::Province(code) => drop(provinces.insert(&**code)),
            Place::Zone(code) => drop(zones.insert(&**code)),
        }
    }
    one_of(columns.zone, &zones).or(one_of(columns.province, &provinces))
}

/// The expression of [`Rows::Passing`] over a part of a table's columns, for what is kept by them in memory; `None` where it reads others.
pub(crate) fn over_columns(rows: &Expr, schema: &SchemaRef) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    if !reads_only(rows, schema) {
        return Ok(None);
    }
    // Its constants are of the types of columns, so that there is nothing to coerce.
    let schema = DFSchema::try_from(Arc::clone(schema))?;
    create_physical_expr(rows, &schema, &ExecutionProps::new(), &PhysicalPlanningContext::default()).map(Some)
}

/// True where such an expression reads these columns alone.
pub(crate) fn reads_only(rows: &Expr, schema: &Schema) -> bool {
    rows.column_refs().iter().all(|column| schema.index_of(&column.name).is_ok())
}

/// Rows whose column has one of these values.
pub(crate) fn one_of(column: &str, values: &BTreeSet<&str>) -> Rows {
    match values.len() {
        0 => Rows::None,
        1 => Rows::Passing(values.iter().fold(lit(true), |_, value| ident(column).eq(text(value)))),
        _ => Rows::Passing(ident(column).in_list(values.iter().map(|value| text(value)).collect(), false)),
    }
}

/// Constant of the type that columns of text have, so that no column is cast for it.
pub(crate) fn text(value: &str) -> Expr {
    lit(ScalarValue::Utf8View(Some(value.to_owned())))
}
