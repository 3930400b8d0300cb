//! Sites: plants, ports and other places within zones, where devices are.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use zonelake_registry::{Registry, Site};

use super::error::AdminError;
use super::json::{JsonBody, json};

/// Body of `POST /api/v1/sites`, and its response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddSite {
    /// Code of the zone.
    pub zone: String,
    /// Code within the zone.
    pub code: String,
    /// Name for people.
    pub name: String,
}

/// Response to `GET /api/v1/sites`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SiteList {
    /// Sites by zone and code.
    pub sites: Vec<SiteItem>,
}

/// One site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteItem {
    /// Code of the province.
    pub province: String,
    /// Code of the zone.
    pub zone: String,
    /// Code within the zone.
    pub code: String,
    /// Name for people.
    pub name: String,
}

impl From<Site> for SiteItem {
    fn from(site: Site) -> Self {
        let Site { province, zone_code, code, name, .. } = site;
        Self { province: province.to_string(), zone: zone_code.to_string(), code: code.to_string(), name }
    }
}

pub(super) async fn list(State(registry): State<Arc<Registry>>) -> Response {
    let mut sites: Vec<SiteItem> = registry.sites().into_iter().map(SiteItem::from).collect();
    sites.sort_by(|a, b| (&a.zone, &a.code).cmp(&(&b.zone, &b.code)));
    json(StatusCode::OK, &SiteList { sites })
}

pub(super) async fn add(
    State(registry): State<Arc<Registry>>,
    JsonBody(site): JsonBody<AddSite>,
) -> Result<Response, AdminError> {
    let added = site.clone();
    tokio::task::spawn_blocking(move || registry.add_site(&added.zone, &added.code, &added.name)).await??;
    Ok(json(StatusCode::CREATED, &site))
}
