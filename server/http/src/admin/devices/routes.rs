//! Routes over devices.
//!
//! | request | body | response |
//! |---|---|---|
//! | `GET /api/v1/devices?zone=&state=&after=&limit=` | | [`DeviceList`] |
//! | `POST /api/v1/devices` | [`ImportDevices`] | [`ImportedDeviceList`] |
//! | `GET /api/v1/devices/{zone}/{name}` | | [`DevicePage`] |
//! | `PATCH /api/v1/devices/{zone}/{name}` | [`DeviceChanges`] | [`SetDevice`] |
//! | `POST /api/v1/zones/{zone}/device-policy` | [`DevicePolicy`] | [`DevicePolicy`] |

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use zonelake_registry::{DeviceChanges, DeviceSelection, DeviceState, Registry};

use super::json::{
    DeviceItem, DeviceList, DevicePage, DevicePolicy, ImportDevices, ImportedDeviceList, NewDevices, SetDevice,
};
use super::kept_rows::KeptRowsOf;
use crate::admin::actor::Actor;
use crate::admin::error::AdminError;
use crate::admin::json::{JsonBody, json};

/// Routes whose bodies are short.
pub(in crate::admin) fn routes() -> Router<Arc<Registry>> {
    Router::new()
        .route("/api/v1/devices/{zone}/{name}", get(show).patch(set))
        .route("/api/v1/zones/{zone}/device-policy", post(set_policy))
}

/// Routes whose bodies may be whole files.
pub(in crate::admin) fn import_routes() -> Router<Arc<Registry>> {
    Router::new().route("/api/v1/devices", get(list).post(import)).layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX))
}

/// Devices that are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Parameters {
    zone: Option<String>,
    state: Option<DeviceState>,
    after: Option<String>,
    limit: Option<usize>,
}

async fn list(
    State(registry): State<Arc<Registry>>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Response, AdminError> {
    let Query(Parameters { zone, state, after, limit }) =
        parameters.map_err(|error| AdminError::input(format!("what the URL says: {}", error.body_text())))?;
    let limit = limit.unwrap_or(PAGE_DEVICES);
    if !(1..=PAGE_DEVICES_MAX).contains(&limit) {
        return Err(AdminError::input(format!("limit is 1 to {PAGE_DEVICES_MAX}")));
    }
    let after = after.map(|after| {
        let parts = after.split_once('/').map(|(zone, name)| (zone.to_owned(), name.to_owned()));
        parts.ok_or_else(|| AdminError::input("after is no member of a response"))
    });
    let selection = DeviceSelection { zone, state, after: after.transpose()?, limit };
    let records = tokio::task::spawn_blocking(move || registry.device_records(&selection)).await??;
    let last = records.last().filter(|_| records.len() == limit);
    let after = last.map(|last| format!("{}/{}", last.zone_code, last.name));
    Ok(json(StatusCode::OK, &DeviceList { devices: records.into_iter().map(DeviceItem::from).collect(), after }))
}

async fn show(
    State(registry): State<Arc<Registry>>,
    Path((zone, name)): Path<(String, String)>,
) -> Result<Response, AdminError> {
    let read = move || {
        let record = registry.device_record(&zone, &name)?;
        Ok::<_, AdminError>((record, registry.device_history(&zone, &name)?))
    };
    let (record, history) = tokio::task::spawn_blocking(read).await??;
    let history = history.into_iter().map(Into::into).collect();
    Ok(json(StatusCode::OK, &DevicePage { device: record.into(), history }))
}

async fn set(
    State(registry): State<Arc<Registry>>,
    kept_rows: KeptRowsOf,
    Actor(who): Actor,
    Path((zone, name)): Path<(String, String)>,
    JsonBody(changes): JsonBody<DeviceChanges>,
) -> Result<Response, AdminError> {
    let is_approved = changes.state == Some(DeviceState::Approved);
    let of = (zone.clone(), name.clone());
    let record = tokio::task::spawn_blocking(move || registry.set_device(&zone, &name, &changes, &who)).await??;
    let kept = if is_approved { kept_rows.store(Some(of)).await } else { None };
    Ok(json(StatusCode::OK, &SetDevice { device: record.into(), kept }))
}

async fn import(
    State(registry): State<Arc<Registry>>,
    kept_rows: KeptRowsOf,
    Actor(who): Actor,
    JsonBody(ImportDevices { devices, dry_run }): JsonBody<ImportDevices>,
) -> Result<Response, AdminError> {
    let work = move || registry.import_devices(&devices, dry_run, &who);
    let imported = tokio::task::spawn_blocking(work).await??;
    let has_more = !dry_run && imported.added + imported.changed > 0;
    let kept = if has_more { kept_rows.store(None).await } else { None };
    let imported = ImportedDeviceList {
        added: imported.added,
        changed: imported.changed,
        unchanged: imported.unchanged,
        dry_run,
        kept,
    };
    Ok(json(StatusCode::OK, &imported))
}

async fn set_policy(
    State(registry): State<Arc<Registry>>,
    Path(zone): Path<String>,
    JsonBody(policy): JsonBody<DevicePolicy>,
) -> Result<Response, AdminError> {
    let registers = policy.new_devices == NewDevices::Register;
    tokio::task::spawn_blocking(move || registry.set_auto_register(&zone, registers)).await??;
    Ok(json(StatusCode::OK, &policy))
}

/// Bytes of an import: some hundred thousand devices. The layer of audit reads no longer body.
const IMPORT_BYTES_MAX: usize = 32 << 20;
/// Devices of a page, where a request does not say.
const PAGE_DEVICES: usize = 500;
/// Devices of a page.
const PAGE_DEVICES_MAX: usize = 5_000;
