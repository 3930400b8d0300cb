//! Retention, legal holds and deletions.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use zonelake_storage::{Concerned, DeletionOrder, LegalHold, Retention, Selection, Store};

use super::error::AdminError;
use super::json::{JsonBody, json};

/// Body of `POST /api/v1/retention`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRetention {
    /// Table.
    pub table: String,
    /// Code of the zone; all that have no term of their own where it is absent.
    #[serde(default)]
    pub zone: Option<String>,
    /// Days that rows are kept; for ever where it is absent.
    #[serde(default)]
    pub days: Option<u32>,
    /// True where only what would go is to be told.
    #[serde(default)]
    pub dry_run: bool,
}

/// Body of `POST /api/v1/legal-holds`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddLegalHold {
    /// Name of the hold.
    pub name: String,
    /// The rows, of all tables.
    pub selection: Selection,
    /// Who orders it.
    pub who: String,
    /// Reason.
    pub why: String,
}

/// Body of `POST /api/v1/deletions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteRows {
    /// Table.
    pub table: String,
    /// The rows.
    pub selection: Selection,
    /// Who orders it.
    pub who: String,
    /// Reason.
    pub why: String,
    /// True where only what would go is to be told.
    #[serde(default)]
    pub dry_run: bool,
}

/// Response to `POST /api/v1/retention` and `POST /api/v1/deletions`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcernedRows {
    /// Rows that go, or would go.
    pub rows: u64,
    /// Files that have nothing else.
    pub whole_files: u64,
    /// Files that are rewritten without them.
    pub mixed_files: u64,
    /// Number of the deletion, where one was ordered.
    #[serde(default)]
    pub id: Option<u64>,
}

impl From<Concerned> for ConcernedRows {
    fn from(Concerned { rows, whole_files, mixed_files }: Concerned) -> Self {
        Self { rows, whole_files, mixed_files, id: None }
    }
}

pub(super) async fn list(State(store): State<Arc<Store>>) -> Response {
    json(StatusCode::OK, &*store.ledger())
}

pub(super) async fn set_retention(
    State(store): State<Arc<Store>>,
    JsonBody(body): JsonBody<SetRetention>,
) -> Result<Response, AdminError> {
    let SetRetention { table, zone, days, dry_run } = body;
    let Some(days) = days else {
        let removed = !dry_run && store.remove_retention(&table, zone.as_deref())?;
        return match removed || dry_run {
            true => Ok(json(StatusCode::OK, &ConcernedRows::default())),
            false => Err(AdminError::input(format!("nothing is said of how long rows of table {table} are kept"))),
        };
    };
    let term = Retention { table, zone, days };
    // A client that goes away leaves nothing half-done.
    let work = tokio::spawn(async move {
        let concerned = store.try_retention(term.clone()).await?;
        if !dry_run {
            store.set_retention(term)?;
        }
        Ok::<_, AdminError>(concerned)
    });
    Ok(json(StatusCode::OK, &ConcernedRows::from(work.await??)))
}

pub(super) async fn add_hold(
    State(store): State<Arc<Store>>,
    JsonBody(AddLegalHold { name, selection, who, why }): JsonBody<AddLegalHold>,
) -> Result<StatusCode, AdminError> {
    let at_us = store.clock().wall_us();
    store.add_legal_hold(LegalHold { name, selection, who, why, at_us })?;
    Ok(StatusCode::CREATED)
}

pub(super) async fn remove_hold(
    State(store): State<Arc<Store>>,
    Path(name): Path<String>,
) -> Result<StatusCode, AdminError> {
    match store.remove_legal_hold(&name)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(AdminError::input(format!("there is no legal hold {name}"))),
    }
}

pub(super) async fn delete_rows(
    State(store): State<Arc<Store>>,
    JsonBody(body): JsonBody<DeleteRows>,
) -> Result<Response, AdminError> {
    let DeleteRows { table, selection, who, why, dry_run } = body;
    let order = DeletionOrder { table, selection, who, why };
    let work = tokio::spawn(async move {
        let concerned = ConcernedRows::from(store.try_deletion(&order).await?);
        if dry_run {
            return Ok(concerned);
        }
        if concerned.rows == 0 {
            return Err(AdminError::input("no row is selected; nothing was deleted"));
        }
        let deletion = store.delete_rows(order).await?;
        Ok(ConcernedRows { rows: deletion.rows, id: Some(deletion.id), ..concerned })
    });
    Ok(json(StatusCode::OK, &work.await??))
}
