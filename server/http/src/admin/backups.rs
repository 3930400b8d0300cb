//! The moment that a back-up copies. The command copies the files itself, beside the server; the server only holds still what would
//! go away.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use zonelake_ingest::Pipeline;

use super::error::AdminError;
use super::json::json;

/// Response to `POST /api/v1/backups/{hold}/end`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeldUntilNow {
    /// True where nothing that was to be copied has gone away meanwhile; else the back-up has to begin again.
    pub held: bool,
}

pub(super) async fn begin(State(pipeline): State<Arc<Pipeline>>) -> Result<Response, AdminError> {
    Ok(json(StatusCode::CREATED, &pipeline.begin_backup().await?))
}

pub(super) async fn end(State(pipeline): State<Arc<Pipeline>>, Path(hold): Path<u64>) -> Result<Response, AdminError> {
    Ok(json(StatusCode::OK, &HeldUntilNow { held: pipeline.end_backup(hold).await }))
}
