//! Reference data as dated rows: what there is, the rows of a table as CSV, and other rows in their place.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use zonelake_registry::{Registry, RegistryError};

use super::error::AdminError;
use super::json::{JsonBody, json};

/// Response to `GET /api/v1/reference`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReferenceList {
    /// Tables in the order of their names.
    pub tables: Vec<ReferenceItem>,
}

/// A reference table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReferenceItem {
    /// Name in SQL.
    pub name: String,
    /// Number of rows.
    pub rows: u64,
    /// When they were stored, microseconds.
    pub changed_us: i64,
    /// What the table says.
    pub description: String,
}

/// Response to `GET /api/v1/reference/{name}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReferenceText {
    /// Name in SQL.
    pub name: String,
    /// The rows, with a header.
    pub csv: String,
}

/// Body of `POST /api/v1/reference/{name}`: rows that take the place of all that the table has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportReference {
    /// The rows, with the header of the table.
    pub csv: String,
    /// True where they are checked and not stored.
    #[serde(default)]
    pub dry_run: bool,
}

/// Response to `POST /api/v1/reference/{name}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedReference {
    /// Name in SQL.
    pub name: String,
    /// Rows after the change.
    pub rows: u64,
    /// Rows that were not there before.
    pub added: u64,
    /// Rows that are no longer there.
    pub removed: u64,
    /// SHA-256 of the rows as they are stored, in hexadecimal.
    pub digest: String,
    /// True where nothing was stored.
    pub dry_run: bool,
}

pub(super) async fn list(State(registry): State<Arc<Registry>>) -> Result<Response, AdminError> {
    let summaries = tokio::task::spawn_blocking(move || registry.reference_summaries()).await?;
    let tables = summaries.into_iter().map(|summary| ReferenceItem {
        name: summary.table.name.to_owned(),
        rows: summary.rows as u64,
        changed_us: summary.changed_us,
        description: summary.table.description.to_owned(),
    });
    Ok(json(StatusCode::OK, &ReferenceList { tables: tables.collect() }))
}

pub(super) async fn show(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
) -> Result<Response, AdminError> {
    match registry.reference(&name) {
        Some(content) => Ok(json(StatusCode::OK, &ReferenceText { name, csv: content.csv.to_string() })),
        None => Err(RegistryError::Unknown { what: "reference table", name }.into()),
    }
}

pub(super) async fn import(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    JsonBody(ImportReference { csv, dry_run }): JsonBody<ImportReference>,
) -> Result<Response, AdminError> {
    let of = name.clone();
    let change = tokio::task::spawn_blocking(move || registry.import_reference(&of, &csv, dry_run)).await??;
    let imported = ImportedReference {
        name,
        rows: change.rows,
        added: change.added,
        removed: change.removed,
        digest: change.digest,
        dry_run,
    };
    Ok(json(StatusCode::OK, &imported))
}
